"""What stays the same from the first epoch of a training to the last, and what it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from basrelief.chips.store import Samples
from basrelief.learn.arithmetic import Arithmetic
from basrelief.learn.augment import augment_chips
from basrelief.learn.batches import Rows, derive_seed, read_ahead
from basrelief.learn.encoders import Network, NetworkPlan
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.training_recipes import count_batches
from basrelief.run import Run
from basrelief.splits.heldout import ChipFold


@dataclass(frozen=True, eq=False)
class Training:
    """All that stays the same from the first epoch to the last."""

    recipe: NetworkRecipe
    samples: Samples
    fold: ChipFold
    plan: NetworkPlan
    labels: Tensor
    """(chip, target), in label units, NaN where there is none."""

    seed: int
    arithmetic: Arithmetic
    run: Run

    @property
    def steps_per_epoch(self) -> int:
        """Training batches an epoch."""
        train = self.recipe.train
        return train.steps_per_epoch or count_batches(len(self.fold.train), train.batch_size)

    def generator(self, purpose: str, epoch: int) -> torch.Generator:
        """Make the generator of everything random of one kind in one epoch."""
        return torch.Generator().manual_seed(derive_seed(self.seed, purpose, epoch))


Reading = Callable[[list[Rows], torch.Generator], Iterator[Tensor]]
"""Reads batches of chips by their rows, varied by the generator, onto the device."""


@dataclass(frozen=True, eq=False)
class Feed:
    """What a network sees of chips while it is trained, and which of its layers see it."""

    layers: nn.Module
    """The network; or what lies behind its frozen layers, where their answers are kept."""

    train: Reading
    validate: Reading


def read_chips(
    training: Training, batches: list[Rows], generator: torch.Generator | None
) -> Iterator[Tensor]:
    """Read batches of chips, (chip, band, row, col); without a generator as they are."""
    for stored in read_ahead(training.samples, batches, training.plan.bands):
        chips = stored.to(training.arithmetic.device).float()
        if generator is not None:
            chips = augment_chips(chips, training.recipe.augment, generator)
        yield chips


def feed_anew(training: Training, network: Network) -> Feed:
    """Show a network chips that are varied anew at each step."""
    is_varied = training.recipe.augment.validation
    return Feed(
        layers=network,
        train=lambda batches, generator: read_chips(training, batches, generator),
        validate=lambda batches, generator: read_chips(
            training, batches, generator if is_varied else None
        ),
    )
