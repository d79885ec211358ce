"""What a process that validates for long asks of the others: to wait, beyond any limit for a process that hangs."""

from __future__ import annotations

import time
from datetime import timedelta

import torch

from diptych.training import processes

if __name__ == "__main__":
    with processes.joined(stalled=timedelta(seconds=2)):
        for wait in (
            processes.wait_for_all,
            lambda: processes.agreed(processes.rank()),
            lambda: processes.differing({"own": torch.full((1,), processes.rank())}),
        ):
            assert float(processes.average(torch.ones(1))) == 1
            if processes.rank() == 0:
                time.sleep(4)  # validating
            wait()
