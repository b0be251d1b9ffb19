"""Tables of one census on boundaries of the other, by the lookup between both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import geopandas as gpd
import pandas as pd

from basrelief.config import InputError, Settings
from basrelief.run import Notes, no_notes
from basrelief.sources.areas import find_area_vintage, read_areas
from basrelief.sources.census import settle_vintage
from basrelief.sources.changes import (
    GROUND,
    Carried,
    People,
    carry_over,
    read_changes,
    tell_census,
    turn_round,
)
from basrelief.sources.crime import CrimeCounts
from basrelief.sources.labels import find_label_vintage
from basrelief.sources.tenths import TENTH
from basrelief.typed import Typed

TEXTS = ("msoa", "lad", "lad_name")
"""Columns of labels that are no numbers."""

WIDER_M = 5000.0
"""How far beyond a place parts of its areas are looked for: LSOAs are seldom longer."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """What becomes of the areas of another census than the boundaries' on these."""

    typed: Typed
    pairs: pd.DataFrame
    """As of `carry_over`: ``old`` are the areas of the other census, ``new`` those drawn."""

    year: int
    """Census of the boundaries."""

    place: frozenset[str]
    """Codes of the areas of the place."""

    def carry_labels(
        self, labels: pd.DataFrame, told: tuple[int, str] | None, typed: Typed, notes: Notes
    ) -> pd.DataFrame:
        """Carry labels to the areas of the place, where they are of the other census.

        Parameters
        ----------
        labels
            As of `read_labels`.
        told
            Census of their areas, and what tells it, as headings have it.
        """
        vintage = settle_vintage(told, labels.index, str(typed))
        year = vintage[0] if vintage else tell_census(labels.index, self.pairs_by_year())
        if year in (None, self.year):
            return labels
        # A mean of tenths is nobody's: no office puts areas of another census into an order.
        labels = labels.drop(columns=[name for name in labels if str(name).startswith(TENTH)])
        numbers = [c for c in labels if c not in (*TEXTS, "population")]
        people = People(old=labels.get("population"))
        scores = carry_over(labels[numbers], self.pairs, "mean", people, self.place)
        found = scores.table
        if "population" in labels:
            found = found.join(self._add_up(labels[["population"]], None).table)
        for column in (c for c in TEXTS if c in labels):
            found[column] = self._carry_text(labels[column])
        self._note(notes, typed, scores)
        return found[list(labels.columns)]

    def carry_counts(
        self, crime: CrimeCounts, people: pd.Series[float] | None, typed: Typed, notes: Notes
    ) -> CrimeCounts:
        """Carry counts of crime to the areas of the place, where some are of the other census.

        Parameters
        ----------
        people
            By code of the areas of the place, to share counts out by; None where not known.
        """
        counts, told = crime.counts, crime.vintage
        only_new = ~counts.index.isin(self.pairs["old"]) & counts.index.isin(self.pairs["new"])
        has_old = (
            ~counts.index.isin(self.pairs["new"]) & counts.index.isin(self.pairs["old"])
        ).any()
        # Headings of single crimes tell no census; and a force may change its codes from one
        # month to the next, so that codes of both stand in one file.
        if not has_old and (told is None or told[0] == self.year):
            return crime
        carried = self._add_up(counts[~only_new], people)
        # Of other places a part alone may have come, which would pass for the whole.
        both = pd.concat([carried.table, counts[only_new & counts.index.isin(list(self.place))]])
        # What was counted by the new code and what by the old are of different months.
        is_whole = both.notna().groupby(level=0).all()
        summed = both.groupby(level=0).sum().where(is_whole)
        summed.index.name = counts.index.name
        self._note(notes, typed, carried)
        boroughs = crime.boroughs.combine_first(self._carry_text(crime.boroughs))
        gaps = self._carry_text(pd.Series(crime.gaps, dtype=object), is_any=True)
        return replace(
            crime,
            counts=summed,
            boroughs=boroughs.reindex(summed.index),
            vintage=None,
            gaps=crime.gaps | {str(code): str(gap) for code, gap in gaps.dropna().items()},
        )

    def trace_back(self, codes: Collection[str]) -> set[str]:
        """Name the areas of both censuses in whose rows something of some areas stands."""
        is_of = self.pairs["new"].isin(list(codes))
        return {*codes, *self.pairs.loc[is_of, "old"]}

    def pairs_by_year(self) -> pd.DataFrame:
        """Give the pairs with those of 2011 as the old ones."""
        return self.pairs if self.year == 2021 else turn_round(self.pairs)

    def _add_up(self, counts: pd.DataFrame, people: pd.Series[float] | None) -> Carried:
        return carry_over(counts, self.pairs, "sum", People(new=people), self.place)

    def _carry_text(self, texts: pd.Series, *, is_any: bool = False) -> pd.Series:
        """Carry texts to areas all of whose parts have the same; or, if any will do, the first."""
        found = texts.reindex(self.pairs["old"]).groupby(self.pairs["new"].to_numpy())
        first, last = found.first(), found.last()
        return first if is_any else first.where(first == last)

    def _note(self, notes: Notes, typed: Typed, carried: Carried) -> None:
        other = {2011: 2021, 2021: 2011}[self.year]
        notes.add(
            f"{typed}: LSOAs of {other} carried to those of {self.year} by {self.typed}: "
            f"{carried.describe()}"
        )


def open_lookup(settings: Settings, areas: gpd.GeoDataFrame) -> Lookup | None:
    """Read the lookup between censuses, if one is given, for the areas of a place.

    Parameters
    ----------
    areas
        As of `read_areas`.

    Raises
    ------
    InputError
        If it cannot be read, or does not know the areas.
    """
    if settings.data.lookup is None:
        return None
    typed, drawn = settings.typed("lookup"), settings.typed("areas")
    pairs = read_changes(typed)
    # By the boundaries: what they draw is what is shown, and tables are brought to it.
    told = find_area_vintage(drawn, settings.data.area_column)
    vintage = settle_vintage(told, areas["area_id"], str(drawn))
    year = vintage[0] if vintage else tell_census(areas["area_id"], pairs)
    # Where no code tells, none of these areas changed, and nothing has to be carried.
    if year is None:
        return None
    known = pairs["new" if year == 2021 else "old"]
    lost = areas.loc[~areas["area_id"].isin(known), "area_id"]
    if len(lost) == len(areas) or year not in (2011, 2021):
        raise InputError(
            f"{typed}: knows none of the areas of {drawn} (such as {areas['area_id'].iloc[0]!r}). "
            "Give the lookup of all of England and Wales, or leave the key out."
        )
    pairs = pairs if year == 2021 else turn_round(pairs)
    pairs = _fill_ground(pairs, settings, areas)
    return Lookup(typed, pairs, year, frozenset(areas["area_id"]))


def carry_tables(
    settings: Settings,
    notes: Notes,
    lookup: Lookup | None,
    labels: pd.DataFrame,
    crime: CrimeCounts | None,
) -> tuple[pd.DataFrame, CrimeCounts | None]:
    """Carry what is of another census than the boundaries to these; all as it is without a lookup.

    Parameters
    ----------
    labels, crime
        As of `read_labels` and `read_crime`.
    """
    if lookup is None:
        return labels, crime
    if settings.data.labels is not None:
        typed = settings.typed("labels")
        told = find_label_vintage(typed, settings.data.label_column)
        labels = lookup.carry_labels(labels, told, typed, notes)
    if crime is not None:
        # By people of the areas as they are drawn, which labels have by now.
        people = labels.get("population")
        crime = lookup.carry_counts(crime, people, settings.typed("crime"), notes)
    return labels, crime


def _fill_ground(pairs: pd.DataFrame, settings: Settings, areas: gpd.GeoDataFrame) -> pd.DataFrame:
    """Fill in the ground of parts of split areas, as they are drawn, where a lookup tells none."""
    is_bare = (pairs["change"] == "S") & pairs[GROUND].isna()
    here = pairs.loc[pairs["new"].isin(areas["area_id"]), "old"]
    if not (is_bare & pairs["old"].isin(here)).any():
        return pairs
    west, south, east, north = areas.total_bounds.tolist()
    # The other part of an area at the edge lies outside of the place.
    wider = read_areas(
        settings.typed("areas"),
        column=settings.data.area_column,
        crs=areas.crs,
        bounds=(west - WIDER_M, south - WIDER_M, east + WIDER_M, north + WIDER_M),
        notes=no_notes(),
    )
    area_m2 = wider.set_index("area_id").geometry.area
    return pairs.assign(**{GROUND: pairs[GROUND].where(~is_bare, pairs["new"].map(area_m2))})
