"""Trained networks put to use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.learn.arithmetic import LAYOUT, Arithmetic, choose_arithmetic
from basrelief.learn.batches import deal_rows, read_ahead
from basrelief.learn.encoders import Network, NetworkPlan, build_empty_network
from basrelief.learn.recipe_files import read_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.run import MODEL, replacing

PREDICT_BATCH = 32
"""Chips a batch: more is not faster on a processor, and this bounds the memory."""


def save_network(network: Network, path: Path) -> None:
    """Write weights, normalisation and what the network is for, whole or not at all."""
    plan = network.plan
    facts = {
        "kind": "network",
        "bands": plan.bands,
        "targets": json.dumps(plan.targets),
        "size_px": str(plan.size_px),
    }
    # Contiguous: training lays convolutions out channels last, which safetensors refuses.
    state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
    with replacing(path) as part:
        save_file(state, part, metadata=facts)


def load_network(folder: Path, settings: Settings) -> Network:
    """Read a trained network, ready to predict, onto the device that the settings choose.

    Parameters
    ----------
    folder
        Where ``model.safetensors`` and ``recipe.toml`` are. Nothing else is needed: the
        weights hold the backbone, the normalisation and the labels' mean and spread.
    """
    recipe = read_recipe(folder / "recipe.toml")
    assert isinstance(recipe, NetworkRecipe)
    path = folder / MODEL
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    plan = NetworkPlan(
        bands=facts["bands"],
        targets=tuple(json.loads(facts["targets"])),
        size_px=int(facts["size_px"]),
    )
    network = build_empty_network(recipe, plan)
    # Strict: a tensor that is missing would predict from random weights.
    network.load_state_dict(load_file(path))
    device = choose_arithmetic(settings).device
    return network.requires_grad_(False).eval().to(device)


def predict_network(
    network: Network, samples: Samples, rows: NDArray[np.int64], arithmetic: Arithmetic
) -> NDArray[np.float64]:
    """Predict the labels of chips; memory does not grow with their number.

    Parameters
    ----------
    rows : (row,)
        Positions in ``samples.chips``.

    Returns
    -------
    (row, target)
        In the labels' own unit; targets in the order of ``network.plan.targets``.
    """
    network.to(arithmetic.device).to(memory_format=LAYOUT).eval()
    # Without any row there is still a column a target.
    predicted = [np.empty((0, len(network.plan.targets)))]
    batches = deal_rows(np.asarray(rows), PREDICT_BATCH)
    with torch.inference_mode(), arithmetic.autocast():
        for stored in read_ahead(samples, batches, network.plan.bands):
            chips = stored.to(arithmetic.device).float()  # (chip, band, row, col)
            chips = chips.contiguous(memory_format=LAYOUT)
            predicted.append(network(chips).cpu().double().numpy())  # (chip, target)
    return np.concatenate(predicted)


def predict_fold(
    folder: Path, samples: Samples, rows: NDArray[np.int64], settings: Settings
) -> NDArray[np.float64]:
    """Predict chips by their rows, (row,), with the network in a fold's folder: (row, target)."""
    network = load_network(folder, settings)
    return predict_network(network, samples, rows, choose_arithmetic(settings))
