"""What of recipes and weights is refused before torch is loaded, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from basrelief.config import InputError, Settings
from basrelief.learn.choice import choose_recipes, name_weights
from basrelief.learn.recipe_files import find_members
from basrelief.learn.recipes import (
    DenseRecipe,
    NetworkRecipe,
    StreetRecipe,
    Variant,
    check_resolutions,
)
from basrelief.sources.inputs import RANDOM

KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")

TORCH_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")

KERAS_CLASSES = {"vgg16": "VGG16", "vgg19": "VGG19", "resnetv2_50": "ResNet50V2"}
"""Backbones that Keras has too, and what it calls them."""


def check_early(settings: Settings) -> None:
    """Check what a run's recipes ask for, as far as nothing has to be built or opened.

    Raises
    ------
    InputError
        If a recipe does not exist or suit the data, its resolutions do not fit the chips', or its
        weights are no file of a kind that is read.
    """
    recipes, _ = choose_recipes(settings)
    for recipe in recipes:
        if isinstance(recipe, NetworkRecipe):
            _check_typed(recipe.backbone, settings, recipe.variant)
            continue
        for member in find_members(recipe, settings):
            if isinstance(member, DenseRecipe):
                check_resolutions(member, settings.chips.resolution_m)
            if isinstance(member, DenseRecipe | StreetRecipe):
                _check_typed(member.backbone, settings, "timm")


def _check_typed(backbone: str, settings: Settings, variant: Variant) -> None:
    typed = settings.models.weights.get(backbone)
    if typed not in (None, RANDOM):
        check_weights_path(backbone, str(typed), settings.locate(str(typed)), variant)


def check_weights_path(backbone: str, typed: str, path: Path, variant: Variant) -> None:
    """Check a file of weights by its name and place, without opening it.

    Parameters
    ----------
    typed, path
        As the user typed it, and where that is.

    Raises
    ------
    InputError
        If it is of a kind that is not read, or not for this network, or no file.
    """
    where, suffix = f"models.{name_weights(backbone, typed)}", path.suffix.lower()
    # First: a folder's name has mostly no suffix, and that is not what is wrong with it.
    if path.is_dir():
        raise InputError(f"{where}: is a folder. Give the file of weights in it.")
    if suffix not in (*KERAS_SUFFIXES, *TORCH_SUFFIXES):
        raise InputError(
            f"{where}: not a kind of file that is read. Allowed are Keras' .h5, .weights.h5 and "
            f'.keras, PyTorch\'s {", ".join(TORCH_SUFFIXES)}, and "none".'
        )
    is_keras = suffix in KERAS_SUFFIXES
    if is_keras and not backbone.startswith("vgg") and variant != "keras":
        raise InputError(
            f"{where}: Keras files are read for VGG networks, and for ResNet50V2 in recipes with "
            f"variant = 'keras' (coursework-resnet50v2); timm's {backbone} is another network. "
            "Give a timm file, or leave out the recipe that wants it."
        )
    if is_keras and "th_kernels" in path.name:
        raise InputError(
            f"{where}: kernels of Theano are mirrored, and the file does not say so itself. Give "
            "the file whose name has tf_kernels in its place."
        )
    if not path.is_file():
        what = "not an ordinary file" if path.exists() else "there is no such file"
        raise InputError(f"{where}: {what}. {hint_file(backbone)}")


def hint_file(backbone: str) -> str:
    """Say how a file of weights is given, or none."""
    return (
        f'Give a file under [models], {name_weights(backbone, "FILE")}, or "none" for random ones.'
    )


def hint_keras(backbone: str) -> str:
    """Say how Keras writes a file of weights."""
    name = KERAS_CLASSES.get(backbone, "VGG16")
    return f"Keras writes one: keras.applications.{name}(include_top=False).save_weights(FILE)."
