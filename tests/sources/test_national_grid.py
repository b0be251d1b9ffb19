from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basrelief.grid import Grid
from basrelief.sources.national_grid import lies_in_square, list_squares, name_square, read_square

LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"


def spell(easting: int, northing: int, side_m: int) -> str:
    """The grid's own definition: two letters by squares of 500 and 100 km, then digits.

    The first letter counts from a false origin 1,000 km west and 500 km south (Ordnance Survey,
    A guide to coordinate systems in Great Britain).
    """
    x, y = easting + 1_000_000, northing + 500_000
    big = LETTERS[(4 - y // 500_000) * 5 + x // 500_000]
    small = LETTERS[(4 - y % 500_000 // 100_000) * 5 + x % 500_000 // 100_000]
    whole = side_m if side_m in (100_000, 10_000, 1_000) else side_m * 2
    n_digits = {100_000: 0, 10_000: 1, 1_000: 2}[whole]
    digits = [f"{value % 100_000:05d}"[:n_digits] for value in (easting, northing)]
    quarter = ""
    if whole != side_m:
        north, east = (value % whole >= side_m for value in (northing, easting))
        quarter = f"{'N' if north else 'S'}{'E' if east else 'W'}"
    return f"{big}{small}{''.join(digits)}{quarter}"


SIDES = [100_000, 50_000, 10_000, 5_000, 1_000]
POINTS = st.tuples(st.integers(0, 699_999), st.integers(0, 1_299_999))


@given(POINTS, st.sampled_from(SIDES))
def test_squares_are_named_as_the_grid_is_defined(point: tuple[int, int], side_m: int) -> None:
    name = name_square(*point, side_m)
    assert name == spell(*point, side_m)
    corner = [value // side_m * side_m for value in point]
    assert read_square(name) == (*corner, corner[0] + side_m, corner[1] + side_m)
    assert read_square(name.lower()) == read_square(name)


@given(POINTS, st.integers(1, 60_000), st.integers(1, 60_000), st.sampled_from([5_000, 1_000]))
def test_squares_over_bounds_are_those_that_share_ground(
    corner: tuple[int, int], width: int, height: int, side_m: int
) -> None:
    width, height = min(width, 12 * side_m), min(height, 12 * side_m)
    west, south = corner
    bounds = (west, south, min(west + width, 700_000), min(south + height, 1_300_000))
    firsts = [value // side_m for value in bounds[:2]]
    lasts = [-(-value // side_m) for value in bounds[2:]]
    expected = [
        spell(x * side_m, y * side_m, side_m)
        for y in range(firsts[1], lasts[1])
        for x in range(firsts[0], lasts[0])
    ]
    assert list_squares(bounds, side_m) == expected


def test_bounds_outside_the_grid_have_no_squares() -> None:
    assert list_squares((-5_000, 0, 0, 5_000), 1_000) == []
    assert len(list_squares((-1e6, -1e6, 2e6, 2e6), 100_000)) == 91
    assert name_square(700_000, 0, 1_000) is None


@pytest.mark.parametrize("text", ["", "TQ", "TQ2", "XX1234", "tq28n", "TQ٢٨", "TQ2585\n", "AB12"])
def test_what_is_no_square_is_none(text: str) -> None:
    found = read_square(text)
    assert found is None or (text == "TQ" and np.ptp([found[0], found[2]]) == 100_000)


@pytest.mark.parametrize(
    ("west", "north", "cell_m", "shape", "lies"),
    [
        # The square, a part of it, and what is wholly elsewhere.
        (525_000, 190_000, 1.0, (5000, 5000), True),
        (526_000, 187_000, 2.0, (500, 500), True),
        (535_000, 190_000, 1.0, (5000, 5000), False),
        # Cells centred on the lines: half a cell on every side, or a whole one on two.
        (524_999, 190_001, 2.0, (2501, 2501), True),
        (524_998, 190_000, 2.0, (2501, 2501), True),
        # Two cells beyond, and two squares in one tile.
        (524_996, 190_000, 2.0, (2502, 2502), False),
        (525_000, 190_000, 1.0, (5000, 10_000), False),
    ],
)
def test_a_tile_lies_in_its_square_or_a_cell_beyond(
    west: float, north: float, cell_m: float, shape: tuple[int, int], lies: bool
) -> None:
    assert lies_in_square(Grid(west, north, cell_m, shape), "tq28ne") is lies
