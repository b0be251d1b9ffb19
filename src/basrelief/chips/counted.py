"""Targets that are counts of cases: learnt as rates, by the people among whom they were counted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from basrelief.config import InputError, Settings
from basrelief.run import read_json, write_json
from basrelief.sources.people import rate_by_people, refuse_without_people

FILE = "counted.json"


def make_rates(settings: Settings, labels: pd.DataFrame) -> pd.DataFrame:
    """Turn the columns of ``data.counts`` into rates per 1,000 people.

    Before they are carried to another census: a rate is averaged there, and a count would be
    split.

    Raises
    ------
    InputError
        If the table has no people, or a count is below 0.
    """
    counts = [name for name in settings.data.counts if name in labels]
    if not counts:
        return labels
    typed = settings.typed("labels")
    refuse_without_people(labels, "data.counts", typed)
    for name in counts:
        below = labels.index[labels[name] < 0]
        if len(below):
            raise InputError(
                f"data.counts: {name!r} in {typed} is {labels.loc[below[0], name]:g} in "
                f"{below[0]}, and no count is below 0. Leave it out of data.counts if it counts "
                "nothing."
            )
    return labels.assign(**rate_by_people(labels[counts], labels["population"]))


def write_counted(settings: Settings, folder: Path | None, categories: Collection[str]) -> None:
    """Write which targets are rates of counts: those of ``data.counts``, and crimes counted."""
    counted = [*settings.data.counts, *categories]
    if folder is not None and counted:
        write_json(folder / FILE, counted)


def read_counted(folder: Path) -> list[str]:
    """Read what `write_counted` wrote; empty where nothing was counted."""
    path = folder / FILE
    counted: list[str] = read_json(path) if path.exists() else []
    return counted
