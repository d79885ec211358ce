"""bfloat16 is used where the machine has arithmetic for it, nowhere else unasked, and what was chosen is said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from commands import diptych
from pictures import side_by_side
from runs import arguments, recipe, train

from diptych.model.folder import inspect_card
from diptych.options.recipes import read_recipe
from diptych.runtime import device, precision
from diptych.runtime.memory import size
from diptych.runtime.precision import Precision, choose, explain, fastest
from diptych.runtime.speed import Speed
from diptych.training import processes
from diptych.training.plan import agreed_precision

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda:0"), torch.device("mps")
FAST, SLOW = Precision(True, "it can"), Precision(False, "it cannot")
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


@pytest.fixture(autouse=True)
def found_out_anew() -> None:
    fastest.cache_clear()


def machine(monkeypatch: pytest.MonkeyPatch, found: Precision) -> None:
    """Let this be a machine on which `found` was found out."""
    monkeypatch.setattr(precision, "fastest", lambda device: found)


@pytest.mark.parametrize(
    ("flags", "bf16"),
    [("sse4_2 avx2", False), ("avx2 avx512f", False), ("avx512f avx512_bf16", True), ("avx512f amx_bf16", True)],
)
def test_features_of_the_processor_decide_without_a_measurement(
    monkeypatch: pytest.MonkeyPatch, flags: str, bf16: bool
) -> None:
    for name in precision.LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(precision, "processor_flags", lambda: frozenset(flags.split()))
    monkeypatch.setattr(precision, "timed", lambda device: pytest.fail("it was measured"))
    assert fastest(CPU).bf16 is bf16


@pytest.mark.parametrize("limit", precision.LIMITS)
@pytest.mark.parametrize(("exact", "rounded", "bf16"), [(0.2, 0.4, True), (0.2, 0.2, False), (0.2, 0.04, False)])
def test_where_kernels_are_limited_a_measurement_decides(
    monkeypatch: pytest.MonkeyPatch, limit: str, exact: float, rounded: float, bf16: bool
) -> None:
    monkeypatch.setenv(limit, "avx2")
    monkeypatch.setattr(precision, "convolution_rates", lambda device, rounds: (exact, rounded))
    assert fastest(CPU).bf16 is bf16
    assert f"{max(exact, rounded) / min(exact, rounded):.1f} times" in fastest(CPU).why


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="emulates an x86 processor")
def test_a_machine_with_nothing_but_avx2_gets_float32() -> None:
    code = "import torch; from diptych.runtime.precision import fastest; print(fastest(torch.device('cpu')).bf16)"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | AVX2, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(("capability", "bf16"), [((6, 1), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_below_compute_capability_8_gets_float32(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], bf16: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert fastest(CUDA).bf16 is bf16


def test_a_device_that_refuses_bfloat16_gets_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: torch.device, rounds: int) -> None:
        raise TypeError("BFloat16 is not supported on MPS\nand more")

    monkeypatch.setattr(precision, "convolution_rates", refuse)
    assert fastest(MPS) == Precision(False, "mps cannot: BFloat16 is not supported on MPS")


@pytest.mark.parametrize("found", [FAST, SLOW])
@pytest.mark.parametrize("asked", ["auto", True, False])
def test_what_is_asked_for_is_done_and_the_slower_way_is_named(
    monkeypatch: pytest.MonkeyPatch, found: Precision, asked: precision.Bf16
) -> None:
    machine(monkeypatch, found)
    wanted = found.bf16 if asked == "auto" else asked
    assert choose(asked, CPU) is wanted
    assert Speed(bf16=asked).on(CPU).bf16 is wanted
    said = explain(asked, CPU)
    assert said.startswith("bfloat16" if wanted else "float32")
    assert found.why in said
    assert ("is faster here" in said) is (wanted != found.bf16)


@pytest.mark.parametrize("found", [FAST, SLOW])
def test_a_run_says_its_precision_and_keeps_it_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Precision
) -> None:
    machine(monkeypatch, found)
    given = recipe(side_by_side(tmp_path / "pairs", 6, 64))
    del given["speed"]
    said = train(given, tmp_path / "run")
    assert f"on cpu: {found.name} ({found.why})" in said
    assert re.search(r"memory: about [\d.]+ MB and the libraries", said), "little memory is said in MB"
    assert read_recipe(tmp_path / "run" / "recipe.yaml")["speed"]["bf16"] is found.bf16
    assert inspect_card(tmp_path / "run").scores["l1"]["precision"] == found.name
    other = SLOW if found is FAST else FAST
    machine(monkeypatch, other)
    for again in ({}, {"speed": {"bf16": "auto"}}):
        assert "this run is complete" in (said := train({**given, **again}, tmp_path / "run"))
        assert f"{found.name} as asked, although {other.name} is faster here" in said
    assert "this run is complete" in train({}, tmp_path / "run", resume=True)


def test_one_process_that_had_better_not_decides_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, FAST)
    heard = []
    monkeypatch.setattr(processes, "agreed", lambda number: heard.append(number) or 1)  # another one brings 1
    assert agreed_precision("auto", CPU) is False
    assert heard == [False]


def test_on_the_command_line_the_precision_is_said_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, SLOW)
    pairs = side_by_side(tmp_path / "pairs", 8, 64)
    given = recipe(pairs, images=2, batch=2)
    del given["speed"]
    assert diptych(*arguments(given, tmp_path / "run")).code == 0
    said = diptych("info", tmp_path / "run").out
    assert "this machine: translates on cpu in float32, trains in float32 (it cannot)" in said
    for flags, name in ([], "float32"), (["--bf16"], "bfloat16"):
        wanted = ["--split", "train", "--limit", "2", "--json", *flags]
        _, out, err = diptych("evaluate", tmp_path / "run", "--data", pairs, *wanted)
        assert json.loads(out)["precision"] == name
        assert ("although float32 is faster here (it cannot): leave --bf16 out" in err) is bool(flags)
    assert "translated in bfloat16" in (tmp_path / "run" / "report.html").read_text()
    said = diptych("bench", tmp_path / "run", "--size", "64", "--rounds", "1", "--only", "plain").out
    assert "float32 (it cannot)" in said


@pytest.mark.parametrize(("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_is_cuda_then_mps_then_the_processor(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert device.choose_device().type == chosen


def test_what_a_device_lacks_is_left_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.lacking(CPU) == {}
    meta = torch.device("meta")
    assert set(device.lacking(meta)) == {"fused"}, "torch has no fused optimiser for tensors without memory"
    assert Speed(bf16=False).on(meta) == Speed(bf16=False, fused=False)
    assert Speed(bf16=False).on(CPU) == Speed(bf16=False)


@pytest.mark.parametrize(
    ("bytes", "said"),
    [
        (0, "0 bytes"),
        (12, "12 bytes"),
        (4e5, "0.4 MB"),
        (12e6, "12 MB"),
        (99e6, "99 MB"),
        (1e8, "0.1 GB"),
        (2e10, "20 GB"),
    ],
)
def test_memory_is_said_in_the_unit_that_fits(bytes: float, said: str) -> None:
    assert size(bytes) == said
