"""What the data were like before anything was learnt, as far as pages tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from basrelief.chips.describe import ONE_BAND
from basrelief.chips.removal import REMOVAL
from basrelief.chips.store import STREET
from basrelief.eyes import OVERLAYS
from basrelief.names import unguard_table
from basrelief.run import Record, Run, read_json


@dataclass(frozen=True)
class Described:
    """What the data were like before anything was learnt."""

    counts: Record
    """How many of what, as ``describe/counts.json`` has it."""

    summary: pd.DataFrame
    """A row a target, as in ``describe/summary.csv``."""

    daily_crimes: pd.DataFrame | None = None
    """Boroughs by category; None where none were counted."""

    one_colour: tuple[str, ...] = ()
    """Pictures left out because they are of one colour."""

    notes: tuple[str, ...] = ()
    """What was odd about the input and yet taken: sentences that may name single areas."""

    removal: pd.DataFrame | None = None
    """Each score before and after pictures were removed; None where none are pictures."""

    one_band: Path | None = None
    """A picture beside itself as one band."""

    overlays: Mapping[str, Record] = field(default_factory=dict)
    """Of layers and street pictures beside heights, by name, as ``chips/chips.json`` has them."""


def read_described(run: Run) -> Described:
    """Read what the describe stage wrote, as far as pages tell it."""
    folder, removed = run.describe, pd.DataFrame()
    cut = read_json(run.chips / "chips.json")
    daily, one_colour = folder / "daily-crimes.csv", folder / "one_colour.csv"
    if one_colour.exists():
        # As text: an id is no number, whatever it is made of.
        removed = unguard_table(pd.read_csv(one_colour, dtype=str))
    removed_told = (folder / REMOVAL).exists()
    return Described(
        counts=read_json(folder / "counts.json"),
        summary=unguard_table(pd.read_csv(folder / "summary.csv", index_col=0)),
        daily_crimes=unguard_table(pd.read_csv(daily, index_col=0)) if daily.exists() else None,
        one_colour=() if removed.empty else tuple(removed.iloc[:, 0]),
        removal=unguard_table(pd.read_csv(folder / REMOVAL)) if removed_told else None,
        one_band=folder / ONE_BAND if (folder / ONE_BAND).exists() else None,
        notes=tuple(read_json(folder / "notes.json")) if (folder / "notes.json").exists() else (),
        overlays={name: cut[name] for name in (*OVERLAYS, STREET) if name in cut},
    )
