"""Chips varied at random, a whole batch at a time, with the meaning Keras gives each word."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from basrelief.learn.training_recipes import AugmentRecipe


def augment_chips(chips: Tensor, recipe: AugmentRecipe, generator: torch.Generator) -> Tensor:
    """Shear, zoom and mirror each chip by an amount of its own.

    Acts on raw values, before any normalisation, as Keras' ``ImageDataGenerator`` does.

    Parameters
    ----------
    chips : (chip, band, row, col), float
        Square chips on any device.
    generator
        On the CPU, so that every device sees the same draws.

    Returns
    -------
    (chip, band, row, col)
    """
    affines = draw_affines(len(chips), recipe, generator)
    return apply_affines(chips, affines)


def draw_affines(n_chips: int, recipe: AugmentRecipe, generator: torch.Generator) -> Tensor:
    """Draw one transformation a chip: (chip, 2, 3), as `make_affines`."""
    draws = torch.rand(5, n_chips, generator=generator, dtype=torch.float64)
    shear, zoom_x, zoom_y = draws[0] * 2 - 1, draws[1] * 2 - 1, draws[2] * 2 - 1
    return make_affines(
        shear_deg=shear * recipe.shear_deg,
        zoom_x=1 + zoom_x * recipe.zoom,
        zoom_y=1 + zoom_y * recipe.zoom,
        is_flipped_x=(draws[3] < 0.5) & recipe.flips,
        is_flipped_y=(draws[4] < 0.5) & recipe.flips,
    )


def make_affines(
    shear_deg: Tensor, zoom_x: Tensor, zoom_y: Tensor, is_flipped_x: Tensor, is_flipped_y: Tensor
) -> Tensor:
    """Build the maps from where a pixel goes to where it is taken from.

    Parameters
    ----------
    shear_deg : (chip,), degrees
    zoom_x, zoom_y : (chip,)
        Along columns and rows; above 1 shows more ground than there is, and the outermost
        pixels are repeated.
    is_flipped_x, is_flipped_y : (chip,), bool
        Mirrored left to right, top to bottom, after all else.

    Returns
    -------
    (chip, 2, 3)
        As ``torch.nn.functional.affine_grid`` wants them, with ``align_corners=True``.

    References
    ----------
    Keras 3, ``keras/src/legacy/preprocessing/image.py``, ``apply_affine_transform``: shear
    and zoom about the chip's centre, in that order, with the axes swapped.
    """
    shear = torch.deg2rad(shear_deg)
    side_x = torch.where(is_flipped_x, -1.0, 1.0)
    side_y = torch.where(is_flipped_y, -1.0, 1.0)
    affines = torch.zeros(len(shear), 2, 3, dtype=shear.dtype)  # (chip, 2, 3)
    affines[:, 0, 0] = zoom_x * side_x
    affines[:, 0, 1] = -torch.sin(shear) * zoom_y * side_y
    affines[:, 1, 1] = torch.cos(shear) * zoom_y * side_y
    return affines


def apply_affines(chips: Tensor, affines: Tensor) -> Tensor:
    """Resample chips, (chip, band, row, col), bilinearly by maps, (chip, 2, 3).

    Beyond the border the nearest pixel is repeated, as Keras' ``fill_mode="nearest"`` does.
    """
    # The maps travel to the device, not the grid that they span: that is 100,000 times as much.
    maps = affines.to(chips.device)
    # align_corners: corners are centres of pixels, as in scipy's transform behind Keras.
    grid = functional.affine_grid(maps, list(chips.shape), align_corners=True)
    return functional.grid_sample(
        chips, grid.to(chips), mode="bilinear", padding_mode="border", align_corners=True
    )
