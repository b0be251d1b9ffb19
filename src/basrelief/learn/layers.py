"""A network's layers as a table: how many weights each has, and how many of them are learnt."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from torch import nn

from basrelief.run import replacing

LAYERS = "layers.csv"
"""The table beside a trained network."""


def list_layers(network: nn.Module) -> pd.DataFrame:
    """List the layers that have weights of their own, in the network's order.

    Returns
    -------
    Columns ``layer`` (its name), ``kind``, ``weights`` and ``trainable`` (numbers of them). What
    batch normalisation only keeps count of is no weight.

    Examples
    --------
    >>> print(list_layers(nn.Sequential(nn.Linear(3, 2), nn.ReLU())).to_string(index=False))
    layer   kind  weights  trainable
        0 Linear        8          8
    """
    rows = []
    for name, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        if own:
            n_trainable = sum(each.numel() for each in own if each.requires_grad)
            n_weights = sum(each.numel() for each in own)
            rows.append((name, type(module).__name__, n_weights, n_trainable))
    return pd.DataFrame(rows, columns=["layer", "kind", "weights", "trainable"])


def write_layers(network: nn.Module, path: Path) -> None:
    """Write the layers of a network as they are set to be trained now."""
    with replacing(path) as part:
        list_layers(network).to_csv(part, index=False)
