"""Deprivation maps from LIDAR, and how far to trust them."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "InputError": "config",
    "Settings": "config",
    "load_settings": "config",
    "Run": "run",
    "RunReader": "reader",
    "open_run": "reader",
    "run_all": "running",
    "run_stages": "running",
    "Samples": "chips.store",
    "load_samples": "chips.store",
    "make_chips": "chips.stage",
    "describe_chips": "chips.describe",
    "assign_splits": "splits.stage",
    "train_recipes": "learn.stage",
    "evaluate_recipes": "judge.stage",
    "explain_recipes": "explain.stage",
    "write_maps": "tell.maps.stage",
    "tell_run": "tell.stage",
    "export_model": "tell.cards.export",
    "NewRasters": "judge.transfer",
    "transfer_model": "judge.transfer",
    "NewPictures": "judge.transfer_pictures",
    "transfer_to_pictures": "judge.transfer_pictures",
    "say_answer": "tell.new_places",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: torch takes seconds to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
