"""What slope and altitude add to a target once other things are held equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.chips.store import Samples
from basrelief.judge.resampling import MIN_GROUPS, N_REPLICATES, Draws, inflate_percentiles, or_none
from basrelief.learn.measures import bring_to_scale
from basrelief.run import Record

Floats = NDArray[np.float64]
Controls = Literal["nothing", "form", "form_and_district", "form_and_place"]
"""What is held equal: built form, and with it the district or a smooth surface of place."""

SLOPE, ALTITUDE = "slope_mean_deg", "altitude_mean_m"
EXPOSURES = {"slope": (SLOPE, 1.0, "degree"), "altitude": (ALTITUDE, 10.0, "10 m")}
"""By name: the column of the relief statistics, how much of it is a step, and the step's name."""

FORM = ("roof_share", "roof_height_mean_m", "crown_share", "roofs_per_ha")
"""What LIDAR gives of how densely and how high a place is built."""

AREAS_PER_KNOT = 5
MAX_KNOTS = 100
"""Knots of the smooth surface of place. In made-up places of 100 areas, whose targets are
smooth over a kilometre, intervals of altitude hold the truth 98 times in a hundred with a knot for
every 5 areas, 84 with one for every 20, and 77 without any."""

MAX_CONDITION = 1e12
"""Resampled groups in which slope and altitude are more alike than this are left out."""

LEAST_WHOLE = 0.95
"""Share of the bootstrap replicates that can be regressed, from which they make an interval: where
a hilly block or two carry all of an exposure, replicates without them say nothing of it."""

LEAST_KEPT = 1e-6
"""Share of an exposure's variance below which the controls say all of it."""


def measure_partial(
    samples: Samples, features: pd.DataFrame, blocks: pd.Series[Any], rng: np.random.Generator
) -> list[Record]:
    """Measure the partial effects of slope and altitude on every target.

    Both stand in one regression. It is run four times, holding equal nothing else, built form,
    built form and the district, or built form and a smooth surface of place.

    Parameters
    ----------
    features
        Relief statistics in their units, by ``area_id``.
    blocks
        The block of each area, by ``area_id``.

    Returns
    -------
    ``target, exposure, controls`` (as in `Controls`)``, n, n_groups, unit`` (a degree, or
    10 m)``, per_unit, low, high, per_sd, sd_low, sd_high`` (in the target's unit, with 95 %
    intervals)``, differs`` (whether the interval leaves 0 out)``, sd`` (of the exposure, in
    degrees or metres)``, kept`` (share of the exposure's variance that the controls do not
    say). None where there is no effect or no interval to be had.

    References
    ----------
    Breetzke (2012), Applied Geography 34, 66-75 (burglary, slope and altitude).
    Frisch and Waugh (1933), Econometrica 1, 387-401; Lovell (1963), JASA 58, 993-1010.
    """
    exposures, controls, groups = _gather_areas(samples, features, blocks)
    labels = samples.areas.set_index("area_id").loc[exposures.index, list(samples.targets)]
    Y, X = labels.to_numpy(np.float64), exposures.to_numpy(np.float64)
    patterns, pattern_of = np.unique(np.isfinite(Y), axis=1, return_inverse=True)
    found: dict[tuple[str, str], list[Effect]] = {}
    for pattern, is_known in enumerate(patterns.T):
        # Targets that are known for the same areas share what is taken out.
        columns = np.flatnonzero(pattern_of == pattern)
        for name, held in controls.items():
            y = Y[np.ix_(is_known, columns)]
            effects = estimate_effects(y, X[is_known], held[is_known], groups[is_known], Draws(rng))
            for column, of_target in zip(columns, effects, strict=True):
                found[samples.targets[column], name] = of_target
    return [
        {"target": target, "exposure": exposure, "controls": name} | _tabulate(exposure, effect)
        for target in samples.targets
        for name in controls
        for exposure, effect in zip(EXPOSURES, found[target, name], strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a unit more of an exposure goes with, in the target's unit."""

    n: int
    n_groups: int
    value: float
    low: float
    high: float
    sd: float
    """Of the exposure, in its unit."""

    kept: float
    """Share of its variance that the controls do not say."""


def estimate_effects(
    y: Floats, exposures: Floats, controls: Floats, groups: NDArray[np.int64], draws: Draws
) -> list[list[Effect]]:
    """Estimate the partial effect of each exposure, the others and the controls held equal.

    What the controls say is taken out of targets and exposures, and what is left regressed: by
    the theorem of Frisch and Waugh that is the regression on all of them. Whole groups of what
    is left are resampled; replicates are inflated about the estimate by the degrees of freedom
    that the controls took, and the interval for few groups.

    Parameters
    ----------
    y : (n, n_targets)
    exposures : (n, n_exposures)
    controls : (n, n_controls)
        The mean is held equal besides.
    groups : (n,)
        What is resampled together.

    Returns
    -------
    For each target, the effects of the exposures in their order.

    References
    ----------
    Cameron and Miller (2015), Journal of Human Resources 50, 317-372 (clusters, and few of them).
    """
    n, n_exposures = exposures.shape
    names, group = np.unique(groups, return_inverse=True)
    value = np.full((n_exposures, y.shape[1]), np.nan)
    low, high = value.copy(), value.copy()
    sd, kept = np.full((2, n_exposures), np.nan)
    # A basis: dummies and the mean are collinear, and plates nearly so.
    basis = find_basis(np.column_stack([np.ones(n), controls]))
    free = n - basis.shape[1] - n_exposures
    if n:
        x, left = (part - basis @ (basis.T @ part) for part in (exposures, y))
        sd = exposures.std(axis=0)
        kept = np.divide(x.var(axis=0), sd**2, out=np.zeros(n_exposures), where=sd > 0)
    if free > 0 and (kept > LEAST_KEPT).all():
        # Residuals on residuals: the theorem of Frisch and Waugh.
        value = np.linalg.lstsq(x, left, rcond=None)[0]
        if len(names) >= MIN_GROUPS:
            apart = _replicate(x, left, group, draws) - value
            # Where ground varies in a few groups alone, hardly a replicate can be regressed, and
            # those that can are no fair draw of all.
            if len(apart) >= LEAST_WHOLE * N_REPLICATES:
                ends = np.percentile(apart, inflate_percentiles(len(names)), axis=0)
                low, high = value + np.sqrt((n - 1) / free) * ends
    return [
        [
            Effect(n, len(names), *(float(part) for part in parts))
            for parts in zip(value[:, k], low[:, k], high[:, k], sd, kept, strict=True)
        ]
        for k in range(y.shape[1])
    ]


def find_basis(columns: Floats) -> Floats:
    """Find an orthonormal basis of what columns span; those that add nothing go.

    Parameters
    ----------
    columns : (n, n_columns)

    Returns
    -------
    (n, rank)

    Examples
    --------
    >>> find_basis(np.array([[1.0, 2.0], [1.0, 2.0]])).shape
    (2, 1)
    """
    length = np.linalg.norm(columns, axis=0)
    scaled = columns / np.where(length > 0, length, 1.0)
    left, size, _ = np.linalg.svd(scaled, full_matrices=False)
    basis: Floats = left[:, size > 1e-8 * max(1.0, float(size.max(initial=0.0)))]
    return basis


def spread_surface(xy: Floats, n_knots: int) -> Floats:
    """Build a smooth surface of place: a plane, and thin plates about knots spread over it.

    Parameters
    ----------
    xy : (n, 2), metres
    n_knots
        Points chosen one after the other, each the farthest from those chosen before.

    Returns
    -------
    (n, 2 + n_knots)
        Columns of a regression, on no particular scale.

    References
    ----------
    Duchon (1977), in Constructive Theory of Functions of Several Variables, 85-100.
    """
    centred = (xy - xy.mean(axis=0)) / max(float(xy.std()), 1e-9)
    way = np.linalg.norm(centred, axis=1)
    chosen: list[int] = []
    for _ in range(min(n_knots, len(xy))):
        # Farthest first: knots lie evenly whatever the shape of the place.
        chosen.append(int(way.argmax()))
        way = np.minimum(way, np.linalg.norm(centred - centred[chosen[-1]], axis=1))
    distance = cdist(centred, centred[chosen])  # (area, knot)
    plates = np.where(distance > 0, distance**2 * np.log(np.maximum(distance, 1e-12)), 0.0)
    return np.column_stack([centred, plates])


def _gather_areas(
    samples: Samples, features: pd.DataFrame, blocks: pd.Series[Any]
) -> tuple[pd.DataFrame, dict[Controls, Floats], NDArray[np.int64]]:
    """Gather the used areas whose relief is known.

    Returns
    -------
    exposures
        Slope in degrees and altitude in metres, by ``area_id``.
    controls
        (area, control) by what is held equal.
    groups : (area,)
        The block that each is resampled with.
    """
    areas = samples.areas.set_index("area_id")
    areas = areas[areas["is_used"].astype(bool)]
    known = features.reindex(areas.index)[[SLOPE, ALTITUDE, *FORM]].dropna()
    areas = areas.loc[known.index]
    # On their scales: controls enter in straight lines.
    form = bring_to_scale(known[list(FORM)]).to_numpy(np.float64)
    controls: dict[Controls, Floats] = {"nothing": np.empty((len(known), 0)), "form": form}
    if "lad" in areas and len(areas["lad"].unique()) > 1:
        # Unknown districts are one of their own, so that no area is lost.
        district = pd.get_dummies(areas["lad"], dummy_na=True).to_numpy(np.float64)
        controls["form_and_district"] = np.column_stack([form, district])
    points = areas.geometry.representative_point()
    xy = np.stack([points.x.to_numpy(), points.y.to_numpy()], axis=1)
    if len(xy):
        surface = spread_surface(xy, min(MAX_KNOTS, len(xy) // AREAS_PER_KNOT))
        controls["form_and_place"] = np.column_stack([form, surface])
    groups = np.unique(blocks.loc[known.index].to_numpy(str), return_inverse=True)[1]
    return known[[SLOPE, ALTITUDE]], controls, groups


def _replicate(x: Floats, left: Floats, group: NDArray[np.int64], draws: Draws) -> Floats:
    """Regress resampled groups, (replicate, exposure, target); left out where that cannot be."""
    n_groups = int(group.max()) + 1
    squares = np.zeros((n_groups, x.shape[1], x.shape[1]))  # (group, exposure, exposure)
    np.add.at(squares, group, x[:, :, None] * x[:, None, :])
    products = np.zeros((n_groups, x.shape[1], left.shape[1]))  # (group, exposure, target)
    np.add.at(products, group, x[:, :, None] * left[:, None, :])
    # Sums of groups, weighed by how often each is drawn: no replicate is laid out by area.
    taken = draws.take(n_groups)
    square = np.tensordot(taken, squares, axes=1)
    is_whole = np.linalg.cond(square) < MAX_CONDITION
    drawn: Floats = np.linalg.solve(
        square[is_whole], np.tensordot(taken, products, axes=1)[is_whole]
    )
    return drawn


def _tabulate(exposure: str, effect: Effect) -> Record:
    """Lay an effect out, by the step that it is told for and by the exposure's spread."""
    _, step, unit = EXPOSURES[exposure]
    values = np.array([effect.value, effect.low, effect.high])
    figures = [*(step * values), *(effect.sd * values), effect.sd, effect.kept]
    per_unit, low, high, per_sd, sd_low, sd_high, sd, kept = (or_none(float(f)) for f in figures)
    differs = None if low is None or high is None else low > 0 or high < 0
    return {
        **{"n": effect.n, "n_groups": effect.n_groups, "unit": unit},
        **{"per_unit": per_unit, "low": low, "high": high},
        **{"per_sd": per_sd, "sd_low": sd_low, "sd_high": sd_high},
        **{"differs": differs, "sd": sd, "kept": kept},
    }
