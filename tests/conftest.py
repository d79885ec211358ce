"""What every test has: a certificate of its own, so that none is made in the user's home; one thread for torch; no
wait for the disk.

The number of threads changes the last bits of sums, and without a fixed one it follows what other programs do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    patch.delenv("DIPTYCH_CERTIFICATE", raising=False)
    yield patch
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk() -> Iterator[None]:
    """What tests write need not outlast a power cut. A test of what a failing disk does puts its own in this place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser, as tests/browser.py uses it."""
    from browser import CHROMIUM, FLAGS

    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()
