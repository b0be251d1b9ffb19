"""Readers of files stop with a line on whatever bytes; `benchmarks/fuzz.py` goes on for longer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look up the module that they are in.
    sys.modules["fuzz"] = module
    # Where it finds what is beside it.
    sys.path.insert(0, str(SCRIPT.parent))
    spec.loader.exec_module(module)
    return module


FUZZ = load_script()

SEEDS = {
    "rasters": (1, 27, 46, 2099, 108_576),
    "boundaries": (1, 5000, 2_003_302, 2_013_819, 2_013_891, 3_005_598, 3_008_460, 51_753),
}
"""Where tries begin: those that failed once are among them."""

N_TRIES = 20


@pytest.mark.parametrize("reader", FUZZ.READERS)
def test_broken_files_get_a_line(reader: str) -> None:
    for seed in SEEDS.get(reader, (1,)):
        tried, refused, failed = FUZZ.fuzz(reader, seed, minutes=0, least=N_TRIES)
        assert (tried, failed) == (N_TRIES, [])
        assert refused > 0
