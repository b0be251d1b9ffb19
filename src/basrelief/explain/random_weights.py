"""Networks that have learnt nothing, for maps to be compared with."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


@torch.no_grad()
def randomise_weights(network: M, generator: torch.Generator) -> M:
    """Draw a network's weights anew, each tensor with its own mean and spread.

    What they learnt is gone, and numbers stay in their range. The network itself is changed.

    References
    ----------
    Adebayo et al. (2018), Sanity checks for saliency maps, NeurIPS.
    """
    for weights in network.parameters():
        # One number has no spread to draw from.
        if weights.numel() < 2:
            continue
        drawn = torch.randn(weights.shape, generator=generator).to(weights)
        weights.copy_(weights.mean() + weights.std() * drawn)
    return network
