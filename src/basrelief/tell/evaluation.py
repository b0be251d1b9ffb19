"""What judging found, as far as pages tell of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from basrelief.judge.yardsticks import differ, keep_lidar
from basrelief.learn.knowledge import LIDAR, find_eyes
from basrelief.names import unguard_table
from basrelief.run import Record, read_json
from basrelief.tell.words import list_apart

N_LISTED = 20
"""Areas of the ranked list that the page shows."""


@dataclass(frozen=True)
class Evaluation:
    """What judging found."""

    comparisons: list[Record]
    preferred: list[Record]
    coverage: list[Record]
    targeting: list[Record]
    failures: list[Record]
    audit: Record
    partial: list[Record]
    """Effects of slope and altitude; empty where there are no relief statistics."""

    over_targets: list[Record]
    claims: list[Record]
    """Every gain that the report may claim, and whether it survives chance."""

    relocation: list[Record]
    """The gains of LIDAR among those with the labels moved and turned over the place."""

    recipes: list[Record]
    """What each recipe and baseline knows, and its yardstick."""

    member_weights: list[Record]
    counts: list[Record]
    """What counts read out as such come to, as in ``evaluate/counts.json``."""

    residuals: pd.DataFrame
    """Of the recipes asked for, in the scheme shown."""

    ranked: pd.DataFrame
    """The top of each ranked list."""

    @property
    def yardsticks(self) -> dict[str, str]:
        """By recipe, what differs from it in LIDAR alone; the mean where nothing does."""
        return keep_lidar({record["recipe"]: record["yardsticks"] for record in self.recipes})

    def list_eyes(self) -> list[str]:
        """List the eyes of a run that has others than LIDAR, by their codes, LIDAR first."""
        codes = {code for known in self.knows.values() for code in known}
        eyes = find_eyes(codes)
        return list(eyes) if set(eyes) - set(LIDAR) else []

    def find_apart(self, one: str, other: str) -> Sequence[str]:
        """Find what sets two recipes apart, by its codes: whoever tells of both names all of it."""
        for record in self.comparisons:
            if {record["recipe"], record["versus"]} == {one, other}:
                return list_apart(record)
        # Pairs of what nobody asked for are not all listed.
        return differ(self.knows.get(one, ()), self.knows.get(other, ()))

    @property
    def knows(self) -> dict[str, list[str]]:
        """By recipe, the codes of what it knows."""
        return {record["recipe"]: record["knows"] for record in self.recipes}


def read_evaluation(folder: Path, shown: list[tuple[str, str, Any]]) -> Evaluation:
    """Read what judging found.

    Parameters
    ----------
    shown
        Filters on the rows of ``residuals.parquet``.
    """
    # Of pictures there are no relief statistics, and so no effects of slope.
    partial = folder / "partial.json"
    # Nor is anything counted in most runs.
    counts = folder / "counts.json"
    return Evaluation(
        comparisons=read_json(folder / "comparisons.json"),
        preferred=read_json(folder / "preferred.json"),
        coverage=read_json(folder / "coverage.json"),
        targeting=read_json(folder / "targeting.json"),
        failures=read_json(folder / "failures.json"),
        audit=read_json(folder / "audit.json"),
        partial=read_json(partial) if partial.exists() else [],
        over_targets=read_json(folder / "over_targets.json"),
        claims=read_json(folder / "claims.json"),
        relocation=read_json(folder / "relocation.json"),
        recipes=read_json(folder / "recipes.json"),
        member_weights=read_json(folder / "member_weights.json"),
        counts=read_json(counts) if counts.exists() else [],
        residuals=read_filtered(folder / "residuals.parquet", shown),
        ranked=read_ranked(folder, lambda rows: rows["rank"] <= N_LISTED),
    )


def read_filtered(path: Path, filters: list[tuple[str, str, Any]]) -> pd.DataFrame:
    """Read the rows of a Parquet file that pass its filters."""
    frame: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
    return frame


def read_ranked(folder: Path, wanted: Callable[[pd.DataFrame], pd.Series[bool]]) -> pd.DataFrame:
    """Read the rows of the ranked lists, ``targeting.csv``, that are wanted.

    Piece by piece: the file may be of a whole country.
    """
    path = folder / "targeting.csv"
    if not path.stat().st_size:
        # Nothing was predicted by area, so not even a head was written.
        return pd.DataFrame()
    # As text: codes made of digits would become numbers and lose the zeros that they begin with.
    pieces = pd.read_csv(path, dtype={"area_id": str, "lad": str}, chunksize=100_000)
    plain = (unguard_table(piece) for piece in pieces)
    return pd.concat([piece[wanted(piece)] for piece in plain], ignore_index=True)
