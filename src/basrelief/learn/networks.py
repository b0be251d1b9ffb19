"""Training of networks: the loop, from the first batch to the weights that are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.optim import Optimizer

from basrelief.chips.store import Samples
from basrelief.config import InputError, Settings
from basrelief.hashes import hash_file, stamp_of
from basrelief.learn.arithmetic import LAYOUT, choose_arithmetic
from basrelief.learn.batches import derive_seed
from basrelief.learn.checkpoint import (
    LAST,
    Behind,
    Epoch,
    begin_folder,
    can_be_longer,
    find_kept,
    is_trained,
    read_behind,
    restore_network,
    restore_optimiser,
    say_anew,
    without_length,
    write_checkpoint,
    write_history,
)
from basrelief.learn.curves import CURVES, draw_curves
from basrelief.learn.encoders import Network, NetworkPlan, build_network, set_trainable
from basrelief.learn.layers import LAYERS, write_layers
from basrelief.learn.optimise import make_optimiser
from basrelief.learn.predict import save_network
from basrelief.learn.recipe_files import format_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.steps import train_epoch
from basrelief.learn.training import Feed, Training, feed_anew
from basrelief.learn.training_recipes import KEEP_WORDS
from basrelief.learn.views import ViewPlan, feed_kept, plan_views
from basrelief.learn.weights import stamp_weights, suit_keras
from basrelief.run import MODEL, Notes, Run, digest, replacing, write_json
from basrelief.splits.heldout import ChipFold

FAR_FROM_0 = 3
"""Spreads of the labels from which on their mean counts as far from 0, where they are learnt raw: a
network that starts at 0 then learns little else than the way to it."""


MIN_TRAIN = 2
"""Chips that a network needs at least: batch normalisation cannot go by one."""


def train_network(
    recipe: NetworkRecipe,
    samples: Samples,
    fold: ChipFold,
    folder: Path,
    settings: Settings,
    run: Run,
) -> None:
    """Train a network on a fold and keep the epoch that its recipe says.

    Leaves ``model.safetensors``, ``recipe.toml``, ``layers.csv``, ``history.csv`` and the same
    drawn, and ``finished.json`` in ``folder``. A training that is finished is not repeated; one
    that was killed, or is to be longer than it was and has a constant rate, goes on after its last
    whole epoch and, on the CPU, ends bit for bit as if it had been all one.
    A folder whose recipe, seed, weights or data are others is begun anew, which is said.

    Raises
    ------
    InputError
        If the weights cannot be had, no label is there to learn, or the loss is no number.
    """
    fingerprint = _fingerprint(recipe, samples, fold, settings)
    name = f"{recipe.name} ({fold.scheme})"
    if is_trained(folder, fingerprint):
        run.say(f"{name}: trained already, skipped")
        return
    training = _prepare(recipe, samples, fold, settings, run)
    course = _fingerprint(without_length(recipe), samples, fold, settings)
    behind, fault = read_behind(folder, course)
    if len(behind.history) > recipe.train.epochs:
        behind = replace(behind, history=[])
    if not behind.history:
        say_anew(name, folder, recipe, run, fault)
    run.say(f"{name}: {_describe(training, len(behind.history))}")
    network = _build(training, settings)
    if behind.history:
        restore_network(folder / LAST, network)
    begin_folder(folder, recipe, is_anew=not behind.history)
    # What is learnt once nothing is kept frozen for a while.
    set_trainable(network, recipe.train.trainable)
    write_layers(network, folder / LAYERS)
    plan = _plan(training, network, name)
    behind = _train_epochs(training, network, plan, behind, folder)
    history = behind.history
    kept = history[find_kept(history, recipe.train.keep) - 1]
    run.say(
        f"{name}: epoch {kept.epoch} of {len(history)} is kept "
        f"({KEEP_WORDS[recipe.train.keep]}), loss {kept.loss:.4f}, val_loss {kept.val_loss:.4f}"
    )
    _write_curves(name, history, folder)
    facts = {"epochs": len(history), "kept_epoch": kept.epoch, "sha256": behind.kept_sha256}
    facts["views"] = plan and plan.n_train_views
    write_json(folder / "finished.json", {"fingerprint": fingerprint} | facts)
    if not can_be_longer(recipe):
        (folder / LAST).unlink(missing_ok=True)


def _write_curves(name: str, history: list[Epoch], folder: Path) -> None:
    """Draw the loss by epoch beside the table of it."""
    table = pd.DataFrame([vars(epoch) for epoch in history])
    alt = f"Training and validation loss of {name} by epoch."
    with replacing(folder / CURVES) as part:
        part.write_text(draw_curves(table, alt, is_alone=True), encoding="utf-8")


def _fingerprint(
    recipe: NetworkRecipe, samples: Samples, fold: ChipFold, settings: Settings
) -> str:
    """Hash everything that the trained weights depend on, but for the machine."""
    weights = stamp_weights(recipe.backbone, settings)
    bands = recipe.choose_bands(samples.kind)
    labels = samples.chips[["chip_id", *samples.targets]].to_json(orient="values")
    rows = [fold.scheme, fold.repeat, fold.fold, fold.train.tolist(), fold.validation.tolist()]
    # Pixels by their index file's stamp, since a hash would read all of them.
    pixels = [stamp_of(path / "zarr.json") for path in samples.list_stores(bands)]
    facts = [samples.kind, samples.size_px, samples.resolution_m, samples.targets, pixels]
    return digest(format_recipe(recipe), settings.seed, weights, labels, rows, facts)


def check_labels(recipe: NetworkRecipe, samples: Samples, fold: ChipFold) -> None:
    """Stop where a fold's parts have too few chips or labels to learn from.

    Raises
    ------
    InputError
        Names the part, and the target that has no label there.
    """
    where = f"recipe {recipe.name!r}, scheme {fold.scheme!r}"
    for part in ("train", "validation"):
        chips = samples.chips.iloc[getattr(fold, part)]
        for target in samples.targets:
            if chips[target].isna().all():
                n_known = int(samples.chips[target].notna().sum())
                raise InputError(
                    f"{where}: target {target!r} has a label in {n_known} of "
                    f"{len(samples.chips)} chips, and in none of the {len(chips)} of the {part} "
                    "part. Leave it out of data.targets, give more data, or leave this scheme out "
                    "of split.schemes."
                )
    if len(fold.train) < MIN_TRAIN:
        raise InputError(
            f"{where}: the train part has {len(fold.train)} chip, and {MIN_TRAIN} are the least. "
            "Give more data, or leave this scheme out of split.schemes."
        )


def _prepare(
    recipe: NetworkRecipe, samples: Samples, fold: ChipFold, settings: Settings, run: Run
) -> Training:
    check_labels(recipe, samples, fold)
    labels = samples.chips[list(samples.targets)].to_numpy(np.float32, copy=True)
    return Training(
        recipe=recipe,
        samples=samples,
        fold=fold,
        plan=NetworkPlan(recipe.choose_bands(samples.kind), samples.targets, samples.size_px),
        labels=torch.from_numpy(labels),
        seed=derive_seed(settings.seed, recipe.name, fold.scheme, fold.repeat, fold.fold),
        arithmetic=choose_arithmetic(settings),
        run=run,
    )


def _describe(training: Training, n_done: int) -> str:
    fold, train = training.fold, training.recipe.train
    resumed = f", going on after epoch {n_done}" if n_done else ""
    return (
        f"{len(fold.train)} training and {len(fold.validation)} validation chips, "
        f"{training.plan.bands}, up to {train.epochs} epochs of {training.steps_per_epoch} "
        f"steps, on {training.arithmetic}{resumed}"
    )


def _build(training: Training, settings: Settings) -> Network:
    recipe, plan = training.recipe, training.plan
    network = build_network(recipe, plan, settings, training.generator("weights", 0))
    if recipe.preprocessing != "weights" and not suit_keras(recipe.backbone, settings):
        Notes(training.run).add(
            f"{recipe.name} prepares pictures as Keras does, and its weights ({recipe.backbone}) "
            "are no file of Keras': they were learnt on colours in another order or range"
        )
    labels = training.labels[training.fold.train.tolist()].double().numpy()
    spread = np.nanstd(labels, axis=0)
    # One raw target is what the coursework learns; several would weigh by their variance.
    if recipe.standardise_targets or len(plan.targets) > 1:
        network.target_mean.copy_(torch.from_numpy(np.nanmean(labels, axis=0)))
        network.target_std.copy_(torch.from_numpy(np.where(spread > 0, spread, 1.0)))
    elif abs(mean := float(np.nanmean(labels))) > FAR_FROM_0 * spread[0]:
        Notes(training.run).add(
            f"{recipe.name} learns {plan.targets[0]!r} as it is, and its mean, {mean:.4g}, is far "
            f"from 0 (its spread is {spread[0]:.3g}): predictions may stay near 0. "
            "standardise_targets = true in a copy of the recipe mends it"
        )
    return network


def _feed(training: Training, network: Network, plan: ViewPlan | None, folder: Path) -> Feed:
    """Find what the network is to see: views drawn anew, or such as were drawn once."""
    if plan is None:
        return feed_anew(training, network)
    return feed_kept(plan, training, network, folder)


def _plan(training: Training, network: Network, name: str) -> ViewPlan | None:
    """Plan whether views are drawn once, and say so before it begins."""
    plan = plan_views(training, network)
    if plan is None:
        return None
    if isinstance(plan, str):
        training.run.say(f"{name}: each step draws views anew: {plan}")
        return None
    training.run.say(f"{name}: {plan}")
    return plan


def _train_epochs(
    training: Training, network: Network, plan: ViewPlan | None, behind: Behind, folder: Path
) -> Behind:
    """Train epoch after epoch, and keep on disk what is to be kept and what comes last."""
    train, history = training.recipe.train, behind.history
    last = folder / LAST
    optimiser, feed = None, None
    for epoch in range(len(history) + 1, train.epochs + 1):
        if _is_over(history, train.patience):
            break
        is_unfreezing = epoch == train.frozen_epochs + 1
        if optimiser is None or is_unfreezing:
            optimiser = _start_optimiser(training, network, epoch)
            # Freshly unfrozen weights start with a fresh optimiser, as on compiling in Keras.
            if history and not is_unfreezing:
                restore_optimiser(last, optimiser)
        # Once there is something left to train, and the network is on its device.
        feed = feed or _feed(training, network, plan, folder)
        row = train_epoch(training, network, feed, optimiser, epoch)
        history = [*history, row]
        behind = replace(behind, history=history)
        if find_kept(history, train.keep) == epoch:
            # Both have their names at the end, one right after the other: killed while either is
            # written, the epoch is done again.
            with replacing(folder / MODEL) as model:
                save_network(network, model)
                behind = replace(behind, kept_sha256=hash_file(model))
                write_checkpoint(last, behind, network, optimiser)
        else:
            write_checkpoint(last, behind, network, optimiser)
        write_history(history, folder / "history.csv")
    return behind


def _is_over(history: list[Epoch], patience: int | None) -> bool:
    # The checkpoint holds the whole history, so that patience counts across a kill.
    if not history or patience is None:
        return False
    # Whichever epoch is kept: training loss falls on and on.
    return len(history) - find_kept(history, "best_validation_loss") >= patience


def _start_optimiser(training: Training, network: Network, epoch: int) -> Optimizer:
    """Make the optimiser of what an epoch trains, on the device."""
    train = training.recipe.train
    set_trainable(network, "none" if epoch <= train.frozen_epochs else train.trainable)
    network.to(training.arithmetic.device).to(memory_format=LAYOUT)
    return make_optimiser(training.recipe.optimiser, network)
