"""Single crimes, one a row, as police.uk publishes them: counted by area, month and category."""

from __future__ import annotations

from typing import Any

import pandas as pd

from basrelief.config import InputError
from basrelief.run import Notes
from basrelief.sources.areas import list_names
from basrelief.sources.crime_doubts import refuse_future
from basrelief.sources.crime_files import (
    CrimeFile,
    CrimeTable,
    check_periods,
    list_boroughs,
    name_categories,
)
from basrelief.sources.crime_gaps import SILENT

CRIME_ID = r"[0-9a-f]{64}"
"""How police.uk writes the ID of a crime; other columns of that name may hold anything."""

COPIED_SHARE = 0.1
"""Share of IDs that stand again from which files were joined with themselves: as published, one in
fifty does (City of London, 2019)."""

MOST_TIMES = 10
"""Times that one ID may stand in what is published: three at most do (City of London, 2019)."""

FEW, FEW_OF_MOST = 2.0, 0.05
"""Crimes an area and month, of all kinds, below which no force is known to fall in a district that
it polices; and the share of its busiest district. Below both, the district is another force's."""


def read_crimes(file: CrimeFile) -> pd.DataFrame:
    """Read one crime a row: its area (None where unknown), month, category, force, borough."""
    heading = next(
        (file.by_name[n] for n in ("falls within", "reported by") if n in file.by_name), ""
    )
    names = [file.code, file.by_name["month"], file.by_name["crime type"]]
    table = file.read()
    months = check_periods(table[names[1]].astype(str), file)
    # A year alone would be counted as one with twelve months, of which eleven have nothing.
    if (months.str.len() == 4).any():
        raise InputError(f"{file.where}: a crime has no month in column {names[1]!r}.")
    refuse_future(months.unique(), file.where)
    crime_id = file.by_name.get("crime id")
    return pd.DataFrame(
        {
            "crime_id": table[crime_id] if crime_id else None,
            "area_id": table[file.code],
            "month": months,
            "category": name_categories(table[names[2]], file),
            # A row may lack it; then it counts as of a force of its own.
            "force": table[heading].fillna("").astype(str) if heading else "",
            "borough": list_boroughs(table, file),
        }
    )


def count_crimes(
    singles: list[tuple[CrimeFile, pd.DataFrame]], where: str, notes: Notes
) -> CrimeTable:
    """Count single crimes by area, category and month.

    An area belongs to the force that recorded most of its crimes, and is known in the months of
    which there are crimes of that force.
    """
    crimes = _stack_crimes(singles, where, notes)
    lost = crimes["area_id"].isna()
    if lost.any():
        notes.add(
            f"{where}: {lost.sum()} of {len(crimes)} crimes have no LSOA and are in no area's count"
        )
    months = crimes.groupby("force")["month"].unique()
    known = crimes[~lost]
    # Along borders two forces record: each area is of one, or its months would be of both.
    forces = known.groupby("area_id")["force"].agg(lambda each: each.value_counts().index[0])
    known = _leave_out_guests(known, forces, where, notes)
    boroughs = known.dropna(subset=["borough"]).groupby("area_id")["borough"].first()
    boroughs = boroughs.reindex(forces.index).astype(object)
    covered = pd.DataFrame(
        {
            month: [month in months[force] for force in forces]
            for month in sorted(crimes["month"].unique())
        },
        index=forces.index,
    )
    covered = covered.astype(float)
    strange = _find_strange(known, forces, boroughs)
    if len(strange):
        covered.loc[strange] = 0.0
        named = list_names(sorted(boroughs[strange].dropna().unique()), limit=5)
        notes.add(
            f"{where}: {len(strange)} areas (in {named}) have hardly a crime in these files, as "
            "where another force's ground begins: their rates are unknown"
        )
    counts = pd.crosstab([known["area_id"], known["category"]], known["month"])
    # A month whose crimes have no LSOA is of the files too.
    counts = counts.reindex(columns=covered.columns, fill_value=0)
    main = tuple(sorted(known["category"].unique()))
    return CrimeTable(counts.astype(float), covered, boroughs, main, singles[0][0].vintage)


def _stack_crimes(
    singles: list[tuple[CrimeFile, pd.DataFrame]], where: str, notes: Notes
) -> pd.DataFrame:
    """Join files of single crimes, each force and month once."""
    stacked: list[pd.DataFrame] = []
    seen: dict[tuple[Any, Any], tuple[CrimeFile, pd.DataFrame]] = {}
    for file, crimes in singles:
        # By force and month, as police.uk cuts its files, whatever the files are called.
        keys = set(crimes[["force", "month"]].itertuples(index=False, name=None))
        again = sorted(keys & set(seen))
        if again:
            other, before = seen[again[0]]
            if not crimes.equals(before):
                force, month = again[0]
                raise InputError(
                    f"{where}: {other.stem} and {file.stem} both hold crimes of {force} in "
                    f"{month}. Give a pattern that takes each crime once."
                )
            notes.add(f"{file.where}: the same crimes as in {other.stem}, counted once")
            continue
        seen |= dict.fromkeys(keys, (file, crimes))
        stacked.append(crimes)
    return _drop_repeats(pd.concat(stacked, ignore_index=True), where, notes)


def _drop_repeats(crimes: pd.DataFrame, where: str, notes: Notes) -> pd.DataFrame:
    """Count each crime once in files that stand twice, told by the IDs of police.uk.

    A few IDs stand again as the police publish them, and count so, as in their own sums.
    Anti-social behaviour has none, and is as often there as it stands.
    """
    texts = crimes["crime_id"].astype(str).str.strip().str.lower()
    has_id = texts.str.fullmatch(CRIME_ID)
    keyed = crimes.assign(crime_id=texts)
    is_repeat = has_id & keyed.duplicated(["crime_id", "area_id", "month", "category"])
    # Of the whole: a file that stands twice repeats all of its crimes, an office a few.
    is_copied = is_repeat.sum() > COPIED_SHARE * max(has_id.sum(), 1)
    n_times = keyed[has_id].groupby("crime_id")["month"].transform("size")
    # A row that was copied down a sheet is far more often there than an office's repeats.
    is_stuck = is_repeat & (n_times.reindex(keyed.index) > MOST_TIMES)
    is_taken_out = is_repeat if is_copied else is_stuck
    if is_repeat.any():
        what = "all are counted, as they are published"
        if is_stuck.any():
            what = f"those of more than {MOST_TIMES} times are counted once"
        what = "each is counted once" if is_copied else what
        notes.add(
            f"{where}: {is_repeat.sum()} of {len(crimes)} crimes stand there again, with the same "
            f"Crime ID, month, area and category: {what}"
        )
    left = keyed[has_id & ~is_repeat]
    n_at_odds = int(left.duplicated("crime_id").sum())
    if n_at_odds:
        notes.add(
            f"{where}: {n_at_odds} crimes have the Crime ID of another in a different month, area "
            "or category: all are counted"
        )
    return crimes[~is_taken_out].reset_index(drop=True)


def _leave_out_guests(
    known: pd.DataFrame, forces: pd.Series[str], where: str, notes: Notes
) -> pd.DataFrame:
    """Leave out what other forces recorded in an area, where months of theirs are missing.

    Counted, those months would have more crime than the others, and the area a rate of neither.
    """
    own = known["area_id"].map(forces)
    is_left_out = pd.Series(data=False, index=known.index)
    months = known.groupby("force")["month"].unique().map(set)
    n_crimes = known["force"].value_counts()
    pairs = pd.DataFrame({"guest": known["force"], "host": own}).drop_duplicates()
    for guest, host in pairs[pairs["guest"] != pairs["host"]].itertuples(index=False):
        missing = sorted(months[host] - months[guest])
        # A row may lack its force; and where a few crimes are usual, a month may have none.
        if not guest or n_crimes[guest] / len(months[guest]) * len(missing) < SILENT:
            continue
        is_guest = (known["force"] == guest) & (own == host)
        is_left_out |= is_guest
        n_areas = known.loc[is_guest, "area_id"].nunique()
        named = list_names([f"{month[:4]}-{month[4:]}" for month in missing], limit=5)
        notes.add(
            f"{where}: {is_guest.sum()} crimes that {guest} recorded in {n_areas} areas of "
            f"{host} are left out: its files have none of {named}"
        )
    return known[~is_left_out]


def _find_strange(
    known: pd.DataFrame, forces: pd.Series[str], boroughs: pd.Series[Any]
) -> pd.Index[str]:
    """Find the areas of districts that their force does not police, but has some crimes of."""
    table = pd.DataFrame({"force": forces, "borough": boroughs})
    table["n"] = known.groupby("area_id").size()
    # Only districts can be told: of a single area little crime is nothing strange.
    n_months = known.groupby("force")["month"].nunique()
    usual = table.groupby(["force", "borough"])["n"].mean()
    usual = usual / n_months.reindex(usual.index.get_level_values("force")).to_numpy()
    most = usual.groupby(level="force").transform("max")
    few = set(usual[(usual < FEW) & (usual < FEW_OF_MOST * most)].index)
    is_few = [pair in few for pair in zip(table["force"], table["borough"], strict=True)]
    return table.index[is_few]
