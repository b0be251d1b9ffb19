"""LSOAs of 2011 as those of 2021: what became of each, and tables of the one carried to the other.

Nine in ten did not change. Of the others a few lines of arithmetic decide, and each is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from basrelief.config import InputError, Typed
from basrelief.sources.areas import list_names
from basrelief.sources.census import tidy_codes
from basrelief.sources.tables import open_first_sheet

CHANGES = {"U": "unchanged", "S": "split", "M": "merged", "X": "irregular"}
"""Change codes of the ONS: one became one; one became several; several one; several several."""

HEADINGS = {
    "old": ("lsoa11cd", "f_lsoa11cd", "lsoa11_code"),
    "new": ("lsoa21cd", "lsoa21_code"),
    "change": ("chgind", "change_code"),
}
"""How editions of the lookup head its columns, in lower case."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What is known of areas, to weigh them when they are put together or taken apart."""

    people_old: pd.Series[float] | None = None
    """By code of 2011; likewise below."""

    people_new: pd.Series[float] | None = None
    old: gpd.GeoDataFrame | None = None
    """Polygons with ``area_id``, both in one CRS in metres."""

    new: gpd.GeoDataFrame | None = None


@dataclass(frozen=True, eq=False)
class Carried:
    """A table of 2011 on the areas of 2021."""

    table: pd.DataFrame
    """By code of 2021; NaN where a value is unknown."""

    n_by_kind: dict[str, int]
    """Areas of 2021 by what they came of: keys are the values of `CHANGES`."""

    unknown: tuple[str, ...]
    """Areas of 2021 that have no value, though the table has one of what they came of: nothing
    tells how to share it out."""

    strangers: tuple[str, ...]
    """Codes of the table that the lookup does not know."""

    weight: Literal["people", "ground", "none"]
    """By what merged areas were weighed."""

    def describe(self) -> str:
        """Say in one line what was done."""
        counted = ", ".join(f"{n} {kind}" for kind, n in self.n_by_kind.items() if n)
        said = f"values of LSOAs of 2011 on those of 2021: {counted}"
        if set(self.n_by_kind) - {"unchanged"}:
            by = {"people": "weighed by people", "ground": "weighed by ground"}
            said += f"; {by.get(self.weight, 'each counted alike')}"
        if self.unknown:
            said += f"; {len(self.unknown)} unknown ({list_names(self.unknown, limit=5)})"
        if self.strangers:
            said += (
                f"; {len(self.strangers)} codes are in no lookup and left out "
                f"({list_names(self.strangers, limit=5)})"
            )
        return said


def read_changes(typed: Typed) -> pd.DataFrame:
    """Read a lookup from LSOAs of 2011 to those of 2021, as the ONS publishes it.

    Returns
    -------
    DataFrame
        ``old, new, change``, a row a pair.

    Raises
    ------
    InputError
        If it has no such columns, or its codes of change do not fit its pairs.
    """
    sheet = open_first_sheet(
        typed.path, str(typed), lambda columns: _find(columns, "old") is not None
    )
    found = {name: _find(sheet.columns, name) for name in HEADINGS}
    missing = [HEADINGS[name][0].upper() for name, heading in found.items() if heading is None]
    if missing:
        raise InputError(
            f"{typed}: has no column {', '.join(missing)}. Give the ONS lookup of LSOAs of 2011 "
            f"to LSOAs of 2021. It has: {list_names(sheet.columns)}."
        )
    table = sheet.read([str(heading) for heading in found.values()])
    return tidy_changes(table.set_axis(list(found), axis=1), str(typed))


def tidy_changes(pairs: pd.DataFrame, where: str) -> pd.DataFrame:
    """Check pairs of codes, ``old, new, change``, against their codes of change.

    Raises
    ------
    InputError
        Names the first pair that does not fit: a lookup that was cut would make a merged area of
        a part of it.
    """
    pairs = pairs.assign(old=tidy_codes(pairs["old"]), new=tidy_codes(pairs["new"]))
    pairs["change"] = pairs["change"].astype(str).str.strip().str.upper()
    # Editions by district repeat a pair for every district that it touches.
    pairs = pairs.dropna().drop_duplicates().reset_index(drop=True)
    # Counted anew: a code of change that its rows do not bear out means that rows are missing.
    n_new = pairs.groupby("old")["new"].transform("size")
    n_old = pairs.groupby("new")["old"].transform("size")
    fits = {
        "U": (n_new == 1) & (n_old == 1),
        "S": (n_new > 1) & (n_old == 1),
        "M": (n_new == 1) & (n_old > 1),
        "X": pd.Series(data=True, index=pairs.index),
    }
    is_right = pd.Series(data=False, index=pairs.index)
    for code, fit in fits.items():
        is_right |= (pairs["change"] == code) & fit
    if not is_right.all():
        old, new, change = pairs.loc[~is_right].iloc[0]
        raise InputError(
            f"{where}: {old} became {new} by code {change!r}, which its other rows do not bear "
            "out. Take the whole lookup from the source again."
        )
    return pairs


def carry_over(
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    kind: Literal["mean", "sum"],
    weights: Weights | None = None,
) -> Carried:
    """Carry a table of LSOAs of 2011 to those of 2021.

    An area's score goes to all that came of it. Where several became one, their scores are
    averaged by people (else by ground); counts are added up. Counts of an area that was split are
    shared out by people of 2021 (else by ground). Where borders moved in both ways, what two areas
    share of ground decides, and without polygons the value is unknown.

    Parameters
    ----------
    table
        Numbers by code of 2011.
    pairs
        ``old, new, change`` as of `read_changes`, whole for all codes of the table.
    kind
        ``mean`` for scores, rates and shares, ``sum`` for counts.

    Examples
    --------
    >>> pairs = pd.DataFrame({"old": ["a", "b"], "new": ["c", "c"], "change": ["M", "M"]})
    >>> people = Weights(people_old=pd.Series({"a": 100.0, "b": 300.0}))
    >>> scores = pd.DataFrame({"imd": [10.0, 20.0]}, index=["a", "b"])
    >>> carry_over(scores, pairs, "mean", people).table["imd"].tolist()
    [17.5]
    """
    weights = weights or Weights()
    strangers = tuple(str(code) for code in table.index[~table.index.isin(pairs["old"])])
    reached = pairs.loc[pairs["old"].isin(table.index), "new"]
    # With what else became part of them: half of a merged area must not stand for the whole.
    pairs = pairs[pairs["new"].isin(reached)].reset_index(drop=True)
    share = _find_shares(pairs, weights)
    mass, weight = _find_masses(pairs, weights)
    values = table.reindex(pairs["old"]).astype(float).to_numpy()
    codes = pairs["new"]
    if kind == "sum":
        # One unknown part makes the sum unknown, not smaller.
        parts = pd.DataFrame(values * share[:, None], columns=table.columns)
        carried = parts.groupby(codes).sum(min_count=1).where(_is_whole(parts, codes))
    else:
        is_alone = ~pairs["change"].isin(["M", "X"]).to_numpy()
        # What came of one area alone has its score, whatever its share.
        by = np.where(is_alone, 1.0, mass * share)
        top = pd.DataFrame(values * by[:, None], columns=table.columns)
        bottom = pd.DataFrame(
            np.where(np.isnan(values), np.nan, by[:, None]), columns=table.columns
        )
        carried = (top.groupby(codes).sum() / bottom.groupby(codes).sum()).where(
            _is_whole(top, codes)
        )
    changes = pairs.groupby("new")["change"].first()
    n_by_kind = {CHANGES[c]: int((changes == c).sum()) for c in CHANGES if (changes == c).any()}
    has_old = pd.DataFrame(values).notna().any(axis=1).groupby(codes).any()
    lost = carried.isna().all(axis=1) & has_old.reindex(carried.index)
    named = tuple(str(code) for code in carried.index[lost])
    carried = carried.rename_axis(str(table.index.name or "area_id"))
    return Carried(carried, n_by_kind, named, strangers, weight)


def _is_whole(parts: pd.DataFrame, codes: pd.Series[str]) -> pd.DataFrame:
    """Mark the values of which every part is known, by code and column."""
    return parts.notna().groupby(codes).all()


def _find_masses(
    pairs: pd.DataFrame, weights: Weights
) -> tuple[NDArray[np.float64], Literal["people", "ground", "none"]]:
    """Find how much each area of 2011 counts where it is averaged with others, (pair,)."""
    old = pairs["old"]
    needed = pairs["change"].isin(["M", "X"]).to_numpy()
    if weights.people_old is not None:
        people = weights.people_old.reindex(old).to_numpy(dtype=float)
        if np.isfinite(people[needed]).all():
            return np.nan_to_num(people), "people"
    if weights.old is not None:
        area_m2 = _measure(weights.old).reindex(old).to_numpy(dtype=float)
        if np.isfinite(area_m2[needed]).all():
            return np.nan_to_num(area_m2), "ground"
    return np.ones(len(pairs)), "none"


def _find_shares(pairs: pd.DataFrame, weights: Weights) -> NDArray[np.float64]:
    """Find which share of each area of 2011 went to each of 2021, (pair,); NaN if unknown."""
    share = np.ones(len(pairs))
    is_split = (pairs["change"] == "S").to_numpy()
    # People first: burglaries follow homes and not fields.
    known = [weights.people_new] if weights.people_new is not None else []
    known += [_measure(weights.new)] if weights.new is not None else []
    share[is_split] = np.nan
    for sizes in known:
        size = sizes.reindex(pairs["new"]).set_axis(pairs.index).astype(float)
        whole = size.groupby(pairs["old"]).transform(lambda each: each.sum(skipna=False))
        # By one kind of weight for all parts of an area, or its parts would not add up.
        fresh = is_split & np.isnan(share)
        share[fresh] = (size / whole.where(whole > 0)).to_numpy()[fresh]
    is_odd = (pairs["change"] == "X").to_numpy()
    share[is_odd] = _measure_overlaps(pairs[is_odd], weights)
    return share


def _measure_overlaps(pairs: pd.DataFrame, weights: Weights) -> NDArray[np.float64]:
    """Measure which share of each old area's ground lies in the new one, (pair,)."""
    if weights.old is None or weights.new is None:
        return np.full(len(pairs), np.nan)
    old = weights.old.set_index("area_id").geometry.reindex(pairs["old"]).to_numpy()
    new = weights.new.set_index("area_id").geometry.reindex(pairs["new"]).to_numpy()
    shared = shapely.area(shapely.intersection(old, new))
    # Of what the new areas have of it, and not of its own ground: coasts are drawn anew.
    whole = pd.Series(shared, pairs.index).groupby(pairs["old"]).transform("sum").to_numpy()
    found: NDArray[np.float64] = shared / np.where(whole > 0, whole, np.nan)
    return found


def _measure(areas: gpd.GeoDataFrame) -> pd.Series[float]:
    area_m2 = pd.Series(areas.area.to_numpy(), areas["area_id"].astype(str))
    return area_m2[area_m2 > 0]


def _find(columns: Sequence[str], meaning: str) -> str | None:
    return next((c for c in columns if c.strip().lower() in HEADINGS[meaning]), None)
