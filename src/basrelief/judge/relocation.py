"""Labels moved and turned over the areas of a place: chance, without a model of space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from basrelief.learn.gaussian_process import has_many

Floats = NDArray[np.float64]


def relocate(xy: Floats, n_motions: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Move and turn a place's labels over its areas, as rigidly as its areas allow.

    All areas are turned about the middle of the place by any angle, mirrored or not, and moved by
    any distance; what leaves the place's bounds on one side comes back on the other. Each area
    then takes the label of one moved area, each label once, so that they lie as near to where
    they were moved as they can. Of many areas each takes the nearest moved area's, which another
    may take too. Neighbours keep neighbours' labels, but for the seam.

    Parameters
    ----------
    xy : (area, 2)
        Easting and northing in metres.

    Returns
    -------
    (motion, area)
        The area whose labels each area takes.

    References
    ----------
    Upton and Fingleton (1985), Spatial Data Analysis by Example 1, section 4 (toroidal shifts).
    """
    west_south = xy.min(axis=0)
    size = np.maximum(xy.max(axis=0) - west_south, 1.0)
    middle, taken = west_south + size / 2, np.empty((n_motions, len(xy)), dtype=np.int64)
    for motion in range(n_motions):
        # Mirror images too: a place of few areas has few placements that differ.
        angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = ((xy - middle) * [mirror, 1.0]) @ turn.T
        moved = np.mod(turned + rng.uniform(0, size), size)
        if has_many(len(xy)):
            # To take each once is a matter of the cube of their number.
            tree = cKDTree(np.minimum(moved, np.nextafter(size, 0)), boxsize=size)
            taken[motion] = tree.query(np.mod(xy - west_south, size))[1]
            continue
        apart = _measure_round(xy - west_south, moved, size)
        # Each label once: means and variances stay what they are.
        taken[motion] = linear_sum_assignment(apart**2)[1]
    return taken


def rank(observed: Floats, moved: Floats) -> Floats:
    """Rank what was observed among what was moved: a p-value.

    Parameters
    ----------
    observed : (...,)
    moved : (motion, ...)

    Returns
    -------
    (...,)
        Share of the motions, and of the observed one, that reach it; NaN where it is unknown.

    References
    ----------
    Davison and Hinkley (1997), Bootstrap Methods and their Application, section 4.2.

    Examples
    --------
    >>> rank(np.array(0.5), np.array([0.1, 0.2, 0.6])).tolist()
    0.5
    """
    reached = (moved >= observed).sum(axis=0) + 1
    p: Floats = np.where(np.isfinite(observed), reached / (len(moved) + 1), np.nan)
    return p


def _measure_round(one: Floats, other: Floats, size: Floats) -> Floats:
    """Distances where the bounds' sides meet, (one, other), in metres."""
    apart = np.abs(one[:, None, :] - other[None, :, :])
    shorter = np.minimum(apart, size - apart)
    return np.asarray(np.hypot(shorter[..., 0], shorter[..., 1]))
