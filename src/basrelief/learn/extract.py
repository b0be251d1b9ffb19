"""A frozen backbone that is read at chosen stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from basrelief.config import InputError, Settings
from basrelief.learn.arithmetic import LAYOUT, Arithmetic, choose_arithmetic
from basrelief.learn.grounds import REACH_PX as REACH_OF_GROUND_PX
from basrelief.learn.recipes import DenseRecipe
from basrelief.learn.renderings import REACH_PX
from basrelief.learn.weight_files import take_prefixed
from basrelief.learn.weights import (
    Normalise,
    check_weights,
    create_backbone,
    is_of_one_size,
    load_backbone,
    timm_normalisation,
)
from basrelief.run import replacing

SIDE_PX = 224
"""Side that backbones with a fixed size are built for."""

MAX_REACH_PX = 512
"""How far a cell may see."""


@dataclass(frozen=True, eq=False)
class Extractor:
    """A frozen backbone and what is read from it."""

    backbone: nn.Module
    normalise: Normalise
    stages: tuple[int, ...]
    """Positions in timm's ``feature_info``."""

    strides: tuple[int, ...]
    """Pixels a cell of each stage."""

    channels: tuple[int, ...]
    """Numbers that each stage gives a cell."""

    halo_px: int
    """How far a cell of any stage, or what counts of it, depends on the ground beyond itself:
    whole cells of the coarsest."""

    arithmetic: Arithmetic

    @torch.inference_mode()
    def read(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run a picture, (band, row, col) from 0 to 255; one (channel, row, col) a stage."""
        bands = torch.from_numpy(picture)[None].to(self.arithmetic.device)
        bands = bands.contiguous(memory_format=LAYOUT)
        with self.arithmetic.autocast():
            maps = _forward(self.backbone, self.normalise(bands), self.stages)
        return [plane[0].float().cpu().numpy() for plane in maps]


def load_extractor(recipe: DenseRecipe, settings: Settings) -> Extractor:
    """Load a recipe's backbone with its weights, as the settings say.

    Raises
    ------
    InputError
        If the backbone or its weights cannot be had, it has no such stages, or what it makes
        of a cell depends on the whole picture.
    """
    backbone, normalise = load_backbone(recipe.backbone, SIDE_PX, settings)
    return _freeze(backbone, normalise, recipe, choose_arithmetic(settings))


def try_extractor(recipe: DenseRecipe, settings: Settings) -> None:
    """Find out, before any ground is read, whether a backbone can be read tract by tract.

    Weights in a file are read for it; those that would be fetched are not.

    Raises
    ------
    InputError
        As `load_extractor`.
    """
    check_weights(recipe.backbone, settings)
    if settings.models.weights.get(recipe.backbone) is not None:
        load_extractor(recipe, settings)
        return
    normalise = timm_normalisation(recipe.backbone)
    backbone = create_backbone(recipe.backbone, SIDE_PX)
    _freeze(backbone, normalise, recipe, choose_arithmetic(settings))


def save_extractor(extractor: Extractor, recipe: DenseRecipe, path: Path) -> None:
    """Write what a model needs to see another place as it saw its own."""
    write_frozen(_prune(extractor.backbone, recipe), extractor.normalise, path)


def read_extractor(recipe: DenseRecipe, path: Path, settings: Settings) -> Extractor:
    """Read what `save_extractor` wrote; the settings choose where it runs."""
    backbone = create_backbone(recipe.backbone, SIDE_PX)
    # Layers behind the last stage were not written, and are never run.
    normalise = load_frozen(backbone, recipe.backbone, path, is_whole=False)
    return _freeze(backbone, normalise, recipe, choose_arithmetic(settings))


def write_frozen(weights: Mapping[str, torch.Tensor], normalise: Normalise, path: Path) -> None:
    """Write the weights of a backbone, and what bands are normalised by for it."""
    state = {f"backbone.{key}": value for key, value in weights.items()}
    state |= {f"normalise.{key}": value for key, value in normalise.state_dict().items()}
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    with replacing(path) as part:
        save_file(tensors, part)


def load_frozen(backbone: nn.Module, name: str, path: Path, is_whole: bool) -> Normalise:
    """Load what `write_frozen` wrote into a backbone of timm's name, and give its normalisation.

    Parameters
    ----------
    is_whole
        Whether every layer was written.
    """
    state = load_file(path)
    backbone.load_state_dict(take_prefixed("backbone.", state), strict=is_whole)
    normalise = timm_normalisation(name)
    normalise.load_state_dict(take_prefixed("normalise.", state))
    return normalise


def measure_reach(backbone: nn.Module, stages: Sequence[int], stride: int) -> int | None:
    """Measure how far beyond itself a cell of a network sees, in pixels.

    One cell of a picture is made not-a-number, and what that spoils is looked for. A mean over
    the picture, or attention, spoils all of it.

    Parameters
    ----------
    stages
        Positions in timm's ``feature_info``.
    stride
        Pixels a cell of the coarsest of them.

    Returns
    -------
    The furthest of all stages, to a cell of each; None if it is over `MAX_REACH_PX`.
    """
    # Small first: most convolutional stages see a few cells, and area grows with the square.
    margin = 4 * stride
    while margin <= 2 * MAX_REACH_PX:
        side = 2 * margin + stride
        picture = torch.zeros(1, 3, side, side)
        # Not-a-number spreads to all that depends on it, whatever the layers are.
        picture[..., margin:-margin, margin:-margin] = torch.nan
        reach = max(_furthest(plane, margin, side) for plane in _forward(backbone, picture, stages))
        if reach < margin:
            return reach if reach <= MAX_REACH_PX else None
        margin *= 2
    return None


def _furthest(plane: torch.Tensor, margin: int, side: int) -> int:
    """Find how many pixels beyond the margin's inner edge cells are spoilt."""
    rows, cols = torch.nonzero(plane[0].isnan().any(dim=0), as_tuple=True)
    spoilt, cell = torch.stack([rows, cols]), side // plane.shape[-1]
    before = margin - cell * int(spoilt.min())
    behind = cell * (int(spoilt.max()) + 1) - (side - margin)
    return max(before, behind)


@torch.inference_mode()
def _forward(backbone: nn.Module, bands: torch.Tensor, stages: Sequence[int]) -> list[torch.Tensor]:
    """Run normalised bands as far as the last stage; one (1, channel, row, col) a stage.

    timm gives each stage once, in the network's own order, whatever order was asked for.
    """
    in_order = sorted(set(stages))
    # Stopping early: what lies behind the last stage is never read.
    maps = backbone.forward_intermediates(  # type: ignore[operator]
        bands, indices=in_order, stop_early=True, intermediates_only=True
    )
    found = dict(zip(in_order, maps, strict=True))
    return [found[stage] for stage in stages]


def _freeze(
    backbone: nn.Module, normalise: Normalise, recipe: DenseRecipe, arithmetic: Arithmetic
) -> Extractor:
    info = list(getattr(backbone, "feature_info", None) or [])
    n_stages = len(info)
    if not hasattr(backbone, "forward_intermediates") or max(recipe.stages) >= n_stages:
        raise InputError(
            f"recipe {recipe.name!r}: stages = {recipe.stages}; {recipe.backbone!r} has stages "
            f"0 to {n_stages - 1} that can be read."
        )
    strides = tuple(int(info[stage]["reduction"]) for stage in recipe.stages)
    backbone = backbone.requires_grad_(False).eval()
    coarsest, reach = max(strides), None
    # A network of one size cannot be run on the sizes that measuring takes.
    if not is_of_one_size(recipe.backbone):
        reach = measure_reach(backbone, recipe.stages, coarsest)
    if reach is None:
        raise InputError(
            f"recipe {recipe.name!r}: what {recipe.backbone!r} makes of a place at stages = "
            f"{recipe.stages} depends on more than the {MAX_REACH_PX} pixels around it, so that "
            "it cannot be read piece by piece. Choose earlier stages, or a convolutional network "
            "without means over the picture, such as 'vgg16' or 'resnet50'."
        )
    for module in backbone.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True  # nobody asks what it was given
    backbone = backbone.to(arithmetic.device).to(memory_format=LAYOUT)
    reach = max(
        reach + REACH_PX[recipe.rendering], *(REACH_OF_GROUND_PX[pool] for pool in recipe.pools)
    )
    return Extractor(
        backbone=backbone,
        normalise=normalise.to(arithmetic.device),
        stages=tuple(recipe.stages),
        strides=strides,
        channels=tuple(int(info[stage]["num_chs"]) for stage in recipe.stages),
        # Whole cells, so that cutting the halo off leaves every stage aligned.
        halo_px=-(-reach // coarsest) * coarsest,
        arithmetic=arithmetic,
    )


def _prune(backbone: nn.Module, recipe: DenseRecipe) -> dict[str, torch.Tensor]:
    """Keep the weights that a picture passes on its way to the last stage."""
    # Asked of a forward pass, since no naming scheme of layers holds for all backbones.
    used: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: used.add(name))
        for name, module in backbone.named_modules()
        if name
    ]
    device = next(backbone.parameters()).device
    _forward(backbone, torch.zeros(1, 3, SIDE_PX, SIDE_PX, device=device), recipe.stages)
    for hook in hooks:
        hook.remove()
    state = backbone.state_dict()
    return {key: value for key, value in state.items() if key.rpartition(".")[0] in used}
