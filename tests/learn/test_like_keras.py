"""Ten steps of the coursework's recipes beside Keras, from the same weights on the same batches."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from basrelief.chips.store import Samples, open_writer
from basrelief.config import DataSettings, Settings
from basrelief.learn import networks, steps, training
from basrelief.learn.arithmetic import Arithmetic
from basrelief.learn.encoders import Network, build_network
from basrelief.learn.networks import train_network
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.steps import squared_error
from basrelief.run import Run
from basrelief.splits.heldout import ChipFold
from basrelief.stage_settings import ModelSettings

SHAPE = (32, 32, 3)
N_CHIPS, BATCH = 32, 8
TRAINING, VALIDATION, TEST = np.arange(24), np.arange(24, 28), np.arange(28, 32)
N_STEPS = 5
"""Steps an epoch."""

TOLERANCE = 1e-4
"""Of a loss, relative."""


@pytest.fixture
def exact(keras: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have both sides count in float64.

    Pictures divided by 255 twice are nearly one colour. In float32 batch normalisation makes
    rounding of them large: within ten steps Keras parts from its own float64 by a tenth.
    """
    dtypes = pytest.importorskip("keras.src.backend.common.dtypes")
    # Keras on torch would round batch normalisation to float32 all the same; on TensorFlow not.
    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    monkeypatch.setattr(Arithmetic, "dtype", torch.float64)
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@dataclass
class Recorder:
    """What training saw and what it lost, step by step, and the network that it started from."""

    start: list[Network] = field(default_factory=list)
    chips: list[Tensor] = field(default_factory=list)
    labels: list[Tensor] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Listen to training, and leave its chips as they are instead of varying them."""
    seen = Recorder()

    def keep_start(*given: Any) -> Network:
        network = build_network(*given).to(torch.zeros(()).float().dtype)
        seen.start.append(deepcopy(network))
        return network

    def keep_chips(chips: Tensor, *given: Any) -> Tensor:
        if torch.is_grad_enabled():
            seen.chips.append(chips.clone())
        return chips

    def keep_loss(predicted: Tensor, labels: Tensor, std: Tensor) -> Tensor:
        loss = squared_error(predicted, labels, std)
        if torch.is_grad_enabled():
            seen.labels.append(labels.clone())
            seen.losses.append(loss.item())
        return loss

    monkeypatch.setattr(networks, "build_network", keep_start)
    monkeypatch.setattr(training, "augment_chips", keep_chips)
    monkeypatch.setattr(steps, "squared_error", keep_loss)
    return seen


def write_samples(folder: Path) -> Samples:
    """Write pictures of coarse squares, and labels as the coursework's crime score is spread."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (N_CHIPS, 3, SHAPE[0] // 8, SHAPE[0] // 8))
    with open_writer(folder, SHAPE[0]) as writer:
        for picture in coarse.repeat(8, axis=2).repeat(8, axis=3):
            writer.append((picture + rng.normal(0, 8, picture.shape)).clip(0, 255).astype(np.uint8))
    ids = [str(number) for number in range(N_CHIPS)]
    chips = pd.DataFrame({"chip_id": ids, "crime": rng.normal(0.2, 0.6, N_CHIPS)})
    nothing = pd.DataFrame()
    return Samples(chips, nothing, nothing, ("crime",), "pictures", SHAPE[0], 1.0, folder)


def train(
    name: str, rate: float | None, weights: Path, samples: Samples, folder: Path
) -> NetworkRecipe:
    """Train a shipped recipe without dropout, two epochs after those that are frozen."""
    backbone = {"coursework-vgg16": "vgg16", "coursework-resnet50v2": "resnetv2_50"}[name]
    models = ModelSettings(weights={backbone: str(weights)}, device="cpu", precision="fp32")
    settings = Settings(data=DataSettings(images="a", table="b"), models=models)
    recipe = load_recipe(name, settings)
    assert isinstance(recipe, NetworkRecipe)
    n_frozen = min(1, recipe.train.frozen_epochs)
    optimiser = recipe.optimiser.model_copy(
        update={
            "learning_rate": rate or recipe.optimiser.learning_rate,
            "warm_up_epochs": min(1, recipe.optimiser.warm_up_epochs),
        }
    )
    length = {
        "epochs": n_frozen + 2,
        "frozen_epochs": n_frozen,
        "steps_per_epoch": N_STEPS,
        "batch_size": BATCH,
        "validation_steps": 1,
    }
    recipe = recipe.model_copy(
        update={
            "head": recipe.head.model_copy(update={"dropout": 0.0}),
            "optimiser": optimiser,
            "train": recipe.train.model_copy(update=length),
        }
    )
    codes = np.array(["a"])
    fold = ChipFold("random", 0, 0, TRAINING, VALIDATION, TEST, codes, codes)
    train_network(recipe, samples, fold, folder, settings, Run(folder.parent, quiet=True))
    return recipe


def build_theirs(keras: Any, base: Any, head: nn.Sequential) -> Any:
    """Put our dense layers, as they started, on Keras' base."""
    dense = [module for module in head if isinstance(module, nn.Linear)]
    layers = [keras.layers.Dense(d.out_features, activation="relu") for d in dense[:-1]]
    model = keras.Sequential([base, keras.layers.Flatten(), *layers, keras.layers.Dense(1)])
    model.build((None, *base.input_shape[1:]))
    for layer, d in zip(model.layers[2:], dense, strict=True):
        layer.set_weights([values.detach().numpy().T for values in d.parameters()])
    return model


def fit_theirs(
    keras: Any,
    model: Any,
    seen: Recorder,
    preprocess: Callable[[Any], Any],
    steps: range,
    rate: float,
) -> list[float]:
    """Compile Keras' model, and train it on what ours saw in some steps; the loss of each."""
    model.compile(loss="mse", optimizer=keras.optimizers.RMSprop(rate))
    losses = []
    for step in steps:
        chips = preprocess(seen.chips[step].permute(0, 2, 3, 1).numpy().copy()) / 255
        # Or it would give the mean over all steps so far.
        model.reset_metrics()
        losses.append(float(model.train_on_batch(chips, seen.labels[step].numpy())))
    return losses


def check_theirs(model: Any, samples: Samples, preprocess: Callable[[Any], Any]) -> float:
    """Take the loss of Keras' model on the validation chips, with what it remembers of batches."""
    chips = samples.read_bands(VALIDATION, "shaded").transpose(0, 2, 3, 1).astype(np.float64)
    labels = samples.chips["crime"].to_numpy(np.float32)[VALIDATION]
    model.reset_metrics()
    return float(model.test_on_batch(preprocess(chips) / 255, labels[:, None]))


def compare(seen: Recorder, folder: Path, theirs: list[float]) -> None:
    """Compare losses step by step, and the last validation loss; and see that they moved."""
    history = pd.read_csv(folder / "history.csv")
    ours = [*seen.losses, float(history["val_loss"].iloc[-1])]
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE)
    with torch.no_grad():
        untrained = seen.start[0].train()(seen.chips[-1].float())
    still = float(squared_error(untrained, seen.labels[-1], torch.ones(1)))
    # Else a network that learns nothing would follow as well.
    assert abs(still - seen.losses[-1]) > 10 * TOLERANCE * still


@pytest.mark.parametrize("rate", [None, 1e-4], ids=["the recipe's rate", "a larger rate"])
def test_vgg16_follows_the_losses_of_keras(
    rate: float | None,
    keras: Any,
    keras_vgg: tuple[Any, Path],
    recorder: Recorder,
    tmp_path: Path,
) -> None:
    path, samples = keras_vgg[1], write_samples(tmp_path / "chips")
    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=SHAPE)
    base.load_weights(path)
    for layer in base.layers:
        layer.trainable = layer.name in ("block5_conv2", "block5_conv3")
    recipe = train("coursework-vgg16", rate, path, samples, tmp_path / "m")
    model = build_theirs(keras, base, recorder.start[0].head)
    preprocess = keras.applications.vgg16.preprocess_input
    rate = recipe.optimiser.learning_rate
    theirs = fit_theirs(keras, model, recorder, preprocess, range(2 * N_STEPS), rate)
    compare(recorder, tmp_path / "m", [*theirs, check_theirs(model, samples, preprocess)])


@pytest.mark.slow
@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("rate", [None, 1e-5], ids=["the recipe's rate", "a larger rate"])
def test_resnet50v2_follows_the_losses_of_keras(
    rate: float | None,
    keras: Any,
    keras_resnet: tuple[Any, Path],
    recorder: Recorder,
    tmp_path: Path,
) -> None:
    path, samples = keras_resnet[1], write_samples(tmp_path / "chips")
    base = keras.applications.ResNet50V2(weights=None, include_top=False, input_shape=SHAPE)
    base.load_weights(path)
    recipe = train("coursework-resnet50v2", rate, path, samples, tmp_path / "m")
    model = build_theirs(keras, base, recorder.start[0].head)
    preprocess = keras.applications.resnet_v2.preprocess_input
    assert recipe.optimiser.warm_up_learning_rate == 1e-7
    theirs = []
    for is_trained, numbers, rate in (
        (False, range(N_STEPS), 1e-7),
        (True, range(N_STEPS, 3 * N_STEPS), recipe.optimiser.learning_rate),
    ):
        base.trainable = is_trained
        theirs += fit_theirs(keras, model, recorder, preprocess, numbers, rate)
    compare(recorder, tmp_path / "m", [*theirs, check_theirs(model, samples, preprocess)])
