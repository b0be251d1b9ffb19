"""The tables of the chips stage, written alike for rasters and pictures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from basrelief.config import DOMAINS, Settings
from basrelief.run import write_json


def name_targets(settings: Settings, available: list[str]) -> list[str]:
    """List the targets of a run: those asked for, or the domains that the table has."""
    if settings.data.targets == "all":
        return [name for name in DOMAINS if name in available]
    return list(dict.fromkeys(settings.data.targets))


def write_tables(
    settings: Settings,
    folder: Path,
    chips: pd.DataFrame,
    areas: pd.DataFrame,
    membership: pd.DataFrame,
    targets: list[str],
) -> None:
    """Write chips, areas, membership and what they are into a folder."""
    chips.to_parquet(folder / "chips.parquet")
    areas.to_parquet(folder / "areas.parquet")
    membership.to_parquet(folder / "membership.parquet")
    facts = {
        "kind": "heights" if settings.data.has_rasters else "pictures",
        "targets": targets,
        "size_px": settings.chips.size_px,
        "resolution_m": settings.chips.resolution_m,
    }
    write_json(folder / "chips.json", facts)
