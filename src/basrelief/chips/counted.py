"""Targets that are counts of cases: learnt as rates, by the people among whom they were counted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from basrelief.config import InputError, Settings
from basrelief.run import read_json, write_json
from basrelief.sources.people import rate_by_people, refuse_without_people

FILE = "counted.json"

MANY_BROKEN = 0.5
"""Share of a column that is no whole number, or above its people, from which on it is no count."""


def make_rates(settings: Settings, labels: pd.DataFrame) -> pd.DataFrame:
    """Turn the columns of ``data.counts`` into rates per 1,000 people.

    Before they are carried to another census: a rate is averaged there, and a count would be
    split.

    Raises
    ------
    InputError
        If the table has no people, or a column is no count of cases among them.
    """
    counts = [name for name in settings.data.counts if name in labels]
    if not counts:
        return labels
    typed = settings.typed("labels")
    refuse_without_people(labels, "data.counts", typed)
    for name in counts:
        _check_count(labels[name], labels["population"], f"data.counts: {name!r} in {typed}")
    return labels.assign(**rate_by_people(labels[counts], labels["population"]))


def _check_count(cases: pd.Series[float], people: pd.Series[float], what: str) -> None:
    """Stop where a column counts nothing: numbers below 0, fractions, more cases than people."""
    below, broken = cases[cases < 0], cases[cases != cases.round()].dropna()
    if len(below):
        raise InputError(
            f"{what} is {below.iloc[0]:g} in {below.index[0]}, and no count is below 0. Leave it "
            "out of data.counts if it counts nothing."
        )
    # A few come of sharing counts out; a whole column of them is rates, and would be made so twice.
    if len(broken) > MANY_BROKEN * cases.notna().sum():
        raise InputError(
            f"{what} is {broken.iloc[0]:g} in {broken.index[0]}, and {len(broken)} of "
            f"{int(cases.notna().sum())} are no whole numbers: these are rates or shares. Give "
            "counts, or leave it out of data.counts to learn it as it is."
        )
    # By no people there is no rate, which is told elsewhere.
    is_over = (cases > people) & (people > 0)
    if is_over.sum() > MANY_BROKEN * is_over.size:
        own = is_over.index[is_over.to_numpy()][0]
        raise InputError(
            f"{what} is {cases[own]:g} in {own}, where {people[own]:g} people live; so in "
            f"{int(is_over.sum())} areas. Give cases and people of one unit and one year."
        )


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
