import ctypes
import platform
from pathlib import Path

import pytest
import torch

from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn.arithmetic import Arithmetic, choose_arithmetic, hold_memory
from basrelief.stage_settings import ModelSettings


def choose(models: ModelSettings) -> Arithmetic:
    return choose_arithmetic(Settings(data=DataSettings(images="a", table="b"), models=models))


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_bf16_is_taken_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_bf16})
    assert choose(ModelSettings(device="cpu")).precision == expected


def test_what_is_typed_wins_and_is_said_in_one_line() -> None:
    assert str(choose(ModelSettings(device="cpu", precision="fp32"))) == "cpu, fp32"
    assert str(choose(ModelSettings(device="cpu", precision="bf16"))) == "cpu, bf16"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"models.device = 'cuda': this machine has none. It has"):
        choose(ModelSettings(device="cuda"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of another C library")
def test_freed_memory_is_held_for_the_next_layer() -> None:
    hold_memory()
    layer = torch.ones(2**26)
    before = resident_bytes()
    del layer
    assert before - resident_bytes() < 2**24


def resident_bytes() -> int:
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: object) -> None:
        raise AssertionError(name)

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    monkeypatch.setattr("sys.platform", "darwin")
    hold_memory()
