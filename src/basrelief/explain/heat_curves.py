"""Deletion and insertion of the squares of a chip, in the order of their heat."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from basrelief.explain.curves import STEPS, Curves, Test
from basrelief.explain.gradcam import evaluating
from basrelief.learn.encoders import Network

N_SQUARES = 14
"""Squares a side that a chip is parted in: as fine as the grid of the finest layer explained."""

N_AT_ONCE = 16
"""Chips in memory together."""

Floats = NDArray[np.float64]
Heat = NDArray[np.float32]
Orders = NDArray[np.int64]
"""(chip, square) Squares of each chip, the first to be taken first."""


def blank_chips(chips: Tensor) -> Tensor:
    """Make one chip that is the same everywhere: the middle of each band, (1, band, row, col)."""
    middle = chips.permute(1, 0, 2, 3).flatten(1).median(dim=1)[0]
    return middle[None, :, None, None].expand(1, -1, *chips.shape[2:]).contiguous()


def follow_chips(
    network: Network, chips: Tensor, heat: Heat, target: int, rng: np.random.Generator
) -> dict[Test, Curves]:
    """Blank squares of chips or give them back, and predict again, chip by chip.

    A blank square has the middle of each band over all of the chips: no edge of black, which a
    network never saw, but an edge all the same, ranked or at random alike.

    Parameters
    ----------
    chips : (chip, band, row, col)
        As the network takes them, on its device.
    heat : (chip, row, col)
        Signed: what raises the prediction ranks highest.
    target
        Position of the prediction that heat is of.

    Returns
    -------
    By test, curves as (chip, step), in the target's unit, from where they begin: the chip as it
    is, or blank.
    """
    numbers, blank = _part_squares(heat.shape[1:]), blank_chips(chips)
    n_squares = N_SQUARES**2
    ranked = np.stack([_rank(numbers, each) for each in heat])
    shuffled = np.stack([rng.permutation(n_squares) for _ in heat])

    def delete(orders: Orders, n_taken: int) -> Floats:
        is_taken = mark_taken(orders, n_taken, numbers).to(chips.device)
        return _predict(network, torch.where(is_taken, blank, chips), target)

    def insert(orders: Orders, n_taken: int) -> Floats:
        is_taken = mark_taken(orders, n_taken, numbers).to(chips.device)
        return _predict(network, torch.where(is_taken, chips, blank), target)

    begun: tuple[tuple[Test, Floats], ...] = (
        ("deletion", _predict(network, chips, target)),
        ("insertion", _predict(network, blank, target)),
    )
    found = {}
    for test, start in begun:
        by_rank, at_random = np.zeros((2, len(heat), 1 + len(STEPS)))
        move = delete if test == "deletion" else insert
        for step, wanted in enumerate(STEPS, start=1):
            n_taken = max(1, round(wanted * n_squares))
            by_rank[:, step] = move(ranked, n_taken) - start
            at_random[:, step] = move(shuffled, n_taken) - start
        found[test] = Curves(by_rank, at_random)
    return found


def mark_taken(orders: Orders, n_taken: int, numbers: NDArray[np.int64]) -> Tensor:
    """Mark the pixels of the first squares of each chip's order, (chip, 1, row, col)."""
    is_taken = np.zeros(orders.shape, dtype=bool)
    np.put_along_axis(is_taken, orders[:, :n_taken], True, axis=1)
    return torch.from_numpy(is_taken[:, numbers])[:, None]


def _part_squares(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Say by number which square each pixel of a chip lies in, (row, col)."""
    rows, cols = (np.arange(side) * N_SQUARES // side for side in shape)
    return np.asarray(rows[:, None] * N_SQUARES + cols)


def _rank(numbers: NDArray[np.int64], heat: Heat) -> NDArray[np.int64]:
    """Order the squares of a chip by their mean heat, the highest first."""
    n_squares = N_SQUARES**2
    total = np.bincount(numbers.ravel(), heat.ravel().astype(np.float64), minlength=n_squares)
    n_px = np.bincount(numbers.ravel(), minlength=n_squares)
    return np.argsort(-total / np.maximum(n_px, 1), kind="stable")


def _predict(network: Network, chips: Tensor, target: int) -> Floats:
    """Predict one target of chips, (chip,)."""
    with evaluating(network), torch.inference_mode():
        answers = [network(part)[:, target] for part in torch.split(chips, N_AT_ONCE)]
        return np.asarray(torch.cat(answers).double().cpu().numpy())
