"""The map that a head sees: what a backbone of timm answers, laid out over the picture."""

from __future__ import annotations

from math import isqrt
from typing import Any

from torch import Tensor, nn

from basrelief.config import InputError


def extract_map(backbone: nn.Module, bands: Tensor) -> Tensor:
    """Run a backbone as far as its head, and lay out what comes as (chip, channel, row, col).

    ``forward_features`` is where timm's networks end and their heads begin. What it returns is
    told by timm's own conventions: a map with channels second or, where ``output_fmt`` says so,
    last; or tokens row by row, after ``num_prefix_tokens`` that stand for no place (class and
    registers).

    Parameters
    ----------
    bands : (chip, 3, row, col)
        Normalised, as many rows as columns.

    Raises
    ------
    InputError
        If what comes is no map of the picture.
    """
    features: Any = backbone.forward_features(bands)  # type: ignore[operator]
    found = _lay_out(backbone, features)
    if found is None or found.shape[1] != getattr(backbone, "num_features", found.shape[1]):
        raise InputError(
            f"what it gives to its head ({_describe(features)}) is no map of the picture, so that "
            "no prediction could be explained"
        )
    return found


def is_attending(backbone: nn.Module, bands: Tensor) -> bool:
    """Say whether a backbone's last layers are something else than convolutions.

    Parameters
    ----------
    bands : (chip, band, row, col)
        Of any values: only the form of what the network makes of them is looked at.
    """
    features: Any = backbone.forward_features(bands)  # type: ignore[operator]
    return isinstance(features, Tensor) and (features.ndim == 3 or _is_channels_last(backbone))


def find_patch(backbone: nn.Module) -> int:
    """Find the side of the patches that a backbone cuts a picture into, in pixels; 1 if none."""
    embedding = getattr(getattr(backbone, "patch_embed", None), "proj", None)
    # Patches that overlap are padded: they leave nothing out.
    if not isinstance(embedding, nn.Conv2d) or embedding.kernel_size != embedding.stride:
        return 1
    return int(max(embedding.stride))


def _lay_out(backbone: nn.Module, features: Any) -> Tensor | None:
    """Lay features out as (chip, channel, row, col); None where they are no map."""
    if not isinstance(features, Tensor):
        return None
    if features.ndim == 3:  # (chip, token, channel)
        tokens = features[:, count_prefix(backbone) :]
        # Chips are square, and so is the grid of their tokens.
        side = isqrt(tokens.shape[1])
        if side == 0 or side**2 != tokens.shape[1]:
            return None
        return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
    if features.ndim != 4:
        return None
    return features.permute(0, 3, 1, 2) if _is_channels_last(backbone) else features


def count_prefix(backbone: nn.Module) -> int:
    """Count the tokens before those of the picture: class and register tokens."""
    counted = getattr(backbone, "num_prefix_tokens", None)
    if counted is None:
        # A few families have a class token and no count of it.
        return int(getattr(backbone, "cls_token", None) is not None)
    return int(counted)


def _is_channels_last(backbone: nn.Module) -> bool:
    return getattr(backbone, "output_fmt", None) == "NHWC"


def _describe(features: Any) -> str:
    if isinstance(features, Tensor):
        return f"numbers in the shape {tuple(features.shape)}"
    return f"a {type(features).__name__} of {len(features)}"
