"""Views drawn once: training on kept answers is training on the same views without them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from basrelief.chips.store import Samples, open_writer
from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn import networks
from basrelief.learn.networks import train_network
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.steps import train_epoch
from basrelief.learn.training import Feed, Training
from basrelief.learn.training_recipes import AugmentRecipe, HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.learn.views import ViewPlan, Views
from basrelief.run import Run, read_json
from basrelief.splits.heldout import ChipFold
from basrelief.stage_settings import ModelSettings

N_CHIPS = 24


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    folder = tmp_path_factory.mktemp("chips")
    rng = np.random.default_rng(0)
    with open_writer(folder, 32) as writer:
        for _ in range(N_CHIPS):
            writer.append(rng.integers(0, 256, (3, 32, 32)).astype(np.uint8))
    chips = pd.DataFrame(
        {"chip_id": [f"{n}" for n in range(N_CHIPS)], "crime": rng.normal(size=24)}
    )
    nothing = pd.DataFrame()
    return Samples(chips, nothing, nothing, ("crime",), "pictures", 32, 1.0, folder)


def make_recipe(backbone: str = "vgg11", **train: Any) -> NetworkRecipe:
    given: dict[str, Any] = {"trainable": 2, "epochs": 2, "batch_size": 8, "steps_per_epoch": 12}
    given |= {"views": 2, "keep": "last"} | train
    return NetworkRecipe(
        kind="network",
        name="tiny",
        about="tiny",
        backbone=backbone,
        bands=["shaded"],
        head=HeadRecipe(hidden=[16], dropout=0.2),
        augment=AugmentRecipe(shear_deg=2.0, zoom=0.2, flips=True, validation=True),
        optimiser=OptimiserRecipe(learning_rate=1e-3),
        train=TrainRecipe(**given),
    )


def make_settings(**models: Any) -> Settings:
    given = {"weights": {"vgg11": "none", "test_resnet": "none"}, "device": "cpu"} | models
    return Settings(data=DataSettings(images="a", table="b"), models=ModelSettings(**given))


def train(
    samples: Samples, folder: Path, recipe: NetworkRecipe | None = None, precision: str = "fp32"
) -> dict[str, Tensor]:
    rows, codes = np.random.default_rng(1).permutation(N_CHIPS), np.array(["a"])
    fold = ChipFold("random", 0, 0, rows[:14], rows[14:20], rows[20:], codes, codes)
    settings = make_settings(precision=precision)
    run = Run(folder.parent, quiet=False)
    train_network(recipe or make_recipe(), samples, fold, folder, settings, run)
    return load_file(folder / "model.safetensors")


def feed_same_views(plan: ViewPlan, training: Training, network: Any, folder: Path) -> Feed:
    """Show the whole network, frozen layers and all, chips in views that are kept as pictures."""

    def read(purpose: str, rows: Any, is_varied: bool) -> Callable[..., Iterator[Tensor]]:
        views = Views(np.sort(rows), plan.n_train_views, is_varied, purpose)
        seen = torch.stack([torch.cat([*views.see(training, view)]) for view in range(2)])

        def pick(batches: list[Any], generator: torch.Generator) -> Iterator[Tensor]:
            for batch in batches:
                picks = torch.randint(plan.n_train_views, (len(batch),), generator=generator)
                yield seen[picks, torch.tensor([list(np.sort(rows)).index(row) for row in batch])]

        return pick

    learnt, looked = training.fold.train, training.fold.validation
    return Feed(network, read("train", learnt, True), read("check", looked, True))


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-6), ("bf16", 1e-3)], ids=["fp32", "bf16"]
)
def test_kept_answers_train_to_the_weights_of_the_same_views(
    samples: Samples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    tolerance: float,
) -> None:
    kept = train(samples, tmp_path / "kept", precision=precision)
    monkeypatch.setattr(networks, "feed_kept", feed_same_views)
    seen = train(samples, tmp_path / "seen", precision=precision)
    for name, weights in kept.items():
        torch.testing.assert_close(weights, seen[name], rtol=tolerance, atol=tolerance)
    losses = [pd.read_csv(tmp_path / name / "history.csv") for name in ("kept", "seen")]
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(losses[0][column], losses[1][column], rtol=10 * tolerance)
    # Or nothing would have moved that could differ.
    assert losses[0]["val_loss"].nunique() == len(losses[0])


def test_what_is_kept_is_gone_afterwards_and_the_model_says_how_many_views_it_saw(
    samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(samples, tmp_path / "m")
    names = {path.name for path in (tmp_path / "m").iterdir()}
    wanted = {"model.safetensors", "recipe.toml", "finished.json", "layers.csv"}
    assert names == wanted | {"history.csv", "history.svg"}
    assert read_json(tmp_path / "m" / "finished.json")["views"] == 2
    said = capsys.readouterr().out
    assert "2 views of each training chip is kept while it trains (0.00 GB" in said
    assert said.index("times fewer operations") < said.index("epoch 2 of 2 is kept")


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (make_recipe(steps_per_epoch=1), "would leave 142 % of the operations"),
        (make_recipe(views_gb=1e-5), "0.0 GB on the disk, and train.views_gb = 1e-05"),
        (make_recipe("test_resnet"), "are no chain from the first on"),
        (make_recipe(trainable="all"), "are no chain from the first on"),
    ],
    ids=["too short", "too large", "another backbone", "nothing is frozen"],
)
def test_where_it_does_not_pay_views_are_drawn_anew_and_it_is_said(
    samples: Samples,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    recipe: NetworkRecipe,
    says: str,
) -> None:
    train(samples, tmp_path / "m", recipe)
    said = capsys.readouterr().out
    assert "each step draws views anew: " in said
    assert says in said
    assert read_json(tmp_path / "m" / "finished.json")["views"] is None


def test_a_full_disk_is_told_before_anything_is_drawn(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(InputError, match=r"has 0\.0 GB free.*models\.views = 0"):
        train(samples, tmp_path / "m")


def test_a_killed_training_on_views_ends_as_an_unbroken_one(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(samples, tmp_path / "whole")
    own = train_epoch

    def die(*given: Any) -> Any:
        if given[-1] == 2:
            raise KeyboardInterrupt
        return own(*given)

    monkeypatch.setattr(networks, "train_epoch", die)
    with pytest.raises(KeyboardInterrupt):
        train(samples, tmp_path / "m")
    monkeypatch.setattr(networks, "train_epoch", own)
    broken = train(samples, tmp_path / "m")
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_settings_override_how_many_views_there_are() -> None:
    def load(name: str, **models: Any) -> int | None:
        recipe = load_recipe(name, make_settings(**models))
        assert isinstance(recipe, NetworkRecipe)
        return recipe.train.views

    assert (load("vgg16"), load("coursework-vgg16")) == (4, None)
    assert load("coursework-vgg16", views=4) == 4
    assert load("vgg16", views=0) is None


def test_chips_that_nothing_varies_are_learnt_from_as_without_views(
    samples: Samples, tmp_path: Path
) -> None:
    augment = AugmentRecipe()
    recipe = make_recipe().model_copy(update={"augment": augment})
    train(samples, tmp_path / "kept", recipe)
    whole = recipe.model_copy(update={"train": recipe.train.model_copy(update={"views": None})})
    train(samples, tmp_path / "anew", whole)
    one, other = (pd.read_csv(tmp_path / name / "history.csv") for name in ("kept", "anew"))
    # Chips that nothing varies look alike in every view: kept or not, the losses are the same.
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(one[column], other[column], rtol=1e-5)
