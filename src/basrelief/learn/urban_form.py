"""Urban form from heights: what can be pooled over ground, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

OPEN_M, HIGH_M, TALL_M = 0.5, 2.5, 10.0
"""Heights above ground that part open ground, low things, buildings and towers."""

SPECKLE_M = 14.0
"""Side of the window in which crowns are told from roofs."""

SPECKLE = 0.14
"""Relative speckle above which what is high is a crown. Made-up houses stay below .12, whichever
way they turn; in Highgate Wood (2 m, London) nine cells in ten are above .16."""

WIDE_M, NEAR_M, REMOTE_M = 8.0, 20.0, 30.0
"""Distances to a roof's edge, to anything high, and to a roof, that are counted as shares."""

MAX_DISTANCE_M = 60.0
"""Longer distances are not told apart: it bounds what a cell can depend on."""

FLAT_DEG, STEEP_DEG = 12.0, 5.0
"""Flat roofs are flatter; steep ground is steeper."""

ROUGHNESS_M, WALLS_M = 6.0, 64.0
"""Sides of the windows in which roughness and the direction of walls are measured."""

LAGS_M = (4.0, 16.0, 64.0)
"""Lags at which the change of height is measured."""

SKY_M = (2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)
"""Distances at which the horizon is looked for, in eight directions."""

RELIEF_M, AROUND_M = 250.0, 500.0
"""How far the relief and the surroundings of a place reach, each way."""

SPARE_CELLS = 6
"""How far telling roofs from crowns, or a slope, reaches beyond a distance or a window."""

HECTARE_M2 = 10_000.0

Heights = NDArray[np.float32]
Mask = NDArray[np.bool_]


def find_margin(cell_m: float) -> int:
    """Give how many cells around a tract any of its measures depends on."""
    return round(AROUND_M / cell_m) + SPARE_CELLS


@dataclass(frozen=True, eq=False)
class Plane:
    """What is summed over ground for one measure: its mean is one sum over the other."""

    amounts: NDArray[Any]
    """(row, col) 0 where the ground does not count."""

    counts: NDArray[Any] | None
    """(row, col) How much each cell counts; None counts all ground with data."""


@dataclass(frozen=True, eq=False)
class Cover:
    """What stands on the ground, (row, col) each."""

    above: Heights
    """Height above ground in metres; 0 without data."""

    is_roof: Mask
    is_crown: Mask


def measure_planes(
    surface: Heights, ground: Heights, cell_m: float, margin: int
) -> Iterator[tuple[str, Plane]]:
    """Measure every plane of a tract, one at a time.

    Parameters
    ----------
    surface, ground : (row, col), metres
        With ``margin`` cells on each side beyond the tract; NaN is nodata.
    cell_m
        Side of a cell, in metres.
    margin
        At least `find_margin`; with less, what lies beyond counts as no data.

    Yields
    ------
    Name and plane, (row, col) of the tract without its margin.
    """
    yield from _cut(_measure_ground(ground, cell_m), margin)
    # Only altitude is compared with what lies far off: the rest needs less of the margin.
    spare = max(0, margin - round(max(SKY_M) / cell_m) - SPARE_CELLS)
    window = np.s_[spare : surface.shape[0] - spare, spare : surface.shape[1] - spare]
    cover = classify_cover(surface[window], ground[window], cell_m)
    for measured in (
        _measure_heights(cover),
        _measure_roofs(cover, cell_m),
        _measure_distances(cover, cell_m),
        _measure_sky(cover, cell_m),
        _measure_texture(cover.above, cell_m),
        _measure_walls(cover.above, cell_m),
    ):
        yield from _cut(measured, margin - spare)


def classify_cover(surface: Heights, ground: Heights, cell_m: float) -> Cover:
    """Classify what is high as roof or crown: both are high, but crowns are speckled.

    Speckle is what a closing adds and an opening takes away over three cells, in squares or in
    crosses, whichever changes less, so that the corner of a house is none whichever way it
    turns. It is compared with the height of what is high within 14 m.

    Parameters
    ----------
    surface, ground : (row, col), metres
        NaN is nodata: nothing stands there.
    """
    above = np.nan_to_num(np.maximum(surface - ground, 0.0), nan=0.0).astype(np.float32)
    cross = ndimage.generate_binary_structure(2, 1)
    opened = np.maximum(
        ndimage.grey_opening(above, (3, 3)), ndimage.grey_opening(above, footprint=cross)
    )
    closed = np.minimum(
        ndimage.grey_closing(above, (3, 3)), ndimage.grey_closing(above, footprint=cross)
    )
    is_high = above > HIGH_M
    size = _odd(SPECKLE_M / cell_m)
    speckle = _mean_around(np.where(is_high, closed - opened, 0.0), size)
    height = _mean_around(np.where(is_high, above, 0.0), size)
    is_rough = speckle > SPECKLE * height
    # What is narrower than three cells is a wall or a hedge, and neither roof nor crown.
    is_roof = is_high & ~is_rough & (opened > HIGH_M)
    return Cover(above, is_roof, is_high & is_rough)


def _measure_ground(ground: Heights, cell_m: float) -> Iterator[tuple[str, Plane]]:
    """Altitude, alone and against its surroundings, and slope."""
    has_data = np.isfinite(ground)
    # Heights from a level nearby: squares of altitudes would lose the centimetres.
    level = float(np.nanmedian(ground)) if has_data.any() else 0.0
    low = np.where(has_data, ground - np.float32(level), np.float32(0.0))
    yield "altitude_mean_m", Plane(low + level, None)
    share = _mean_around(has_data.astype(np.float32), _odd(2 * AROUND_M / cell_m))
    around = _mean_around(low, _odd(2 * AROUND_M / cell_m)) / np.maximum(share, 1e-6)
    yield "altitude_above_m", Plane(low - around, None)
    size = _odd(2 * RELIEF_M / cell_m)
    share = np.maximum(_mean_around(has_data.astype(np.float32), size), 1e-6)
    mean = _mean_around(low, size) / share
    square = _mean_around(low**2, size) / share
    yield "relief_m", Plane(np.sqrt(np.maximum(square - mean**2, 0.0)), None)
    slope = _slope_where_known(low, has_data, cell_m)
    yield "slope_mean_deg", Plane(slope, None)
    yield "steep_share", Plane(slope > STEEP_DEG, None)


def _slope_where_known(low: Heights, has_data: Mask, cell_m: float) -> Heights:
    """Slope in degrees; a neighbour without data is taken to be as high as the cell itself."""
    squares = np.zeros_like(low)
    for axis in (0, 1):
        ahead, behind = (_shift(low, axis, by) - low for by in (1, -1))
        known = [_shift(has_data, axis, by) & has_data for by in (1, -1)]
        rise = np.where(known[0], ahead, 0.0) - np.where(known[1], behind, 0.0)
        steps = known[0].astype(np.float32) + known[1]
        squares += (rise / np.maximum(steps, 1.0) / cell_m) ** 2
    slope: Heights = np.degrees(np.arctan(np.sqrt(squares))).astype(np.float32)
    return slope


def _measure_heights(cover: Cover) -> Iterator[tuple[str, Plane]]:
    """Height above ground, and how the ground is shared between what stands on it."""
    above, is_roof, is_crown = cover.above, cover.is_roof, cover.is_crown
    yield "open_share", Plane(above < OPEN_M, None)
    yield "low_share", Plane((above >= OPEN_M) & (above <= HIGH_M), None)
    yield "roof_share", Plane(is_roof, None)
    yield "crown_share", Plane(is_crown, None)
    yield "height_mean_m", Plane(above, None)
    yield "roof_height_mean_m", Plane(above * is_roof, is_roof)
    yield "roof_height_square_m2", Plane(above**2 * is_roof, is_roof)
    yield "tall_roof_share", Plane(is_roof & (above > TALL_M), is_roof)
    yield "crown_height_mean_m", Plane(above * is_crown, is_crown)


def _measure_roofs(cover: Cover, cell_m: float) -> Iterator[tuple[str, Plane]]:
    """Pitch, outline and number of roofs."""
    above, is_roof = cover.above, cover.is_roof
    is_inner = ndimage.binary_erosion(is_roof, border_value=1)
    squares = np.zeros_like(above)
    for axis in (0, 1):
        ahead, behind = (np.abs(_shift(above, axis, by) - above) for by in (1, -1))
        # The gentler side: at eaves the other is a wall. A ridge between two cells reads as flat.
        squares += (np.minimum(ahead, behind) / cell_m) ** 2
    pitch = np.degrees(np.arctan(np.sqrt(squares)))
    yield "roof_pitch_mean_deg", Plane(pitch * is_inner, is_inner)
    yield "flat_roof_share", Plane(is_inner & (pitch < FLAT_DEG), is_inner)
    per_ha = HECTARE_M2 / cell_m**2
    yield "roof_edge_m_per_ha", Plane(_measure_outline(is_roof) * (cell_m * per_ha), None)
    yield "roofs_per_ha", Plane(_count_pieces(is_roof) * per_ha, None)


def _measure_outline(is_roof: Mask) -> Heights:
    """Length of outline at each cell, in cells, from crossings in four directions (Crofton)."""
    down, right = _shift(is_roof, 0, 1), _shift(is_roof, 1, 1)
    straight = (is_roof ^ down).astype(np.float32) + (is_roof ^ right)
    slanting = (is_roof ^ _shift(down, 1, 1)).astype(np.float32) + (down ^ right)
    crossings: Heights = straight + slanting * np.float32(np.sqrt(0.5))
    return crossings * np.float32(np.pi / 8)


def _count_pieces(is_roof: Mask) -> Heights:
    """Euler number of the roofs, shared out over squares of two by two cells (Gray 1971)."""
    down, right = _shift(is_roof, 0, 1), _shift(is_roof, 1, 1)
    across = _shift(down, 1, 1)
    n_roofs = is_roof.astype(np.int8) + down + right + across
    is_diagonal = (n_roofs == 2) & (is_roof == across)
    # Roofs that touch at a corner are two.
    pieces = (n_roofs == 1) - 1.0 * (n_roofs == 3) + 2.0 * is_diagonal
    quarter: Heights = (pieces / 4).astype(np.float32)
    return quarter


def _measure_distances(cover: Cover, cell_m: float) -> Iterator[tuple[str, Plane]]:
    """Distances inside roofs to their edge, and on open ground to what stands there."""
    is_roof, is_free = cover.is_roof, ~cover.is_roof
    inside = _distance_to_edge(is_roof, cell_m)
    # Over a strip the mean distance to the edge is a quarter of its width.
    yield "roof_width_m", Plane(4 * inside, is_roof)
    yield "wide_roof_share", Plane(inside >= WIDE_M, is_roof)
    outside = _distance_to_edge(is_free, cell_m)
    yield "roof_distance_m", Plane(outside, is_free)
    yield "remote_share", Plane(outside >= REMOTE_M, None)
    is_low = cover.above <= HIGH_M
    yield "wide_open_share", Plane(_distance_to_edge(is_low, cell_m) >= NEAR_M, None)


def _distance_to_edge(is_inside: Mask, cell_m: float) -> Heights:
    """Distance from each cell's centre to the edge of the cells marked, in metres; 0 outside."""
    if is_inside.all():
        return np.full(is_inside.shape, MAX_DISTANCE_M, dtype=np.float32)
    # To the nearest centre outside: the edge is half a cell nearer.
    distance = (ndimage.distance_transform_edt(is_inside) - 0.5) * cell_m
    return np.where(is_inside, np.minimum(distance, MAX_DISTANCE_M), 0.0).astype(np.float32)


def _measure_sky(cover: Cover, cell_m: float) -> Iterator[tuple[str, Plane]]:
    """Share of the sky seen from the ground where nothing high stands."""
    above = cover.above
    rows, cols = above.shape
    reach = max(1, round(max(SKY_M) / cell_m))
    # The edge goes on as it is: sky over unknown ground is neither open nor closed.
    wide = np.pad(above, reach, mode="edge")
    hidden = np.zeros_like(above)
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        step_m = cell_m * float(np.hypot(down, right))
        steepest = np.zeros_like(above)
        for n_steps in sorted({max(1, round(far / step_m)) for far in SKY_M}):
            top, left = reach + n_steps * down, reach + n_steps * right
            rise = wide[top : top + rows, left : left + cols] - above
            np.maximum(steepest, rise / np.float32(n_steps * step_m), out=steepest)
        hidden += steepest / np.sqrt(1 + steepest**2)
    is_low = above <= HIGH_M
    yield "sky_view_share", Plane((1 - hidden / 8) * is_low, is_low)


def _measure_texture(above: Heights, cell_m: float) -> Iterator[tuple[str, Plane]]:
    """How much heights change, nearby and over longer lags."""
    size = _odd(ROUGHNESS_M / cell_m)
    spread = _mean_around(above**2, size) - _mean_around(above, size) ** 2
    yield "roughness_m", Plane(np.sqrt(np.maximum(spread, 0.0)), None)
    for lag in LAGS_M:
        n_cells = max(1, round(lag / cell_m))
        down, right = (np.abs(_shift(above, axis, n_cells) - above) for axis in (0, 1))
        yield f"grain_{lag:g}m_m", Plane((down + right) / 2, None)


def _measure_walls(above: Heights, cell_m: float) -> Iterator[tuple[str, Plane]]:
    """Whether walls nearby run one way, or one way and across it."""
    down, right = np.gradient(above, cell_m)
    steepness = np.asarray(right + 1j * down)
    power = np.abs(steepness) ** 2
    size = _odd(WALLS_M / cell_m)
    total = _mean_around(power, size)
    # Doubling the angle makes both sides of a roof one direction, four times it a crossroads.
    doubled = steepness**2
    crossed = np.divide(doubled**2, power, out=np.zeros_like(doubled), where=power > 0)
    for name, turned in (("one_way_share", doubled), ("crossing_share", crossed)):
        sides = [_mean_around(side.astype(np.float32), size) for side in (turned.real, turned.imag)]
        yield name, Plane(np.hypot(*sides), total)


def _cut(measured: Iterator[tuple[str, Plane]], margin: int) -> Iterator[tuple[str, Plane]]:
    """Cut the margin off planes."""
    for name, plane in measured:
        rows, cols = plane.amounts.shape
        core = np.s_[margin : rows - margin, margin : cols - margin]
        yield name, Plane(plane.amounts[core], None if plane.counts is None else plane.counts[core])


def _mean_around(values: NDArray[Any], size: int) -> Heights:
    """Mean over a square of ``size`` cells; beyond the edge there is 0."""
    mean: Heights = ndimage.uniform_filter(values.astype(np.float32), size, mode="constant")
    return mean


def _shift(values: NDArray[Any], axis: int, by: int) -> NDArray[Any]:
    """Give each cell what lies ``by`` cells further along an axis; the edge goes on."""
    n_cells = values.shape[axis]
    return values.take(np.clip(np.arange(n_cells) + by, 0, n_cells - 1), axis=axis)


def _odd(n_cells: float) -> int:
    """Give the odd number of cells, 3 or more, nearest to a window's side."""
    return max(3, 2 * round((n_cells - 1) / 2) + 1)
