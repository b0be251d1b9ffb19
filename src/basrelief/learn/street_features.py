"""Features of areas from street pictures: what a network makes of each, pooled over those inside.

An area is described by pictures that lie in it and by no other. So where areas within the buffer of
a test area do not train, no picture within the buffer does: it lies in one of them, or in none.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from basrelief.chips.store import Samples, find_seen_areas
from basrelief.chips.street import read_street_pictures
from basrelief.config import InputError, Settings
from basrelief.learn.arithmetic import LAYOUT, Arithmetic, choose_arithmetic
from basrelief.learn.extract import load_frozen, write_frozen
from basrelief.learn.maps import extract_map
from basrelief.learn.recipes import StreetRecipe
from basrelief.learn.weights import (
    Normalise,
    check_weights,
    create_backbone,
    load_backbone,
    timm_normalisation,
)
from basrelief.run import Run
from basrelief.sources.picture_files import open_picture

BATCH = 32
"""Pictures that are held at once: the bound on memory, however many an area has."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PictureEncoder:
    """A frozen network that describes pictures."""

    backbone: nn.Module
    normalise: Normalise
    size_px: int
    arithmetic: Arithmetic

    @torch.inference_mode()
    def encode(self, pictures: NDArray[np.uint8]) -> Floats:
        """Describe pictures, (picture, 3, row, col): what the network's head would see of each.

        Returns
        -------
        (picture, channel)
            Its last map, averaged over the picture.
        """
        bands = torch.from_numpy(pictures).to(self.arithmetic.device).float()
        bands = bands.contiguous(memory_format=LAYOUT)
        with self.arithmetic.autocast():
            maps = extract_map(self.backbone, self.normalise(bands))
        return maps.float().mean((2, 3)).cpu().numpy().astype(np.float64)


@dataclass(eq=False)
class Moments:
    """Mean and standard deviation over the pictures of an area, taken in batch by batch."""

    n: int = 0
    mean: Floats | float = 0.0
    squares: Floats | float = 0.0
    """(channel,) Sum of squared deviations from the mean."""

    def add(self, seen: Floats) -> None:
        """Add pictures, (picture, channel).

        References
        ----------
        Chan, Golub and LeVeque (1983), The American Statistician 37, 242-247.
        """
        # Not by sums of squares: of channels far from 0 the difference of two such is noise.
        n, own = self.n + len(seen), seen.mean(axis=0)
        apart = own - self.mean
        self.squares += ((seen - own) ** 2).sum(axis=0) + apart**2 * self.n * len(seen) / n
        self.mean += apart * len(seen) / n
        self.n = n

    def tell(self, statistic: str) -> Floats:
        """Give a statistic of `StreetRecipe`: (channel,), of ``count`` one number."""
        if statistic == "count":
            # Pictures are taken where people go, and tenfold more of them tell as much everywhere.
            return np.array([np.log10(self.n)])
        if statistic == "mean":
            return np.asarray(self.mean)
        # Of a sample: how unlike pictures are must not hang on how many there are.
        return np.asarray(np.sqrt(self.squares / (self.n - 1)))


def street_features(
    samples: Samples,
    recipe: StreetRecipe,
    encoder: PictureEncoder,
    settings: Settings,
    run: Run,
) -> pd.DataFrame:
    """Pool a network's view of street pictures over those that lie in each area.

    Pictures are read from where the user has them, a batch at a time, and what a network makes of
    one is not kept.

    Returns
    -------
    DataFrame
        One row a used area with enough pictures, by ``area_id``; columns ``mean/<channel>``,
        ``std/<channel>`` and ``count/0`` (the logarithm of how many), as the recipe asks.

    Raises
    ------
    InputError
        If a picture can no longer be read.
    """
    listed = read_street_pictures(samples.folder)
    area_ids = find_seen_areas(samples, recipe.eye)["area_id"].tolist()
    # Grouped once: a look for each of thousands of areas goes through all pictures.
    by_area = {str(own): each["picture"].tolist() for own, each in listed.groupby("area_id")}
    rows = []
    # Area by area: what one is told by depends on no other's pictures, not even by their batches.
    for own in run.track(area_ids, f"{recipe.backbone} looks at street pictures"):
        moments = Moments()
        for batch in _read_batches(by_area[own], settings, recipe.size_px):
            moments.add(encoder.encode(batch))
        rows.append([moments.tell(statistic) for statistic in recipe.statistics])
    names = [
        f"{statistic}/{channel}"
        for statistic, values in zip(recipe.statistics, rows[0], strict=True)
        for channel in range(len(values))
    ]
    index = pd.Index(area_ids, name="area_id")
    return pd.DataFrame([np.concatenate(row) for row in rows], index=index, columns=names)


def load_encoder(recipe: StreetRecipe, settings: Settings) -> PictureEncoder:
    """Load a recipe's network with its weights, as the settings say; random ones by the seed.

    Raises
    ------
    InputError
        If the network or its weights cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed ^ zlib.crc32(recipe.name.encode()))
        backbone, normalise = load_backbone(recipe.backbone, recipe.size_px, settings)
    return _freeze(backbone, normalise, recipe, settings)


def save_encoder(encoder: PictureEncoder, path: Path) -> None:
    """Write what a model needs to see pictures of another place as it saw its own."""
    write_frozen(encoder.backbone.state_dict(), encoder.normalise, path)


def read_encoder(recipe: StreetRecipe, path: Path, settings: Settings) -> PictureEncoder:
    """Read what `save_encoder` wrote; the settings choose where it runs."""
    backbone = create_backbone(recipe.backbone, recipe.size_px)
    normalise = load_frozen(backbone, recipe.backbone, path, is_whole=True)
    return _freeze(backbone, normalise, recipe, settings)


def check_street(recipe: StreetRecipe, settings: Settings) -> None:
    """Find out at the start whether a network takes pictures of the recipe's size.

    Weights in a file are read for it; those that would be fetched are not.

    Raises
    ------
    InputError
        As `load_encoder`, or if what it gives to its head is no map of the picture.
    """
    check_weights(recipe.backbone, settings)
    if settings.models.weights.get(recipe.backbone) is None:
        backbone = create_backbone(recipe.backbone, recipe.size_px)
        encoder = _freeze(backbone, timm_normalisation(recipe.backbone), recipe, settings)
    else:
        encoder = load_encoder(recipe, settings)
    picture = np.zeros((1, 3, recipe.size_px, recipe.size_px), np.uint8)
    try:
        encoder.encode(picture)
    # Networks refuse sizes in many ways.
    except (InputError, RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"recipe {recipe.name!r}: {recipe.backbone!r} cannot look at pictures of size_px = "
            f"{recipe.size_px} ({reason}). Use another size or backbone, such as 'vgg16'."
        ) from error


def _freeze(
    backbone: nn.Module, normalise: Normalise, recipe: StreetRecipe, settings: Settings
) -> PictureEncoder:
    arithmetic = choose_arithmetic(settings)
    frozen = backbone.requires_grad_(False).eval().to(arithmetic.device)
    return PictureEncoder(
        backbone=frozen.to(memory_format=LAYOUT),
        normalise=normalise.to(arithmetic.device),
        size_px=recipe.size_px,
        arithmetic=arithmetic,
    )


def _read_batches(
    names: Sequence[str], settings: Settings, size_px: int
) -> Iterator[NDArray[np.uint8]]:
    """Read pictures a batch at a time, (picture, 3, row, col)."""
    typed = settings.typed("street.folder")
    for start in range(0, len(names), BATCH):
        paths = [typed.path / Path(name) for name in names[start : start + BATCH]]
        try:
            read = [open_picture(path, size_px, is_upright=True).bands for path in paths]
        except (OSError, ValueError) as error:
            raise InputError(
                f"{typed}: {error}, and stage chips could read it. Put it back, or run again from "
                "stage chips."
            ) from error
        yield np.stack(read)
