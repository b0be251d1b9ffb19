"""The tables of the chips stage, written alike for rasters and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from basrelief.config import Settings
from basrelief.run import write_json
from basrelief.sources.targets import DOMAINS, expand_targets


def choose_targets(
    settings: Settings, available: list[str], categories: Sequence[str] = ()
) -> list[str]:
    """List the targets of a run, each once, in the order typed.

    Parameters
    ----------
    available
        Columns of the table of labels, by their short names.
    categories
        Categories of ``data.crime``. ``"all"``, alone or among names, stands for the IMD and
        its domains, those available, and these.
    """
    every = [*(name for name in DOMAINS if name in available), *categories]
    return expand_targets(settings.data.targets, every)


@dataclass(frozen=True, eq=False)
class ChipTables:
    """What stands beside the pixels."""

    chips: pd.DataFrame
    areas: pd.DataFrame
    membership: pd.DataFrame
    targets: list[str]


def write_tables(
    settings: Settings, folder: Path, tables: ChipTables, facts: dict[str, Any]
) -> None:
    """Write chips, areas, membership and what they are into a folder.

    Parameters
    ----------
    facts
        What ``chips.json`` says besides kind, targets and size.
    """
    tables.chips.to_parquet(folder / "chips.parquet")
    tables.areas.to_parquet(folder / "areas.parquet")
    tables.membership.to_parquet(folder / "membership.parquet")
    common = {
        "kind": settings.data.kind,
        "targets": tables.targets,
        "size_px": settings.chips.size_px,
        "resolution_m": settings.chips.resolution_m,
    }
    write_json(folder / "chips.json", common | facts)
