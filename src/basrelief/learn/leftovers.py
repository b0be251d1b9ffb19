"""What a file of weights holds beyond what a network takes: a head, or the rest of another one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from torch import Tensor

HEADS = re.compile(
    r"(heads?|fc|classifiers?|logits|pre_logits|last_linear|output|predictor|pred|projector|proj"
    r"|aux\w*|mlp_head|lm_head|regressor|decoder\w*|head_\w+|\w+_heads?)\d*",
    re.IGNORECASE,
)
"""What networks call, at their top, what follows the last map: classifiers in timm, torchvision,
Keras' ports and cadene's, distilled and auxiliary ones, those of self-supervised training."""

COPIES = re.compile(r"(\w+_)?(ema|teacher|momentum|optimi[sz]ers?|queue|queue_ptr|swa)(_\w+)?")
"""What trainers call, at the top, copies of the network and states of their own."""

BUFFERS = (
    *("num_batches_tracked", "relative_position_index", "relative_coords_table", "attn_mask"),
    *("attention_bias_idxs", "freqs_cis", "freqs_cos", "freqs_sin", "inv_freq"),
    *("total_ops", "total_params"),
)
"""Constants that follow from a network's sizes, and counts of a profiler."""

TRAINING_ONLY = ("logit_scale", "logit_bias", "mask_token")
"""Tensors at the top that only training with captions or masks has a use for."""

DENSE = ("weight", "bias", "running_mean", "running_var")
"""What dense layers and the normalisations between them keep."""


def list_leftovers(
    state: Mapping[str, Tensor], wanted: Collection[str], classifiers: Iterable[str]
) -> list[str]:
    """List the tensors that a network has no place for, and that are neither head nor bookkeeping.

    A deeper network, or one whose blocks have more layers, holds all that a smaller one wants
    under the same names; taken from it, the numbers mean nothing.

    Parameters
    ----------
    state
        The network of a file, tensors of any shape, without what its names begin with.
    wanted
        Names of the network's own state.
    classifiers
        Modules that classify in the network as it is published.

    Examples
    --------
    >>> import torch
    >>> scores = {"fc.weight": torch.zeros(7, 8), "layer1.1.conv.weight": torch.zeros(8, 8, 1, 1)}
    >>> list_leftovers(scores, ["layer1.0.conv.weight"], ["fc"])
    ['layer1.1.conv.weight']
    """
    own_tops = {name.partition(".")[0] for name in wanted}
    heads = tuple(f"{name}." for name in classifiers)
    left: dict[str, list[str]] = {}
    for name in state:
        if name not in wanted and not name.startswith(heads) and not _is_buffer(name, state[name]):
            left.setdefault(name.partition(".")[0], []).append(name)
    return [
        name
        for top, names in left.items()
        if not (HEADS.fullmatch(top) or COPIES.fullmatch(top))
        and (top in own_tops or not _is_dense([(name, state[name]) for name in names]))
        for name in names
    ]


def _is_buffer(name: str, values: Tensor) -> bool:
    # Nothing is learnt in whole numbers: they count, index or mask.
    is_whole = not (values.is_floating_point() or values.is_complex() or values.is_quantized)
    return is_whole or name in TRAINING_ONLY or name.rpartition(".")[2] in BUFFERS


def _is_dense(tensors: list[tuple[str, Tensor]]) -> bool:
    """Tell a head of someone's own, whatever it is called: dense layers beside the network's."""
    return all(
        name.rpartition(".")[2] in DENSE and values.dim() <= 2 for name, values in tensors
    ) and any(values.dim() == 2 for _, values in tensors)
