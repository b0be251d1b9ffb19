"""Areas that lie on one another: the same ground would be learnt from and tested on."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from basrelief.config import InputError
from basrelief.sources.plausible import SHARED_SHARE, SHARED_SLIVER, SLIVER_M
from basrelief.typed import Typed


def refuse_shared_ground(areas: gpd.GeoDataFrame, typed: Typed) -> None:
    """Stop where areas lie on one another: their ground would count twice, and folds would leak.

    Slivers are let pass: boundaries that were simplified one by one overlap a little.

    Raises
    ------
    InputError
        Names two of them, and says how much they share and how many others do.
    """
    polygons = areas.geometry.to_numpy()
    # What meets edge to edge is a coverage, which takes no comparing of pairs.
    if shapely.coverage_is_valid(polygons):
        return
    copies = _find_copies(polygons)
    pairs = copies if len(copies) else _pair_odd(polygons)
    shared = shapely.intersection(polygons[pairs[:, 0]], polygons[pairs[:, 1]])
    shared_m2 = shapely.area(shared)
    share = shared_m2 / np.minimum(*(shapely.area(polygons[side]) for side in pairs.T))
    # Twice the ground over the outline is the width of what is long and thin.
    width_m = 2 * shared_m2 / np.maximum(shapely.length(shared), 1e-9)
    is_shared = (share > SHARED_SHARE) | ((share > SHARED_SLIVER) & (width_m > SLIVER_M))
    if not is_shared.any():
        return
    first = int(np.flatnonzero(is_shared)[np.argmax(share[is_shared])])
    one, other = areas["area_id"].iloc[pairs[first]]
    n_areas = len(np.unique(pairs[is_shared]))
    raise InputError(
        f"{typed}: {one} and {other} share {share[first]:.0%} of the smaller one's ground; "
        f"{n_areas} of {len(areas)} areas lie on others. The same ground would be learnt from and "
        "tested on: keep one of each, so that no two areas overlap."
    )


def _pair_odd(polygons: NDArray[np.object_]) -> NDArray[np.int64]:
    """Pair the polygons that do not meet edge to edge with those that come near them, (pair, 2)."""
    odd = np.flatnonzero(~shapely.is_empty(shapely.coverage_invalid_edges(polygons)))
    # With all others: what holds another one whole has no odd edge itself.
    own, other = shapely.STRtree(polygons).query(polygons[odd])
    pairs = np.sort(np.stack([odd[own], other], axis=1), axis=1)
    found: NDArray[np.int64] = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    return found


def _find_copies(polygons: NDArray[np.object_]) -> NDArray[np.int64]:
    """Pair each polygon that stands there more than once with the first of its kind, (pair, 2)."""
    outlines = pd.Series(shapely.to_wkb(shapely.normalize(polygons)))
    first = outlines.groupby(outlines).transform(lambda group: group.index[0]).to_numpy(np.int64)
    own = np.arange(len(polygons))
    pairs: NDArray[np.int64] = np.stack([first, own], axis=1)[first != own]
    return pairs
