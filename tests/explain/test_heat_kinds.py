from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.explain.controls import Grouping
from basrelief.explain.heat_kinds import list_heat_kinds, list_places, mark_rim
from basrelief.explain.kinds import EDGES, HEAT_UNIT, KINDS, SIDES, TOP_AND_BOTTOM
from basrelief.judge.resampling import Draws

SIDE, N_CHIPS = 64, 24


def make_heights() -> NDArray[np.float32]:
    """Lawns with a tower, each somewhere else, and a corner without data."""
    rng = np.random.default_rng(0)
    heights = np.zeros((N_CHIPS, 2, SIDE, SIDE), dtype=np.float32)
    for chip, (row, col) in zip(heights, rng.integers(8, 36, (N_CHIPS, 2)), strict=True):
        chip[0, row : row + 20, col : col + 20] = 30.0
    heights[:, :, :6, :6] = np.nan
    return heights


def make_samples(kind: str) -> Samples:
    heights = make_heights()
    read = SimpleNamespace(kind=kind, resolution_m=1.0, read_heights=lambda rows: heights[rows])
    return cast(Samples, read)


def tell(heat: NDArray[np.float32], kind: str = "heights") -> dict[str, dict[str, Any]]:
    ground, places = list_places(make_samples(kind), np.arange(N_CHIPS), (SIDE, SIDE))
    blocks = Grouping([str(k) for k in range(N_CHIPS)], Draws(np.random.default_rng(0)))
    return {each["kind"]: each for each in list_heat_kinds(heat, ground, places, blocks)}


def heat_on_towers(strength: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    heat = rng.normal(size=(N_CHIPS, SIDE, SIDE)) + strength * (make_heights()[:, 0] > 10)
    # What a chip is hot all over tells nothing of the kinds in it.
    return (heat + 5 * rng.normal(size=(N_CHIPS, 1, 1))).astype(np.float32)


def test_heat_on_towers_is_told_of_tall_buildings_with_its_sign() -> None:
    for strength in (8.0, -8.0):
        tall = tell(heat_on_towers(strength))["tall buildings"]
        assert np.sign(tall["contribution"]) == np.sign(strength)
        assert tall["low"] * tall["high"] > 0
        assert tall["share_of_ground"] == pytest.approx(20**2 / (SIDE**2 - 36), abs=0.01)
        assert tall["unit"] == HEAT_UNIT


def test_heat_that_knows_no_ground_is_nowhere_beyond_chance() -> None:
    found = tell(heat_on_towers(0.0))
    for kind in ("open and flat", "tall buildings", EDGES):
        assert abs(found[kind]["contribution"]) < 0.1
    apart = [each for each in found.values() if each["low"] is not None and each["low"] > 0.05]
    assert apart == []


def test_a_kind_that_is_nowhere_has_no_heat() -> None:
    found = tell(heat_on_towers(1.0))["large buildings"]
    assert found["share_of_ground"] == 0
    assert (found["contribution"], found["low"], found["high"]) == (None, None, None)


def test_ground_without_data_counts_for_nothing() -> None:
    heat = heat_on_towers(4.0)
    before = tell(heat)
    heat[:, :6, :6] = 1e6
    assert tell(heat) == before


def test_kinds_of_rasters_and_edges_of_pictures_are_told() -> None:
    edges = [EDGES, TOP_AND_BOTTOM, SIDES]
    assert list(tell(heat_on_towers(1.0))) == [*KINDS, *edges]
    assert list(tell(heat_on_towers(1.0), "pictures")) == edges


def test_heat_along_top_and_bottom_is_told_of_these_edges_alone() -> None:
    heat = np.random.default_rng(0).normal(size=(N_CHIPS, SIDE, SIDE)).astype(np.float32)
    heat[:, :8] += 3.0
    heat[:, -8:] += 3.0
    found = tell(heat, "pictures")
    assert found[TOP_AND_BOTTOM]["low"] > 1
    assert found[EDGES]["low"] > 0
    assert abs(found[SIDES]["contribution"]) < 0.1


def test_the_unit_is_the_mean_size_of_heat() -> None:
    heat = heat_on_towers(4.0)
    one, other = (tell(each)["tall buildings"]["contribution"] for each in (heat, 1000 * heat))
    assert one == pytest.approx(other)


def test_no_heat_at_all_tells_nothing() -> None:
    assert tell(np.zeros((N_CHIPS, SIDE, SIDE), np.float32)) == {}


def test_the_rim_of_a_small_chip_is_a_pixel_at_least() -> None:
    assert mark_rim((5, 5))[EDGES].sum() == 16
