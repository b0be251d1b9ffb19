from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from basrelief.learn.augment import apply_affines, augment_chips, draw_affines, make_affines
from basrelief.learn.training_recipes import AugmentRecipe

COURSEWORK = AugmentRecipe(shear_deg=0.2, zoom=0.2, flips=True)


@pytest.fixture(scope="module")
def keras_image() -> Any:
    import os

    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras.src.legacy.preprocessing.image")


def some_chip(seed: int = 0, size: int = 24) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (3, size, size)).astype(np.float32)


def affine(shear: float, zx: float, zy: float, flip_x: bool, flip_y: bool) -> Tensor:
    numbers = torch.tensor([[shear], [zx], [zy]], dtype=torch.float64)
    flips = torch.tensor([[flip_x], [flip_y]])
    return make_affines(numbers[0], numbers[1], numbers[2], flips[0], flips[1])


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")
@pytest.mark.parametrize(
    ("shear", "zx", "zy", "flip_x", "flip_y"),
    [
        (0.0, 1.0, 1.0, False, False),
        (0.2, 1.0, 1.0, False, False),
        (0.0, 0.8, 1.2, False, False),
        (0.0, 1.2, 0.85, True, False),
        (-0.13, 1.1, 0.93, False, True),
        (20.0, 0.9, 1.15, True, True),
    ],
)
def test_a_transformation_equals_keras(
    keras_image: Any, shear: float, zx: float, zy: float, flip_x: bool, flip_y: bool
) -> None:
    generator = keras_image.ImageDataGenerator(fill_mode="nearest", data_format="channels_first")
    names = ("shear", "zx", "zy", "flip_horizontal", "flip_vertical")
    chip = some_chip()
    expected = generator.apply_transform(
        chip, dict(zip(names, (shear, zx, zy, flip_x, flip_y), strict=True))
    )
    got = apply_affines(torch.from_numpy(chip)[None], affine(shear, zx, zy, flip_x, flip_y))
    np.testing.assert_allclose(got[0].numpy(), expected, atol=0.01)


def test_draws_have_the_ranges_of_keras(keras_image: Any) -> None:
    keras = keras_image.ImageDataGenerator(
        shear_range=0.2, zoom_range=0.2, horizontal_flip=True, vertical_flip=True
    )
    np.random.seed(1)  # noqa: NPY002 (Keras draws from the global generator)
    drawn = [keras.get_random_transform((24, 24)) for _ in range(2000)]
    ours = draw_affines(2000, COURSEWORK, torch.Generator().manual_seed(1))
    zoom_x = ours[:, 0, 0].abs().numpy()
    np.testing.assert_allclose(
        np.quantile(zoom_x, [0, 0.5, 1]),
        np.quantile([d["zx"] for d in drawn], [0, 0.5, 1]),
        atol=0.02,
    )
    assert abs((ours[:, 0, 0] < 0).double().mean() - 0.5) < 0.05
    # A shear of 0.2 is a fifth of a degree: it moves no pixel of 224 by as much as half.
    assert float((ours[:, 0, 1] / ours[:, 1, 1]).abs().max()) < np.tan(np.deg2rad(0.2)) + 1e-9


def test_nothing_asked_for_changes_nothing() -> None:
    chips = torch.from_numpy(some_chip())[None]
    same = augment_chips(chips, AugmentRecipe(), torch.Generator().manual_seed(0))
    torch.testing.assert_close(same, chips, atol=0.01, rtol=0)


def test_each_chip_is_varied_on_its_own_and_the_same_seed_repeats_it() -> None:
    chips = torch.from_numpy(some_chip()).repeat(4, 1, 1, 1)
    one = augment_chips(chips, COURSEWORK, torch.Generator().manual_seed(3))
    two = augment_chips(chips, COURSEWORK, torch.Generator().manual_seed(3))
    assert torch.equal(one, two)
    assert not torch.allclose(one[0], one[1])
