"""Views of chips that are drawn once, with what frozen layers answer to them kept on the disk."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from basrelief.config import InputError
from basrelief.learn.arithmetic import LAYOUT, Arithmetic
from basrelief.learn.batches import Rows, deal_rows, derive_seed
from basrelief.learn.encoders import N_COLOURS, Network
from basrelief.learn.maps import extract_map
from basrelief.learn.training import Feed, Training, read_chips
from basrelief.learn.training_recipes import count_batches

LEAST_GAIN = 1.5
"""Times fewer operations from which on answers are kept: below, the disk is not worth it."""

BACKWARD = 3
"""Operations of learning from a chip, over those of looking at it (forward, and both gradients)."""

FILL_BATCH = 32

Kept = NDArray[np.int16] | NDArray[np.float32]
"""Answers of frozen layers; those in bf16 as the bits that they are."""


@dataclass(frozen=True)
class ViewPlan:
    """What it takes to keep the answers of a network's frozen layers, and what that saves."""

    n_layers: int
    """Layers of the backbone that are never trained."""

    shape: tuple[int, int, int]
    """(row, col, channel) of what they answer."""

    n_train_views: int
    n_validation_views: int
    n_bytes: int
    gain: float
    """How many times fewer operations the whole training takes."""

    def __str__(self) -> str:
        return (
            f"what its first {self.n_layers} layers answer to {self.n_train_views} views of each "
            f"training chip is kept while it trains ({self.n_bytes / 1e9:.2f} GB on the disk, "
            f"removed afterwards): {self.gain:.1f} times fewer operations"
        )


def plan_views(training: Training, network: Network) -> ViewPlan | str | None:
    """Plan which views of chips are drawn once, from what that saves and takes.

    The same on every machine of one precision: what a network learns from depends on it.

    Parameters
    ----------
    network
        With those layers trainable that its recipe trains in the end.

    Returns
    -------
    The plan; or why each step draws its views anew; or None where the recipe asks for no less.
    """
    recipe, fold, train = training.recipe, training.fold, training.recipe.train
    if train.views is None:
        return None
    n_layers = _count_frozen(network)
    if n_layers == 0:
        return "the layers that it does not train are no chain from the first on"
    n_train, n_validation = len(fold.train), len(fold.validation)
    n_looks = train.views if recipe.augment.validation else 1
    n_kept = train.views * n_train + n_looks * n_validation
    whole, rest, shape = _count_operations(network, n_layers)
    steps = train.steps_per_epoch or count_batches(n_train, train.batch_size)
    learnt = train.epochs * steps * n_train / count_batches(n_train, train.batch_size)
    looked = train.epochs * float(n_validation)
    if train.validation_steps is not None:
        size = train.validation_batch_size
        looked *= train.validation_steps / math.ceil(n_validation / size)
    kept = (learnt * BACKWARD + looked) * rest
    gain = ((learnt + looked) * (whole - rest) + kept) / (n_kept * (whole - rest) + kept)
    item = training.arithmetic.dtype.itemsize
    plan = ViewPlan(n_layers, shape, train.views, n_looks, n_kept * math.prod(shape) * item, gain)
    if gain < LEAST_GAIN:
        return f"keeping what frozen layers answer would leave {100 / gain:.0f} % of the operations"
    if plan.n_bytes > train.views_gb * 1e9:
        return (
            f"what frozen layers answer would take {plan.n_bytes / 1e9:.1f} GB on the disk, and "
            f"train.views_gb = {train.views_gb:g} of its recipe is the most"
        )
    return plan


def split_network(network: Network, n_layers: int) -> tuple[nn.Module, nn.Module]:
    """Split a network behind its first layers: what they answer, and what the others make of it.

    Both share the network's weights; one behind the other they are the network.
    """
    layers = _find_chain(network)
    before = nn.Sequential(network.scale, network.normalise, *layers[:n_layers])
    return before, _Rest(network, layers[n_layers:])


class _Rest(nn.Module):
    """The layers behind the frozen ones, and the head."""

    def __init__(self, network: Network, layers: nn.Module) -> None:
        super().__init__()
        self.network, self.layers = network, layers

    def forward(self, maps: Tensor) -> Tensor:
        """Predict labels, (chip, target), from what the frozen layers answered."""
        return self.network.answer(self.layers(maps))


def feed_kept(plan: ViewPlan, training: Training, network: Network, folder: Path) -> Feed:
    """Draw the views, keep what a network's frozen layers answer to them, and show it those.

    Which of its views a chip shows at a step is drawn from the step's own generator.

    Parameters
    ----------
    folder
        Where the file lies that has no name, if the system lets it: so nothing outlives it.

    Raises
    ------
    InputError
        If the disk has no room.
    """
    _check_disk(plan, folder)
    before, behind = split_network(network, plan.n_layers)
    is_varied = training.recipe.augment.validation
    learnt = Views(np.sort(training.fold.train), plan.n_train_views, True, "train")
    looked = Views(np.sort(training.fold.validation), plan.n_validation_views, is_varied, "check")
    network.eval()
    kept = [_keep(plan, views, training, before, folder) for views in (learnt, looked)]
    return Feed(behind, *(partial(_recall, training, *each) for each in kept))


@dataclass(frozen=True, eq=False)
class Views:
    """Views of some chips."""

    rows: Rows
    """(chip,), positions in the samples, in rising order."""

    n_views: int
    is_varied: bool
    purpose: str

    def see(self, training: Training, view: int) -> Iterator[Tensor]:
        """Show all of the chips in one view, batch by batch: (chip, band, row, col)."""
        seed = derive_seed(training.seed, "views", self.purpose, view)
        generator = torch.Generator().manual_seed(seed) if self.is_varied else None
        return read_chips(training, deal_rows(self.rows, FILL_BATCH), generator)


def _keep(
    plan: ViewPlan, views: Views, training: Training, before: nn.Module, folder: Path
) -> tuple[Views, Kept]:
    """Keep what frozen layers answer to every view: (view, chip, row, col, channel)."""
    arithmetic, n_chips = training.arithmetic, len(views.rows)
    kind = np.int16 if arithmetic.precision == "bf16" else np.float32
    shape = (views.n_views, n_chips, *plan.shape)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(math.prod(shape) * np.dtype(kind).itemsize)
        # The map keeps what it maps when the file is closed.
        kept = np.memmap(file, kind, "r+", shape=shape)
    with training.run.progress() as bar:
        what = f"{training.recipe.name}: frozen layers"
        task = bar.add_task(what, total=views.n_views * n_chips)
        for view in range(views.n_views):
            at = 0
            for chips in views.see(training, view):
                kept[view, at : at + len(chips)] = ask_layers(before, chips, arithmetic)
                at += len(chips)
                bar.update(task, advance=len(chips))
    return views, kept


def _recall(
    training: Training, views: Views, kept: Kept, batches: list[Rows], generator: torch.Generator
) -> Iterator[Tensor]:
    """Read what was answered to one view of each chip, drawn at random: as `Feed` has it."""
    for rows in batches:
        picks = torch.randint(views.n_views, (len(rows),), generator=generator).numpy()
        found = torch.from_numpy(kept[picks, np.searchsorted(views.rows, rows)])
        if found.dtype == torch.int16:
            found = found.view(torch.bfloat16)
        # Channels lie last on the disk, as they do in memory.
        yield found.permute(0, 3, 1, 2).to(training.arithmetic.device)


@torch.no_grad()
def ask_layers(layers: nn.Module, chips: Tensor, arithmetic: Arithmetic) -> Kept:
    """Ask frozen layers, in the run's precision, as training would: (chip, row, col, channel)."""
    with arithmetic.autocast():
        maps = layers(chips.to(arithmetic.dtype).contiguous(memory_format=LAYOUT))
    rounded = maps.to(arithmetic.dtype).permute(0, 2, 3, 1).contiguous().cpu()
    if arithmetic.precision == "bf16":
        # NumPy has no such numbers, but it can carry their bits.
        rounded = rounded.view(torch.int16)
    return np.asarray(rounded.numpy())


def _find_chain(network: Network) -> nn.Sequential:
    layers = network.backbone.features
    assert isinstance(layers, nn.Sequential)
    return layers


@torch.no_grad()
def _count_frozen(network: Network) -> int:
    """Count the layers before the first that is trained; 0 where they are no chain."""
    layers = getattr(network.backbone, "features", None)
    if network.plan.n_branches > 1 or not isinstance(layers, nn.Sequential):
        return 0
    side = network.plan.size_px
    weight = next(network.parameters())
    chip = torch.rand(1, N_COLOURS, side, side, device=weight.device)
    network.eval()
    # Some backbones do more than their list of layers says.
    if not torch.allclose(layers(chip), extract_map(network.backbone, chip)):
        return 0
    for number, layer in enumerate(layers):
        if any(each.requires_grad for each in layer.parameters()):
            return number
    return len(layers)


@torch.no_grad()
def _count_operations(network: Network, n_layers: int) -> tuple[int, int, tuple[int, int, int]]:
    """Count operations of a chip, in all and behind the frozen layers; and what those answer."""
    side, device = network.plan.size_px, next(network.parameters()).device
    before, rest = split_network(network, n_layers)
    network.eval()
    counted = []
    value = torch.zeros(1, N_COLOURS, side, side, device=device)
    for part in (before, rest):
        with FlopCounterMode(display=False) as counter:
            value = part(value)
        counted.append(counter.get_total_flops())
        if part is before:
            _, channels, n_rows, n_cols = value.shape
    return sum(counted), counted[1], (n_rows, n_cols, channels)


def _check_disk(plan: ViewPlan, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < plan.n_bytes:
        raise InputError(
            f"{folder}: has {free / 1e9:.1f} GB free, and what frozen layers answer to "
            f"{plan.n_train_views} views of each chip takes {plan.n_bytes / 1e9:.1f} GB while a "
            "network is trained. Make room, or set models.views = 0: views are then drawn anew at "
            "each step, which takes longer."
        )
