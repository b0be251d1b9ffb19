"""Labels are moved as rigidly as a place's areas allow."""

from __future__ import annotations

import numpy as np
import pytest

from basrelief.judge.relocation import rank, relocate
from basrelief.learn import gaussian_process

XY = np.array([530_000, 180_000]) + np.random.default_rng(0).uniform(0, 5000, (100, 2))


def test_every_label_is_taken_once() -> None:
    taken = relocate(XY, 20, np.random.default_rng(1))
    assert taken.shape == (20, 100)
    assert (np.sort(taken, axis=1) == np.arange(100)).all()


def test_neighbours_keep_neighbours_labels() -> None:
    # How alike near areas' labels are, where the labels are the coordinates themselves.
    taken = relocate(XY, 30, np.random.default_rng(1))
    apart = np.linalg.norm(XY[:, None] - XY[None], axis=2)
    near = np.argsort(apart, axis=1)[:, 1]
    moved = np.array([np.median(apart[each, each[near]]) for each in taken])
    still, random = np.median(apart[np.arange(100), near]), np.median(apart)
    assert np.median(moved) < 2.5 * still
    assert np.median(moved) < random / 3


def test_of_many_areas_each_takes_the_nearest_moved_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    once = relocate(XY, 30, np.random.default_rng(1))
    monkeypatch.setattr(gaussian_process, "MANY", 99)
    nearest = relocate(XY, 30, np.random.default_rng(1))
    apart = np.linalg.norm(XY[:, None] - XY[None], axis=2)
    # The same motions: what one way gives an area lies near what the other does.
    off = np.take_along_axis(apart[nearest.ravel()], once.ravel()[:, None], axis=1)
    assert np.median(off) < np.median(apart) / 4
    assert np.mean([len(np.unique(each)) for each in nearest]) > 55
    near = np.argsort(apart, axis=1)[:, 1]
    moved = np.array([np.median(apart[each, each[near]]) for each in nearest])
    assert np.median(moved) < 2.5 * np.median(apart[np.arange(100), near])


def test_labels_go_elsewhere() -> None:
    taken = relocate(XY, 30, np.random.default_rng(2))
    assert (taken == np.arange(100)).mean() < 0.05


def test_the_same_generator_moves_alike() -> None:
    one, other = (relocate(XY, 3, np.random.default_rng(7)) for _ in range(2))
    assert (one == other).all()


def test_a_place_in_a_line_can_be_moved() -> None:
    line = np.column_stack([np.linspace(0, 900, 10), np.zeros(10)])
    assert (np.sort(relocate(line, 5, np.random.default_rng(0)), axis=1) == np.arange(10)).all()


@pytest.mark.parametrize(("observed", "p"), [(0.9, 0.25), (0.15, 0.75), (0.0, 1.0)])
def test_a_rank_is_a_share_of_all_placements(observed: float, p: float) -> None:
    assert rank(np.array(observed), np.array([0.1, 0.2, 0.3])) == p


def test_what_is_unknown_has_no_rank() -> None:
    assert np.isnan(rank(np.array(np.nan), np.array([0.1])))
