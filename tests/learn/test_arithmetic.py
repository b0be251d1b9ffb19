import pytest
import torch

from basrelief.config import DataSettings, InputError, ModelSettings, Settings
from basrelief.learn.arithmetic import Arithmetic, choose_arithmetic


def choose(models: ModelSettings) -> Arithmetic:
    return choose_arithmetic(Settings(data=DataSettings(images="a", table="b"), models=models))


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_bf16_is_taken_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_bf16})
    assert choose(ModelSettings(device="cpu")).precision == expected


def test_what_is_typed_wins_and_is_said_in_one_line() -> None:
    assert str(choose(ModelSettings(device="cpu", precision="fp32"))) == "cpu, fp32, rows last"
    assert str(choose(ModelSettings(device="cpu", precision="bf16"))) == "cpu, bf16, channels last"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"models.device = 'cuda': this machine has none. It has"):
        choose(ModelSettings(device="cuda"))
