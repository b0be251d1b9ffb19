"""Which areas are held out together: each alone, or those of a district or of a block."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.config import InputError, Settings
from basrelief.splits.folds import block_of

MIN_BLOCK_M = 1.0
"""Smaller blocks are not tried when looking for the size that would work."""

UNITS = {"msoa": "MSOAs", "lad": "districts"}


def groups_of_areas(
    samples: Samples, area_ids: NDArray[np.str_], scheme: str, settings: Settings
) -> NDArray[np.str_]:
    """Name the group that each area is held out with.

    Parameters
    ----------
    area_ids : (n,)
        Codes that stand in ``samples.areas``.
    scheme
        ``"area"`` (itself), ``"msoa"``, ``"lad"`` (the code in that column) or ``"block"``.

    Returns
    -------
    (n,)

    Raises
    ------
    InputError
        If an area has no code of the scheme's kind, or the areas have no places for blocks.

    References
    ----------
    Roberts et al. (2017), Ecography 40, 913-929.
    """
    if scheme == "area":
        return area_ids
    if scheme == "block":
        return blocks_of_areas(samples, area_ids, settings)
    # Boundaries without such a column are of areas without such a code, and refused alike.
    areas = samples.areas.set_index("area_id")
    known = areas[scheme] if scheme in areas else pd.Series(None, areas.index, dtype=object)
    codes = known.reindex(area_ids)
    # Without its code an area could be trained on while its own district is tested.
    missing = area_ids[codes.isna().to_numpy()]
    if len(missing):
        raise InputError(
            f"split.schemes: scheme {scheme!r} needs the {scheme.upper()} code of every area, "
            f"{len(missing)} of {len(area_ids)} have none (such as {missing[0]}). Add a column "
            f"{scheme} to the boundaries or to the table, or use another scheme."
        )
    return np.asarray(codes.to_numpy(dtype=object), dtype=str)


def blocks_of_areas(
    samples: Samples, area_ids: NDArray[np.str_], settings: Settings
) -> NDArray[np.str_]:
    """Name the block of each area, (area,), by a point inside it; areas by their codes, (area,).

    Raises
    ------
    InputError
        If the areas have no places.
    """
    if not samples.has_places:
        raise InputError(
            "split.schemes: scheme 'block' needs coordinates, and pictures have none. "
            "Use 'random', 'area', 'msoa' or 'lad'."
        )
    # A point inside, not the centroid: that of a bent area may lie in another block.
    return block_of(_points_of_areas(samples, area_ids), settings.split.block_m)


def refuse_one_group(
    groups: NDArray[np.str_],
    samples: Samples,
    area_ids: NDArray[np.str_],
    scheme: str,
    settings: Settings,
) -> None:
    """Stop where all areas are in one group; say what would have worked.

    Parameters
    ----------
    groups, area_ids : (area,)
        The group and the code of each.

    Raises
    ------
    InputError
        If there are fewer than two groups.
    """
    if len(np.unique(groups)) >= 2:
        return
    if scheme == "block":
        raise InputError(
            f"split.block_m = {settings.split.block_m:g}: scheme 'block' needs areas in at "
            f"least 2 blocks, found 1. {suggest_block(samples, area_ids, settings)}"
        )
    raise InputError(
        f"split.schemes: scheme {scheme!r} needs areas in at least 2 {UNITS.get(scheme, 'areas')}, "
        f"found 1 ({groups[0]}). Use data from a larger place, or a scheme of smaller groups."
    )


def suggest_block(samples: Samples, area_ids: NDArray[np.str_], settings: Settings) -> str:
    """Find the largest whole fraction of the block's side that makes two blocks.

    Parameters
    ----------
    area_ids : (area,)
        All areas that count, by their codes.
    """
    xy = _points_of_areas(samples, area_ids)
    n_pieces = 2
    while (side := settings.split.block_m / n_pieces) >= MIN_BLOCK_M:
        # Rounded before it is tried: what is told must work when it is typed.
        if len(np.unique(block_of(xy, round(side, 1)))) >= 2:
            return f"split.block_m = {round(side, 1):g} makes 2; or use data from a larger place."
        n_pieces += 1
    return "Use data from a larger place."


def _points_of_areas(samples: Samples, area_ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """Give a point inside each area, (n, 2), as easting and northing in metres."""
    polygons = samples.areas.set_index("area_id").geometry.loc[area_ids.tolist()]
    points = polygons.representative_point()
    return np.stack([points.x.to_numpy(), points.y.to_numpy()], axis=1)
