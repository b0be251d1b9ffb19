"""Chips under the heat of Grad-CAM, as the checks take them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from basrelief.chips.store import Bands, Samples
from basrelief.explain.checks import correlate_ranks
from basrelief.explain.controls import Control, look_at
from basrelief.explain.gradcam import evaluating, map_heat
from basrelief.explain.heat_kinds import mark_rim
from basrelief.explain.kinds import EDGES
from basrelief.explain.random_weights import randomise_weights
from basrelief.explain.samples import Batch, Edges, Explanation
from basrelief.learn.encoders import Network, cam_layer

N_TRIED = 16
"""Chips that are tried, from the lowest predicted to the highest."""

N_MAPPED = 64
"""Chips whose heat is told by kind of ground: those that are tried are among them."""

N_SQUARES = 14
"""Squares a side that a chip is parted in: as fine as the grid of the finest layer explained."""

N_COMPARED = 28
"""Cells a side on which heat is compared: finer than any layer's own grid is interpolation."""

N_AT_ONCE = 16
"""Chips in memory together."""

N_OTHERS = 2
"""Other targets whose heat is a control, those predicted most alike: each is predicted anew."""

UNEVEN = 0.1
"""Range of heat on a flat chip over that on real ones, from which the frame shows."""

ALIKE = 1e-6
"""Spread of predictions over that of the truth, up to which all are the same but for rounding: what
heat there is then is rounding too."""

Floats = NDArray[np.float64]
Heat = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MappedChips:
    """Test chips of one target under their heat, from the lowest predicted to the highest."""

    target: str
    rows: NDArray[np.int_]
    """(chip,) Positions among the samples."""

    chips: Tensor
    """(chip, band, row, col) As the network takes them."""

    heat: Heat
    """(chip, row, col)"""

    spread: float
    """Standard deviation of the predictions over all test chips."""

    groups: NDArray[np.str_]
    """(chip,) The ground that is resampled together with each."""


def map_chips(
    network: Network, samples: Samples, tested: pd.DataFrame, groups: pd.Series[Any]
) -> MappedChips | None:
    """Map the heat of test chips of one target; None where there are fewer than two.

    Parameters
    ----------
    tested
        Rows of ``predictions.parquet`` of one target, one a chip.
    groups
        By chip, what it is resampled with; one that is not known is its own.
    """
    tested = tested.dropna(subset=["y_pred"]).drop_duplicates("id")
    if len(tested) < 2:
        return None
    # From low to high, so that a few picked evenly show the whole range.
    ordered = tested.sort_values("y_pred", kind="stable")["id"].to_numpy()
    picked = ordered[_spread_out(len(ordered), N_MAPPED)]
    rows = pd.Index(samples.chips["chip_id"]).get_indexer(picked).astype(np.int_)
    target = str(tested["target"].iloc[0])
    chips, heat = map_rows(network, samples, rows, target)
    spread = float(tested["y_pred"].std(ddof=0))
    if are_alike(tested):
        heat, spread = np.zeros_like(heat), 0.0
    own = groups.reindex(picked)
    known = np.where(own.notna(), own.to_numpy(dtype=object), picked).astype(str)
    return MappedChips(target, rows, chips, heat, spread, known)


def are_alike(tested: pd.DataFrame) -> bool:
    """Say whether all of a target's chips are predicted the same, so that heat shows nothing.

    Examples
    --------
    >>> are_alike(pd.DataFrame({"y_pred": [2.0, 2.0 + 1e-9], "y_true": [1.0, 4.0]}))
    True
    """
    spread, of_truth = tested["y_pred"].std(ddof=0), tested["y_true"].std(ddof=0)
    return bool(spread <= ALIKE * (of_truth if of_truth > 0 else 0.0))


def map_rows(
    network: Network, samples: Samples, rows: NDArray[np.int_], target: str
) -> tuple[Tensor, Heat]:
    """Read some samples as the network takes them, and map their heat.

    Returns
    -------
    Chips, (chip, band, row, col), on the network's device, and their heat, (chip, row, col).
    """
    bands = samples.read_bands(rows, network.plan.bands)
    device = next(network.parameters()).device
    chips = torch.as_tensor(bands, dtype=torch.float32, device=device)
    return chips, map_heat(network, cam_layer(network), chips, network.plan.targets.index(target))


def sample_chips(network: Network, mapped: MappedChips, seed: int) -> tuple[Explanation, Batch]:
    """Make a sample of chips under their heat, for the checks; the network stays as it is.

    Parameters
    ----------
    seed
        Of the random weights.
    """
    tried = _spread_out(len(mapped.heat), N_TRIED)
    chips, heat = mapped.chips[tried], mapped.heat[tried]
    k, blank = network.plan.targets.index(mapped.target), blank_chips(chips)
    # A copy: the network explains other targets after this one.
    random = randomise_weights(deepcopy(network), torch.Generator().manual_seed(seed))
    unlike = map_heat(random, cam_layer(random), chips, k)
    squares = number_squares(heat.shape[1:])
    piece, n_pieces, groups = squares.ravel(), int(squares.max()) + 1, mapped.groups[tried].tolist()

    def predict(is_blank: Mask) -> Floats:
        """Predict with squares of chips blanked, (chip, piece) to (chip, 1)."""
        if is_blank.all():  # one blank chip stands for all of them
            return np.repeat(_predict(network, blank, k), len(chips), axis=0)
        mask = torch.from_numpy(is_blank[:, None, squares]).to(chips.device)
        return _predict(network, torch.where(mask, blank, chips), k)

    others = find_alike(network, mapped)
    batch = Batch(
        maps=_flatten(heat),
        randomised=[_flatten(unlike)],
        # Squares count alike, also where a side is no multiple of them.
        share=1 / (n_pieces * np.bincount(piece)[piece]),
        piece=piece,
        predict=predict,
        groups=groups,
        others={network.plan.targets[j]: map_other(network, chips, j) for j in others},
        looks=look_at_chips(chips, network.plan.bands),
        overshoot=0.5 / n_pieces,
        compared=_thin_out(heat.shape[1:]),
    )
    explanation = Explanation(
        targets=(mapped.target,),
        of="chips",
        spread=np.array([mapped.spread]),
        flat=list(_flatten(map_heat(network, cam_layer(network), blank, k))),
        differ=measure_range,
        uneven=UNEVEN,
        edges=size_rim(heat, groups),
    )
    return explanation, batch


def find_alike(network: Network, mapped: MappedChips) -> list[int]:
    """Find the other targets that are predicted most like a target, the most alike first."""
    own = network.plan.targets.index(mapped.target)
    others = [k for k in range(len(network.plan.targets)) if k != own]
    predicted = _predict_all(network, mapped.chips)
    # Where one of them is the same for all chips, nothing is alike.
    likeness = [abs(correlate_ranks(predicted[:, own], predicted[:, k])) for k in others]
    return [others[at] for at in np.argsort(-np.array(likeness), kind="stable")[:N_OTHERS]]


def map_other(network: Network, chips: Tensor, target: int) -> Heat:
    """Map the heat of another target on chips, (chip, cell)."""
    return map_heat(network, cam_layer(network), chips, target).reshape(len(chips), -1)


def look_at_chips(chips: Tensor, bands: Bands) -> dict[Control, Floats]:
    """Say what can be seen on chips without a model: (chip, cell) of their edges and height.

    Of pictures, how bright they are stands in for their height.
    """
    pixels = chips.detach().double().cpu().numpy()
    is_relief = bands != "shaded"
    plane = pixels[:, 0] if is_relief else pixels.mean(axis=1)  # (chip, row, col)
    seen = [look_at(each, is_relief=is_relief) for each in np.nan_to_num(plane)]
    return {control: np.stack([each[control].ravel() for each in seen]) for control in seen[0]}


def blank_chips(chips: Tensor) -> Tensor:
    """Make one chip that is the same everywhere: the middle of each band, (1, band, row, col).

    Squares that are blanked get the middle too: no edge of black, which a network never saw, but
    an edge all the same, ranked or at random alike.
    """
    # (band, chip * row * col)
    middle = chips.permute(1, 0, 2, 3).flatten(1).median(dim=1)[0]
    return middle[None, :, None, None].expand(1, -1, *chips.shape[2:]).contiguous()


def number_squares(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Say by number which square each pixel of a chip lies in, (row, col); small chips have fewer.

    Examples
    --------
    >>> int(number_squares((64, 64)).max()) + 1 == N_SQUARES**2
    True
    """
    rows, cols = (np.arange(side) * N_SQUARES // side for side in shape)
    number = rows[:, None] * N_SQUARES + cols
    # Numbered without gaps, also where a chip has fewer pixels than squares.
    return np.asarray(np.unique(number, return_inverse=True)[1].reshape(shape), dtype=np.int64)


def measure_range(maps: Sequence[NDArray[Any]]) -> Floats:
    """Measure the range of heat maps, (cell, target) each: the mean over them, (target,)."""
    return np.asarray(np.ptp(np.stack(maps), axis=1).mean(axis=0), dtype=np.float64)


def size_rim(heat: Heat, groups: Sequence[str]) -> Edges:
    """Measure heat on the rim of chips and inside, (chip, row, col), whatever its sign."""
    size, is_rim = np.abs(heat).astype(np.float64), mark_rim(heat.shape[1:])[EDGES]
    beside, inside = size[:, is_rim].mean(axis=1), size[:, ~is_rim].mean(axis=1)
    return Edges(beside[:, None], inside[:, None], groups)


def _spread_out(n_chips: int, n_wanted: int) -> NDArray[np.int_]:
    """Pick positions from the first to the last, evenly."""
    return np.unique(np.linspace(0, n_chips - 1, n_wanted).round().astype(np.int_))


def _thin_out(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Pick positions in the flattened pixels of a chip, evenly."""
    step = max(1, shape[0] // N_COMPARED)
    return np.asarray(np.arange(shape[0] * shape[1]).reshape(shape)[::step, ::step].ravel())


def _flatten(heat: Heat) -> Heat:
    """Put the pixels of heat in one row: (chip, row, col) to (chip, cell, target)."""
    return heat.reshape(len(heat), -1, 1)


def _predict(network: Network, chips: Tensor, target: int) -> Floats:
    """Predict one target of chips, (chip, 1)."""
    return _predict_all(network, chips)[:, [target]]


def _predict_all(network: Network, chips: Tensor) -> Floats:
    """Predict every target of chips, (chip, target)."""
    with evaluating(network), torch.inference_mode():
        answers = [network(part) for part in torch.split(chips, N_AT_ONCE)]
        return np.asarray(torch.cat(answers).double().cpu().numpy())
