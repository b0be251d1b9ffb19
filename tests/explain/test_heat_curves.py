from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from basrelief.explain.curves import STEPS, Curves, Test, measure_between
from basrelief.explain.heat_curves import N_SQUARES, blank_chips, follow_chips, mark_taken
from basrelief.learn.encoders import Network

SIZE_PX, N_CHIPS = 2 * N_SQUARES, 12


class Brightness(nn.Module):
    """Predicts a chip's mean brightness, and its opposite."""

    def forward(self, chips: Tensor) -> Tensor:
        bright = chips.mean(dim=(1, 2, 3))
        return torch.stack([bright, -bright], dim=1)


def make_chips() -> NDArray[np.float32]:
    """Dark chips with a bright object, each somewhere else."""
    rng = np.random.default_rng(0)
    chips = rng.uniform(0, 0.1, (N_CHIPS, 3, SIZE_PX, SIZE_PX)).astype(np.float32)
    for chip, (row, col) in zip(chips, rng.integers(0, SIZE_PX - 8, (N_CHIPS, 2)), strict=True):
        chip[:, row : row + 8, col : col + 8] = 1.0
    return chips


def follow(heat: NDArray[np.float32], target: int = 0) -> dict[Test, Curves]:
    network = cast(Network, Brightness())
    chips = torch.from_numpy(make_chips())
    return follow_chips(network, chips, heat, target, np.random.default_rng(0))


def test_right_heat_passes_both_tests_and_heat_turned_round_fails_both() -> None:
    heat = make_chips()[:, 0]
    for test, curves in follow(heat).items():
        assert curves.ranked.shape == (N_CHIPS, 1 + len(STEPS))
        assert (measure_between(test, curves) > 0).all()
    for test, curves in follow(-heat).items():
        assert measure_between(test, curves).mean() < 0


def test_heat_is_of_its_own_target() -> None:
    heat = make_chips()[:, 0]
    for test, curves in follow(-heat, target=1).items():
        assert measure_between(test, curves).mean() > 0


def test_heat_at_random_does_no_better_than_chance() -> None:
    heat = np.random.default_rng(1).normal(size=(N_CHIPS, SIZE_PX, SIZE_PX)).astype(np.float32)
    right, by_chance = follow(make_chips()[:, 0]), follow(heat)
    for test, curves in by_chance.items():
        apart = abs(measure_between(test, curves).mean())
        assert apart < 0.3 * measure_between(test, right[test]).mean()


def test_both_curves_begin_at_nothing() -> None:
    for curves in follow(make_chips()[:, 0]).values():
        assert (curves.ranked[:, 0] == 0).all()
        assert (curves.at_random[:, 0] == 0).all()


@pytest.mark.parametrize("side", [28, 32])
def test_as_many_squares_are_taken_as_were_asked_for(side: int) -> None:
    at = np.arange(side) * N_SQUARES // side
    numbers = at[:, None] * N_SQUARES + at
    orders = np.stack([np.arange(N_SQUARES**2), np.arange(N_SQUARES**2)[::-1]])
    is_taken = mark_taken(orders, N_SQUARES, numbers)[:, 0].numpy()
    assert is_taken[0, 0].all()
    assert is_taken[1, -1].all()
    assert [np.unique(numbers[mask]).size for mask in is_taken] == [N_SQUARES, N_SQUARES]


def test_a_blank_chip_has_the_middle_of_each_band() -> None:
    chips = torch.rand(5, 2, 9, 9)
    blank = blank_chips(chips)
    assert blank.shape == (1, 2, 9, 9)
    assert blank[0, 1, 0, 0] == chips[:, 1].flatten().median()
    assert blank[0].flatten(1).std(dim=1).max() < 1e-6
