"""What the maps show: per target and area, observed and held-out prediction, and their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from basrelief.judge.tables import INTERVALS
from basrelief.reader import SHARED
from basrelief.sources.tenths import TENTH
from basrelief.tell.facts import Facts
from basrelief.tell.findings import Finding, name_preferred
from basrelief.tell.gains import read_added, say_gain
from basrelief.tell.maps.classes import (
    Classes,
    classify_residuals,
    classify_values,
    classify_widths,
)
from basrelief.tell.release.gate import find_open
from basrelief.tell.units import find_unit, say_scale
from basrelief.tell.words import count, format_number, name_scheme, name_target

VALUES = ("observed", "predicted", "residual", *INTERVALS, "is_inside")
"""Columns that every layer has; numbers are in the target's unit."""


@dataclass(frozen=True, eq=False)
class MapLayer:
    """One target's map."""

    target: str
    recipe: str
    """As it is told by name."""

    code: str
    """The recipe's name in the run's files."""

    scheme: str
    held_out: str
    """How the scheme holds out, to follow the word "with"."""

    table: gpd.GeoDataFrame
    """One row an area, in the order of the chips stage: `SHARED`, `VALUES`, polygons; with several
    eyes what each adds."""

    classes: Classes
    """Of observed and predicted alike."""

    residuals: Classes
    widths: Classes
    """Of the 80 % interval."""

    finding: Finding | None
    """What the recipe's skill says in this scheme; None where it has none."""

    by_district: str
    """That some indicators of the target are set by district, in a sentence; empty for most."""

    preferred: str | None
    """The recipe that judging prefers; None where it did not choose."""

    unit: str = "score"
    """In what its numbers are kept."""

    gain: str = ""
    """What LIDAR adds to whatever else the recipe knows, in a sentence; nothing of LIDAR alone."""

    @property
    def name(self) -> str:
        """The target as a person would say it."""
        return name_target(self.target)

    @property
    def width(self) -> pd.Series[float]:
        """Width of the 80 % interval, by row."""
        return pd.Series(self.table["upper_80"] - self.table["lower_80"], dtype=np.float64)

    @property
    def is_outside(self) -> pd.Series[bool]:
        """Whether an area is known to be outside the area of applicability, by row."""
        # What was not measured is not known to lie outside.
        is_outside: pd.Series[bool] = self.table["is_inside"].eq(False).fillna(False).astype(bool)
        return is_outside

    @property
    def says_width(self) -> str:
        """That all intervals are about equally wide, in a sentence; empty where they are not."""
        known = self.width.dropna()
        if self.widths.breaks or known.empty:
            return ""
        low, high = (format_number(end, self.widths.places) for end in (known.min(), known.max()))
        return (
            f"All intervals are about equally wide ({low} to {high}), so they have one colour: no "
            "area is known much better than another."
        )

    @property
    def n_predicted(self) -> int:
        """How many areas have a held-out prediction."""
        return int(self.table["predicted"].notna().sum())

    def say(self) -> str:
        """Say whose predictions these are and what they are worth; no map goes without it."""
        # A recipe that knows nothing has a map all the same.
        verdict = f", {self.finding.words}" if self.finding else ""
        named = self.finding.named if self.finding else self.recipe
        sentences = [
            f"{named}, with {self.held_out}: {count(self.n_predicted, 'area')}{verdict}.{self.gain}"
        ]
        if self.preferred is not None and self.preferred != self.recipe:
            sentences.append(f"Judging prefers {name_preferred(self.preferred)} here.")
        if self.by_district:
            sentences.append(self.by_district)
        return " ".join(sentences)


def gather_layers(facts: Facts) -> list[MapLayer]:
    """Gather one layer a target that any recipe asked for predicts by area.

    Shown is the recipe that the rest of the report shows for the target: the preferred one
    where it was asked for, else the one of those asked for with most skill.
    """
    if not facts.samples.has_places or facts.judged.residuals.empty:
        return []
    findings = {(found.recipe, found.target): found for found in facts.findings}
    layers = []
    for target, recipe in facts.shown.items():
        table = tabulate_areas(facts, target, recipe)
        if table["predicted"].notna().any():
            table = _add_eyes(facts, table, target)
            layers.append(_make_layer(facts, table, findings.get((recipe, target)), target))
    return layers


def _add_eyes(facts: Facts, table: gpd.GeoDataFrame, target: str) -> gpd.GeoDataFrame:
    """Add what each eye, place and district add to an area, ``adds_<code>``, where eyes are many.

    By the recipe of all eyes, whichever is shown.
    """
    added = read_added(facts, target, facts.shown_scheme)
    if added is None:
        return table
    rows = added.reindex(table["area_id"])
    columns = {f"adds_{str(code).replace('-', '_')}": rows[code].to_numpy() for code in rows}
    return table.assign(**columns)


def tabulate_areas(facts: Facts, target: str, recipe: str) -> gpd.GeoDataFrame:
    """Put what was observed and predicted beside each area; all areas of the place have a row."""
    areas = facts.samples.areas
    # All areas in one order for every target: programs that draw find values by their place.
    mine = facts.find_residuals(recipe, target).set_index("area_id").reindex(areas["area_id"])
    columns: dict[str, Any] = {name: areas[name] for name in SHARED if name in areas}
    if facts.districts:
        columns["district"] = areas["lad"].map(facts.districts)
    columns = {name: columns[name] for name in SHARED if name in columns}
    tenth = f"{TENTH}{target}"
    if tenth in areas:
        columns["tenth"] = areas[tenth].astype("Int64")
    columns["observed"] = areas[target].astype(np.float64)
    columns["predicted"] = mine["y_pred"].to_numpy(np.float64)
    for name in ("residual", *INTERVALS):
        columns[name] = mine[name].to_numpy(np.float64)
    # A truth value that may be missing: NaN would make all of them numbers.
    columns["is_inside"] = mine["is_inside"].astype("boolean").array
    return gpd.GeoDataFrame(columns, geometry=areas.geometry, crs=areas.crs)


def _make_layer(
    facts: Facts, table: gpd.GeoDataFrame, finding: Finding | None, target: str
) -> MapLayer:
    """Choose the classes of one target's map: of areas that may be published, on every page."""
    recipe, scheme = facts.shown[target], facts.shown_scheme
    is_open = table["area_id"].isin(find_open(facts))
    # Where none may be, there is no public map that this one could differ from.
    mine = table[is_open] if table.loc[is_open, "predicted"].notna().any() else table
    observed = mine["observed"].to_numpy(np.float64)
    # Predictions have the classes of what was observed: with their own they would look as varied.
    classes = classify_values(observed if np.isfinite(observed).any() else mine["predicted"])
    width = (mine["upper_80"] - mine["lower_80"]).to_numpy(np.float64)
    return MapLayer(
        target=target,
        recipe=recipe,
        code=facts.find_code(recipe),
        scheme=scheme,
        held_out=name_scheme(scheme, facts.settings),
        table=table,
        classes=classes,
        residuals=classify_residuals(mine["residual"].to_numpy(np.float64), classes.places),
        widths=classify_widths(width),
        finding=finding,
        by_district=facts.say_by_district(target),
        preferred=facts.find_preferred(target),
        unit=say_scale(find_unit(target, facts.counted)),
        gain=say_gain(facts, recipe, target, scheme),
    )


def say_outside(n: int) -> str:
    """Say what the stripes on a map mean; nothing where there are none."""
    if not n:
        return ""
    one = "area is" if n == 1 else "areas are"
    return f" Striped: {n} {one} unlike anything in training."
