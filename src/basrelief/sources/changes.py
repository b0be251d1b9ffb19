"""LSOAs of 2011 and of 2021: what became of each, and tables of the one carried to the other.

Nine in ten did not change. Of the others a few lines of arithmetic decide, and each is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.sources.areas import list_names
from basrelief.sources.census import tidy_codes
from basrelief.sources.tables import open_first_sheet
from basrelief.typed import Typed

CHANGES = {"U": "unchanged", "S": "split", "M": "merged", "X": "irregular"}
"""Change codes of the ONS: one became one; one became several; several one; several several."""

HEADINGS = {
    "old": ("lsoa11cd", "f_lsoa11cd", "lsoa11_code"),
    "new": ("lsoa21cd", "lsoa21_code"),
    "change": ("chgind", "change_code"),
}
"""How editions of the lookup head its columns, in lower case."""


Weight = Literal["people", "ground", "none"]

WEIGHED: dict[Weight, str] = {
    "people": "parts weighed by people",
    "ground": "parts weighed by ground",
    "none": "parts counted alike, for the table has no people and the lookup no ground",
}

GROUND = "shared_m2"
"""Heading of the ground that two areas share, in square metres, which fetched lookups tell too."""


@dataclass(frozen=True, eq=False)
class People:
    """How many live in areas, to weigh them when they are put together or taken apart."""

    old: pd.Series[float] | None = None
    """By code of the areas that a table has."""

    new: pd.Series[float] | None = None
    """By code of the areas that it is carried to."""


@dataclass(frozen=True, eq=False)
class Carried:
    """A table of one census on the areas of the other."""

    table: pd.DataFrame
    """By code of the other; NaN where a value is unknown."""

    n_by_kind: dict[str, int]
    """Areas of the other by what they came of: keys are the values of `CHANGES`."""

    unknown: tuple[str, ...]
    """Areas of the other that have no value, though the table has one of what they came of:
    nothing tells how to share it out."""

    strangers: tuple[str, ...]
    """Codes of the table that the lookup does not know."""

    weight: Weight | None
    """By what parts were weighed; None where none had to be."""

    def describe(self) -> str:
        """Say in one line what was done."""
        counted = ", ".join(f"{n} {kind}" for kind, n in self.n_by_kind.items() if n)
        said = counted or "none"
        if self.weight is not None:
            said += f"; {WEIGHED[self.weight]}"
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
        ``old, new, change, shared_m2``, a row a pair; the ground that they share is NaN where
        the lookup does not tell it, as that of the ONS does not.

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
    ground = [each for each in sheet.columns if each.strip().lower() == GROUND][:1]
    table = sheet.read([*map(str, found.values()), *ground])
    return tidy_changes(table.set_axis([*found, *[GROUND] * len(ground)], axis=1), str(typed))


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
    pairs = pairs.dropna(subset=["old", "new"]).drop_duplicates(["old", "new", "change"])
    pairs = pairs.reset_index(drop=True)
    ground = pd.Series(pairs.get(GROUND, np.nan), pairs.index)
    pairs[GROUND] = pd.to_numeric(ground, errors="coerce")
    is_odd = (ground.notna() & pairs[GROUND].isna()) | ~(pairs[GROUND].fillna(1) >= 0)
    is_odd |= np.isinf(pairs[GROUND])
    if is_odd.any():
        raise InputError(
            f"{where}: {pairs['old'][is_odd.idxmax()]} and {pairs['new'][is_odd.idxmax()]} share "
            f"{str(ground[is_odd.idxmax()])[:20]!r} m² in column {GROUND!r}, which is no ground. "
            "Correct it, or leave the cell empty where it is not known."
        )
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
        old, new, change = pairs.loc[~is_right, ["old", "new", "change"]].iloc[0]
        raise InputError(
            f"{where}: {old} became {new} by code {change!r}, which its other rows do not bear "
            "out. Take the whole lookup from the source again."
        )
    return pairs


def turn_round(pairs: pd.DataFrame) -> pd.DataFrame:
    """Turn a lookup round, so that tables of 2021 can be carried to the areas of 2011.

    >>> pairs = pd.DataFrame({"old": ["a", "a"], "new": ["b", "c"], "change": ["S", "S"]})
    >>> turn_round(pairs).iloc[0].tolist()
    ['b', 'a', 'M']
    """
    # What was split is, looked at from the other side, merged.
    change = pairs["change"].replace({"S": "M", "M": "S"})
    return pairs.assign(old=pairs["new"], new=pairs["old"], change=change)


def measure_ground(
    pairs: pd.DataFrame, old: gpd.GeoSeries, new: gpd.GeoSeries
) -> NDArray[np.float64]:
    """Measure the ground that areas share, (pair,), in square metres; NaN where one is not drawn.

    Parameters
    ----------
    old, new
        Polygons by code, both in one CRS in metres.
    """
    shapes = (old.reindex(pairs["old"]).to_numpy(), new.reindex(pairs["new"]).to_numpy())
    shared: NDArray[np.float64] = shapely.area(shapely.intersection(*shapes))
    is_drawn = ~(shapely.is_missing(shapes[0]) | shapely.is_missing(shapes[1]))
    return np.where(is_drawn, shared, np.nan)


def tell_census(codes: Iterable[str], pairs: pd.DataFrame) -> int | None:
    """Tell by codes of which census areas are; None where they are of both, or of neither alone.

    Parameters
    ----------
    pairs
        As of `read_changes`.
    """
    own, old, new = set(codes), set(pairs["old"]), set(pairs["new"])
    has_old, has_new = bool(own & (old - new)), bool(own & (new - old))
    if has_old == has_new:
        return None
    return 2011 if has_old else 2021


def carry_over(
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    kind: Literal["mean", "sum"],
    people: People | None = None,
    wanted: Collection[str] | None = None,
) -> Carried:
    """Carry a table of LSOAs of one census to those of the other.

    An area's score goes to all that came of it. Where several became one, their scores are
    averaged by people (else by ground); counts are added up. Counts of an area that was split are
    shared out by people of its parts (else by ground). Where borders moved in both ways, what two
    areas share of ground decides, and where that is not told the value is unknown.

    Parameters
    ----------
    table
        Numbers by code of the areas that it has, the old ones.
    pairs
        ``old, new, change, shared_m2`` as of `read_changes`, or as of `turn_round`; whole for all
        codes of the table.
    kind
        ``mean`` for scores, rates and shares, ``sum`` for counts.
    wanted
        Codes of the areas that are wanted; by default all that came of those of the table.

    Examples
    --------
    >>> pairs = pd.DataFrame({"old": ["a", "b"], "new": ["c", "c"], "change": ["M", "M"]})
    >>> pairs["shared_m2"] = np.nan
    >>> people = People(old=pd.Series({"a": 100.0, "b": 300.0}))
    >>> scores = pd.DataFrame({"imd": [10.0, 20.0]}, index=["a", "b"])
    >>> carry_over(scores, pairs, "mean", people).table["imd"].tolist()
    [17.5]
    """
    people = people or People()
    strangers = tuple(str(code) for code in table.index[~table.index.isin(pairs["old"])])
    reached = set(pairs.loc[pairs["old"].isin(table.index), "new"])
    # By all parts of what was split, of which the wanted may be one.
    pairs = pairs.assign(share=_find_shares(pairs, people.new))
    # With what else became part of them: half of a merged area must not stand for the whole.
    pairs = pairs[pairs["new"].isin(reached if wanted is None else reached & set(wanted))]
    pairs = pairs.reset_index(drop=True)
    values = table.reindex(pairs["old"]).astype(float).to_numpy()
    codes = pairs["new"]
    if kind == "sum":
        weight = _name_weight(pairs, people.new)
        parts = pd.DataFrame(values * pairs[["share"]].to_numpy(), columns=table.columns)
        carried = parts.groupby(codes).sum(min_count=1).where(_is_whole(parts, codes))
    else:
        by, weight = _weigh(pairs, pairs["old"].isin(table.index), people.old)
        parts = pd.DataFrame(values * by[:, None], columns=table.columns)
        whole = pd.Series(by).groupby(codes).sum()
        carried = parts.groupby(codes).sum().div(whole, axis=0).where(_is_whole(parts, codes))
    changes = pairs.groupby("new")["change"].first()
    n_by_kind = {CHANGES[c]: int((changes == c).sum()) for c in CHANGES if (changes == c).any()}
    has_old = pd.DataFrame(values).notna().any(axis=1).groupby(codes).any()
    lost = carried.isna().all(axis=1) & has_old.reindex(carried.index)
    named = tuple(str(code) for code in carried.index[lost])
    carried = carried.rename_axis(str(table.index.name or "area_id"))
    return Carried(carried, n_by_kind, named, strangers, weight)


def _is_whole(parts: pd.DataFrame, codes: pd.Series[str]) -> pd.DataFrame:
    """Mark the values of which every part is known, by code and column."""
    # One unknown part makes the whole unknown, not smaller.
    return parts.notna().groupby(codes).all()


def _name_weight(pairs: pd.DataFrame, people: pd.Series[float] | None) -> Weight | None:
    """Name by what counts were shared out."""
    split = pairs.loc[pairs["change"] == "S", "new"]
    if people is not None and len(split) and people.reindex(split).notna().all():
        return "people"
    return "ground" if pairs["change"].isin(["S", "X"]).any() else None


def _weigh(
    pairs: pd.DataFrame, is_known: pd.Series[bool], people: pd.Series[float] | None
) -> tuple[NDArray[np.float64], Weight | None]:
    """Find how much each part counts where scores are averaged, (pair,), and by what.

    ``is_known`` marks the parts of which the table says anything.
    """
    is_odd = (pairs["change"] == "X").to_numpy()
    is_joined = (pairs["change"] == "M").to_numpy() | is_odd
    # What came of one area alone has its score, whatever its share.
    by = np.where(is_odd, pairs["share"], 1.0)
    if not is_joined.any():
        return by, None
    needed = is_joined & is_known.to_numpy()
    if people is not None:
        own = people.reindex(pairs["old"]).to_numpy(dtype=float)
        # By people or by ground, and never by both: their numbers have nothing in common.
        if np.isfinite(own[needed]).all():
            return np.where(is_joined, own * by, 1.0), "people"
    ground = pairs[GROUND].to_numpy(dtype=float)
    if np.isfinite(ground[needed]).all():
        return np.where(is_joined, ground, 1.0), "ground"
    return by, "none"


def _find_shares(pairs: pd.DataFrame, people: pd.Series[float] | None) -> NDArray[np.float64]:
    """Find which share of each old area went to each new one, (pair,); NaN where unknown."""
    share = np.ones(len(pairs))
    is_split, is_odd = ((pairs["change"] == code).to_numpy() for code in "SX")
    share[is_split | is_odd] = np.nan
    ground = pairs[GROUND].astype(float)
    if people is not None:
        # People first: burglaries follow homes and not fields. Of borders that moved nobody
        # knows how many live between the old one and the new.
        parts = people.reindex(pairs["new"]).set_axis(pairs.index).astype(float)
        share[is_split] = _divide(parts, pairs["old"])[is_split]
    # By one kind of weight for all parts of an area, or its parts would not add up.
    fresh = (is_split | is_odd) & np.isnan(share)
    share[fresh] = _divide(ground, pairs["old"])[fresh]
    return share


def _divide(sizes: pd.Series[float], whole: pd.Series[str]) -> NDArray[np.float64]:
    """Divide sizes by the sum over their whole, (pair,); NaN where one of its parts is unknown."""
    sums = sizes.groupby(whole).transform(lambda each: each.sum(skipna=False))
    found: NDArray[np.float64] = (sizes / sums.where(sums > 0)).to_numpy()
    return found


def is_lookup(columns: Sequence[str]) -> bool:
    """Tell by its headings whether a table is a lookup between both censuses."""
    return all(_find(columns, meaning) is not None for meaning in HEADINGS)


def _find(columns: Sequence[str], meaning: str) -> str | None:
    return next((c for c in columns if c.strip().lower() in HEADINGS[meaning]), None)
