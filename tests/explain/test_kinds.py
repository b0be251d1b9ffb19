from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from basrelief.explain.cells import AreaCells, Contribution
from basrelief.explain.kinds import EDGES, KINDS, share_kinds, tell_kinds
from basrelief.explain.tally import AreaSums, CellFacts, list_kinds

OPEN, ROUGH, SMALL, LARGE, TALL = range(5)


def make_ground(resolution_m: float) -> tuple[NDArray[np.float32], dict[int, tuple[slice, slice]]]:
    """A lawn with one of each kind on it, and where they are; metres to pixels."""

    def at(row: float, col: float, side: float) -> tuple[slice, slice]:
        to_px = [round(value / resolution_m) for value in (row, row + side, col, col + side)]
        return slice(to_px[0], to_px[1]), slice(to_px[2], to_px[3])

    side = round(200 / resolution_m)
    rng = np.random.default_rng(0)
    above = rng.uniform(0, 0.1, (side, side))
    places = {SMALL: at(20, 20, 10), LARGE: at(20, 80, 40), TALL: at(100, 20, 30)}
    places |= {ROUGH: at(100, 100, 40), OPEN: at(160, 20, 30)}
    above[places[SMALL]], above[places[LARGE]], above[places[TALL]] = 6.0, 8.0, 25.0
    crowns = above[places[ROUGH]]
    crowns[:] = rng.uniform(1, 14, crowns.shape)
    heights = np.stack([above + 50.0, np.full((side, side), 50.0)]).astype(np.float32)
    heights[:, :5, :5] = np.nan
    return heights, places


@pytest.mark.parametrize("resolution_m", [1.0, 2.0])
def test_each_kind_of_ground_is_told(resolution_m: float) -> None:
    heights, places = make_ground(resolution_m)
    kinds = tell_kinds(heights, resolution_m)
    for kind, place in places.items():
        assert (kinds[place] == kind).mean() > 0.9, KINDS[kind]
    assert (kinds[:5, :5] == -1).all()


def test_ground_that_is_all_flat_or_without_data_has_a_kind_too() -> None:
    flat = np.zeros((2, 16, 16), dtype=np.float32)
    assert (tell_kinds(flat, 1.0) == OPEN).all()
    assert (tell_kinds(flat * np.nan, 1.0) == -1).all()


def test_a_hedge_and_a_lamp_post_go_with_the_trees() -> None:
    heights = np.zeros((2, 40, 40), dtype=np.float32)
    heights[0, 10, :] = 4.0
    heights[0, 30, 30] = 9.0
    kinds = tell_kinds(heights, 1.0)
    assert (kinds[10] == ROUGH).all()
    assert kinds[30, 30] == ROUGH


def test_shares_of_a_cell_are_of_the_ground_that_counts() -> None:
    kinds = np.array([[OPEN, OPEN, TALL, -1], [SMALL, TALL, TALL, -1]], dtype=np.int8)
    every = share_kinds(kinds, kinds >= 0, 2)
    np.testing.assert_allclose(every[:, 0, 0], [0.5, 0.0, 0.25, 0.0, 0.25])
    np.testing.assert_allclose(every[:, 0, 1], [0.0, 0.0, 0.0, 0.0, 1.0])
    counted = share_kinds(kinds, kinds > ROUGH, 2)
    np.testing.assert_allclose(counted[:, 0, 0], [0.0, 0.0, 0.5, 0.0, 0.5])
    # Where nothing counts, all of the ground stands in.
    np.testing.assert_allclose(share_kinds(kinds, kinds > TALL, 2), every)


def make_tally(n_areas: int) -> dict[str, AreaSums]:
    """Areas of four cells: lawn, small, tall, and tall beside an edge; tall ground adds 1 each."""
    kinds = np.zeros((5, 4), dtype=np.float32)
    kinds[[OPEN, SMALL, TALL, TALL], range(4)] = 1.0
    facts = CellFacts(kinds[None], np.array([False, False, False, True]))
    tally: dict[str, AreaSums] = {}
    for k in range(n_areas):
        own = AreaCells(np.arange(4), np.full(4, 0.5), np.ones((1, 4)))
        values = np.array([[0.0], [-1.0], [1.0], [1.0]]) * (1 + k % 2)
        area = tally.setdefault(f"E{k:02d}", AreaSums(1))
        area.add_ground(own, kinds)
        area.add_edges(own, facts)
        area.add(Contribution(f"E{k:02d}", 0, np.arange(4), values, np.full(4, 0.25)), facts)
    return tally


def test_kinds_are_told_with_their_ground_and_what_they_add() -> None:
    errors = np.full((6, 1), 0.1)
    records = list_kinds(make_tally(40), "dense", ("crime",), errors, 20)
    found = {record["kind"]: record for record in records}
    assert list(found) == [*KINDS, EDGES]
    shares = [record["share_of_ground"] for record in records]
    assert shares == pytest.approx([0.25, 0.0, 0.25, 0.0, 0.5, 0.25])
    added = [record["contribution"] for record in records]
    assert added == pytest.approx([0.0, 0.0, -1.5, 0.0, 3.0, 1.5])
    tall = found["tall buildings"]
    reach = 0.1 * stats.t.ppf(0.975, 19)
    assert (tall["low"], tall["high"]) == pytest.approx((3 - reach, 3 + reach))
    assert tall["p"] == pytest.approx(2 * stats.t.sf(30, 19))


def test_few_blocks_have_no_interval() -> None:
    records = list_kinds(make_tally(5), "dense", ("crime",), None, 0)
    assert {record["low"] for record in records} == {None}
