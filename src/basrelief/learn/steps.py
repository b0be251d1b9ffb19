"""One epoch of a training: its steps, and how well the network then does."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from basrelief.config import InputError
from basrelief.learn.arithmetic import LAYOUT
from basrelief.learn.batches import Rows, cycle_rows, deal_rows, derive_seed
from basrelief.learn.checkpoint import Epoch
from basrelief.learn.encoders import Network
from basrelief.learn.optimise import schedule_rate, set_learning_rate
from basrelief.learn.training import Feed, Training


def train_epoch(
    training: Training, network: Network, feed: Feed, optimiser: Optimizer, epoch: int
) -> Epoch:
    """Train and validate once; everything random is drawn from the number of the epoch.

    Parameters
    ----------
    feed
        What the network sees of the chips, and which of its layers see it.
    """
    start = time.perf_counter()
    device = training.arithmetic.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        # Dropout draws from torch's global generator and takes no other.
        torch.manual_seed(derive_seed(training.seed, "dropout", epoch))
        loss = _learn(training, network, feed, optimiser, epoch)
    # Outside the fork: validation draws nothing from the global generator.
    val_loss = _validate(training, network, feed, epoch)
    _check_loss(training, val_loss, epoch, training.steps_per_epoch)
    return Epoch(
        epoch=epoch,
        loss=loss,
        val_loss=val_loss,
        seconds=round(time.perf_counter() - start, 3),
        learning_rate=float(optimiser.param_groups[0]["lr"]),
        frozen=epoch <= training.recipe.train.frozen_epochs,
    )


def _learn(
    training: Training, network: Network, feed: Feed, optimiser: Optimizer, epoch: int
) -> float:
    """Take an epoch's steps; return the mean loss over its chips."""
    recipe, n_steps = training.recipe, training.steps_per_epoch
    # Counted over all epochs: passes over the chips do not stop where epochs do.
    first_step = (epoch - 1) * n_steps
    seed = derive_seed(training.seed, "order")
    batches = cycle_rows(training.fold.train, recipe.train.batch_size, n_steps, first_step, seed)
    seen = feed.train(batches, training.generator("augment", epoch))
    network.train()
    losses: list[float] = []
    for step, (chips, labels) in enumerate(_label(training, seen, batches, epoch, losses)):
        rate = schedule_rate(recipe.optimiser, recipe.train, first_step + step, n_steps)
        # From the step alone, so that no schedule has a state to restore.
        set_learning_rate(optimiser, rate)
        optimiser.zero_grad()
        predicted = _forward(training, feed.layers, chips)
        loss = squared_error(predicted, labels, network.target_std)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(_check_loss(training, loss.item(), epoch, step + 1))
    # By chips: the last batch of a pass may be smaller.
    return float(np.average(losses, weights=[len(batch) for batch in batches]))


@torch.no_grad()
def _validate(training: Training, network: Network, feed: Feed, epoch: int) -> float:
    """Mean loss over the epoch's validation chips."""
    train = training.recipe.train
    rows, size = training.fold.validation, train.validation_batch_size
    if train.validation_steps is None:
        batches = deal_rows(rows, size)
    else:
        first_step = (epoch - 1) * train.validation_steps
        seed = derive_seed(training.seed, "validation order")
        batches = cycle_rows(rows, size, train.validation_steps, first_step, seed)
    seen = feed.validate(batches, training.generator("validation augment", epoch))
    network.eval()
    losses = []
    for chips, labels in _label(training, seen, batches, epoch, None):
        predicted = _forward(training, feed.layers, chips)
        losses.append(squared_error(predicted, labels, network.target_std).item())
    return float(np.average(losses, weights=[len(batch) for batch in batches]))


def _forward(training: Training, layers: nn.Module, chips: Tensor) -> Tensor:
    """Predict a batch in the run's precision: what `Feed` gives to (chip, target)."""
    arithmetic = training.arithmetic
    # The batch itself is rounded too, as is usual in mixed precision; prediction does not.
    batch = chips.to(arithmetic.dtype).contiguous(memory_format=LAYOUT)
    with arithmetic.autocast():
        predicted: Tensor = layers(batch)  # (chip, target)
    return predicted


def _label(
    training: Training,
    seen: Iterator[Tensor],
    batches: list[Rows],
    epoch: int,
    losses: list[float] | None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield what is seen, and its labels, on the device; show how far training is, and its loss.

    ``losses`` are those of the epoch so far; None while validating.
    """
    device = training.arithmetic.device
    recipe = training.recipe
    at = f"{recipe.name}: epoch {epoch}/{recipe.train.epochs}"
    with training.run.progress() as bar:
        # The bar moves here and not in the loop: training and validation share it.
        task = bar.add_task(at, total=len(batches))
        for chips, rows in zip(seen, batches, strict=True):
            yield chips, training.labels[rows.tolist()].to(device)
            says = f"loss {np.mean(losses):.4f}" if losses else "validating"
            bar.update(task, advance=1, description=f"{at}, {says}")


def _check_loss(training: Training, loss: float, epoch: int, step: int) -> float:
    if not math.isfinite(loss):
        recipe = training.recipe
        raise InputError(
            f"recipe {recipe.name!r}: the loss became {loss} at epoch {epoch}, step {step}. "
            f"Lower optimiser.learning_rate (now {recipe.optimiser.learning_rate:g}) in a copy "
            "of the recipe, or set models.precision = 'fp32'."
        )
    return loss


def squared_error(predicted: Tensor, labels: Tensor, std: Tensor) -> Tensor:
    """Average squared errors over the labels that are there, in units of ``std``: one number, ().

    Parameters
    ----------
    predicted, labels : (chip, target), label units
        ``labels`` is NaN where there is none.
    std : (target,)

    Examples
    --------
    >>> labels = torch.tensor([[1.0], [torch.nan]])
    >>> squared_error(torch.tensor([[3.0], [9.0]]), labels, torch.ones(1))
    tensor(4.)
    """
    # Targets may lack labels of their own: a chip counts for those that it has.
    has_label = ~labels.isnan()
    difference = (predicted - torch.where(has_label, labels, predicted)) / std
    return difference.square().sum() / has_label.sum().clamp(min=1)
