"""A frozen backbone that is read at chosen stages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from basrelief.config import InputError, Settings
from basrelief.learn.arithmetic import Arithmetic, choose_arithmetic
from basrelief.learn.recipes import DenseRecipe
from basrelief.learn.weights import Normalise, create_backbone, load_backbone, timm_normalisation
from basrelief.run import replacing

SIDE_PX = 224
"""Side that backbones with a fixed size are built for."""


@dataclass(frozen=True, eq=False)
class Extractor:
    """A frozen backbone and what is read from it."""

    backbone: nn.Module
    normalise: Normalise
    stages: tuple[int, ...]
    """Positions in timm's ``feature_info``."""

    strides: tuple[int, ...]
    """Pixels a cell of each stage."""

    arithmetic: Arithmetic

    @torch.inference_mode()
    def read(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run a picture, (band, row, col) from 0 to 255; one (channel, row, col) a stage."""
        bands = torch.from_numpy(picture)[None].to(self.arithmetic.device)
        bands = bands.contiguous(memory_format=self.arithmetic.memory_format)
        # timm gives each stage once, in the network's own order, whatever order was asked for.
        in_order = sorted(set(self.stages))
        with self.arithmetic.autocast():
            maps = self.backbone.forward_intermediates(  # type: ignore[operator]
                self.normalise(bands),
                indices=in_order,
                stop_early=True,
                intermediates_only=True,
            )
        found = dict(zip(in_order, maps, strict=True))
        return [found[stage][0].float().cpu().contiguous().numpy() for stage in self.stages]


def load_extractor(recipe: DenseRecipe, settings: Settings) -> Extractor:
    """Load a recipe's backbone with its weights, as the settings say.

    Raises
    ------
    InputError
        If the backbone or its weights cannot be had, or it has no such stages.
    """
    backbone, normalise = load_backbone(recipe.backbone, SIDE_PX, settings)
    return _freeze(backbone, normalise, recipe, choose_arithmetic(settings))


def save_extractor(extractor: Extractor, recipe: DenseRecipe, path: Path) -> None:
    """Write what a model needs to see another place as it saw its own."""
    kept = _prune(extractor.backbone, recipe)
    state = {f"backbone.{key}": value for key, value in kept.items()}
    state |= {f"normalise.{key}": value for key, value in extractor.normalise.state_dict().items()}
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    with replacing(path) as part:
        save_file(tensors, part, metadata={"keys": json.dumps(sorted(kept))})


def read_extractor(recipe: DenseRecipe, path: Path, settings: Settings) -> Extractor:
    """Read what `save_extractor` wrote; the settings choose where it runs."""
    with safe_open(path, "pt") as file:
        known = set(json.loads(file.metadata()["keys"]))
    state = load_file(path)
    backbone = create_backbone(recipe.backbone, SIDE_PX)
    own = {key: state[f"backbone.{key}"] for key in known}
    # Layers behind the last stage were not kept, and are never run.
    backbone.load_state_dict(own, strict=False)
    normalise = timm_normalisation(recipe.backbone)
    names = ("order", "mean", "std")
    normalise.load_state_dict({name: state[f"normalise.{name}"] for name in names})
    return _freeze(backbone, normalise, recipe, choose_arithmetic(settings))


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
    backbone = backbone.requires_grad_(False).eval().to(arithmetic.device)
    backbone.to(memory_format=arithmetic.memory_format)
    return Extractor(
        backbone, normalise.to(arithmetic.device), tuple(recipe.stages), strides, arithmetic
    )


def _prune(backbone: nn.Module, recipe: DenseRecipe) -> dict[str, torch.Tensor]:
    """Keep the weights that a picture passes on its way to the last stage."""
    used: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: used.add(name))
        for name, module in backbone.named_modules()
        if name
    ]
    device = next(backbone.parameters()).device
    with torch.inference_mode():
        backbone.forward_intermediates(  # type: ignore[operator]
            torch.zeros(1, 3, SIDE_PX, SIDE_PX, device=device),
            indices=list(recipe.stages),
            stop_early=True,
            intermediates_only=True,
        )
    for hook in hooks:
        hook.remove()
    state = backbone.state_dict()
    return {key: value for key, value in state.items() if key.rpartition(".")[0] in used}
