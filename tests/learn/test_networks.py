from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from safetensors.torch import load_file, save_file

from basrelief.chips.store import Bands, Samples, open_writer
from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn.arithmetic import Arithmetic
from basrelief.learn.checkpoint import Epoch, find_kept
from basrelief.learn.networks import train_network
from basrelief.learn.predict import load_network, predict_fold, predict_network
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.steps import squared_error
from basrelief.learn.training_recipes import AugmentRecipe, HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.learn.weights import create_backbone
from basrelief.run import Run, read_json
from basrelief.splits.heldout import ChipFold
from basrelief.stage_settings import ModelSettings

N_CHIPS = 40
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny layers are slower on several threads, many times so on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Pictures whose first target is how bright they are."""
    folder = tmp_path_factory.mktemp("chips")
    rng = np.random.default_rng(0)
    brightness = rng.uniform(40, 200, N_CHIPS)
    with open_writer(folder, 32) as writer:
        for level in brightness:
            writer.append(rng.normal(level, 10, (3, 32, 32)).clip(0, 255).astype(np.uint8))
    chips = pd.DataFrame(
        {
            "chip_id": [str(n) for n in range(N_CHIPS)],
            "crime": (brightness - 120) / 50,
            "income": np.where(np.arange(N_CHIPS) % 5 == 0, np.nan, brightness * 10),
        }
    )
    nothing = pd.DataFrame()
    return Samples(chips, nothing, nothing, ("crime",), "pictures", 32, 1.0, folder)


def make_fold() -> ChipFold:
    rows, codes = np.arange(N_CHIPS), np.array(["a"])
    return ChipFold("random", 0, 0, rows[:24], rows[24:32], rows[32:], codes, codes)


def make_recipe(**train: Any) -> NetworkRecipe:
    given = {"trainable": 3, "epochs": 3, "batch_size": 8, "frozen_epochs": 1} | train
    return NetworkRecipe(
        kind="network",
        name="tiny",
        about="tiny",
        backbone="test_resnet",
        bands=["shaded"],
        head=HeadRecipe(hidden=[16], dropout=0.2),
        augment=AugmentRecipe(shear_deg=0.2, zoom=0.1, flips=True, validation=True),
        optimiser=OptimiserRecipe(learning_rate=1e-2, schedule="cosine"),
        train=TrainRecipe(**given),
    )


def make_settings(**models: Any) -> Settings:
    given = {"weights": {"test_resnet": "none"}, "device": "cpu"} | models
    return Settings(data=DataSettings(images="a", table="b"), models=ModelSettings(**given))


def train(
    samples: Samples, folder: Path, recipe: NetworkRecipe | None = None, **models: Any
) -> dict[str, torch.Tensor]:
    run = Run(folder.parent, quiet=True)
    recipe = recipe or make_recipe()
    train_network(recipe, samples, make_fold(), folder, make_settings(**models), run)
    return load_file(folder / "model.safetensors")


def are_equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_a_training_leaves_what_the_contract_says(samples: Samples, tmp_path: Path) -> None:
    train(samples, tmp_path / "m")
    names = {path.name for path in (tmp_path / "m").iterdir()}
    wanted = {"model.safetensors", "recipe.toml", "finished.json", "layers.csv"}
    assert names == wanted | {"history.csv", "history.svg"}
    history = pd.read_csv(tmp_path / "m" / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3]
    assert list(history["frozen"]) == [True, False, False]
    assert history.columns[1:5].tolist() == ["loss", "val_loss", "seconds", "learning_rate"]


def test_the_recipe_that_a_town_comes_with_is_trained_and_read_again(
    samples: Samples, tmp_path: Path
) -> None:
    settings = make_settings(weights={"vgg16": "none"}, epochs=1, steps_per_epoch=1)
    recipe = load_recipe("vgg16", settings)
    assert isinstance(recipe, NetworkRecipe)
    run = Run(tmp_path, quiet=True)
    train_network(recipe, samples, make_fold(), tmp_path / "m", settings, run)
    predicted = predict_fold(tmp_path / "m", samples, make_fold().test, settings)
    assert predicted.shape == (8, 1)
    assert np.isfinite(predicted).all()


def test_the_same_seed_gives_the_same_weights_bit_for_bit(samples: Samples, tmp_path: Path) -> None:
    torch.set_num_threads(2)
    recipe = make_recipe(epochs=1, frozen_epochs=0)
    assert are_equal(train(samples, tmp_path / "a", recipe), train(samples, tmp_path / "b", recipe))


@dataclass(frozen=True)
class Dying(Samples):
    """Samples whose reader is killed after so many batches."""

    left: list[int]

    def read_bands(self, rows: NDArray[np.int_], bands: Bands) -> NDArray[Any]:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise KeyboardInterrupt
        return super().read_bands(rows, bands)


def kill(samples: Samples, n_batches: int) -> Dying:
    # By their fields: samples also keep what they have opened.
    own = {each.name: getattr(samples, each.name) for each in fields(samples)}
    return Dying(**own, left=[n_batches])


@pytest.mark.parametrize("n_batches", [5, 9])
@pytest.mark.parametrize("optimiser", ["adamw", "keras-rmsprop"])
def test_a_killed_training_ends_as_an_unbroken_one(
    samples: Samples, tmp_path: Path, n_batches: int, optimiser: str
) -> None:
    recipe = make_recipe()
    optimising = recipe.optimiser.model_copy(update={"name": optimiser})
    recipe = recipe.model_copy(update={"optimiser": optimising})
    dying = kill(samples, n_batches)
    with pytest.raises(KeyboardInterrupt):
        train(dying, tmp_path / "a", recipe)
    before = len(pd.read_csv(tmp_path / "a" / "history.csv"))
    assert 1 <= before < 3
    assert are_equal(train(samples, tmp_path / "a", recipe), train(samples, tmp_path / "b", recipe))


def test_a_finished_training_is_not_repeated(samples: Samples, tmp_path: Path) -> None:
    train(samples, tmp_path / "m")
    train(kill(samples, 0), tmp_path / "m")


def test_a_training_is_not_repeated_for_weights_that_it_does_not_use(
    samples: Samples, tmp_path: Path
) -> None:
    train(samples, tmp_path / "m")
    others = {"test_resnet": "none", "vgg19": "another.pth"}
    train(kill(samples, 0), tmp_path / "m", weights=others)


def test_a_training_whose_weights_were_deleted_is_repeated(
    samples: Samples, tmp_path: Path
) -> None:
    before = train(samples, tmp_path / "m", make_recipe(epochs=1))
    (tmp_path / "m" / "model.safetensors").unlink()
    assert are_equal(before, train(samples, tmp_path / "m", make_recipe(epochs=1)))


def test_a_damaged_checkpoint_is_not_gone_on_with(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(kill(samples, 5), tmp_path / "m")
    (tmp_path / "m" / "last.safetensors").write_bytes(b"torn")
    assert are_equal(train(samples, tmp_path / "m"), train(samples, tmp_path / "n"))


def flip_bit(folder: Path, name: str) -> None:
    stored = bytearray((folder / name).read_bytes())
    stored[-3] ^= 64
    # Another file of that name: what was read of the first one stays as it was.
    (folder / name).unlink()
    (folder / name).write_bytes(bytes(stored))


def write_again(folder: Path, facts: dict[str, str] | None) -> None:
    """Write the same checkpoint with other facts."""
    path = folder / "last.safetensors"
    save_file(load_file(path), path, metadata=facts)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of the checkpoint": (lambda m: flip_bit(m, "last.safetensors"), "last.safetensors"),
    "no facts": (lambda m: write_again(m, None), "last.safetensors"),
    "no history": (lambda m: write_again(m, {"history": "[{}]"}), "last.safetensors"),
    "a bit of the model": (lambda m: flip_bit(m, "model.safetensors"), "model.safetensors"),
}


@pytest.mark.parametrize("case", list(DAMAGE))
def test_damage_is_told_and_not_gone_on_with(
    case: str, samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(kill(samples, 5), tmp_path / "m")
    spoil, named = DAMAGE[case]
    spoil(tmp_path / "m")
    train_network(
        make_recipe(), samples, make_fold(), tmp_path / "m", make_settings(), Run(tmp_path)
    )
    assert f"thrown away: {named} was changed or damaged" in capsys.readouterr().out
    assert are_equal(
        load_file(tmp_path / "m" / "model.safetensors"), train(samples, tmp_path / "n")
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fingerprint": 3}'])
def test_a_training_that_does_not_say_what_it_is_of_is_repeated(
    text: str, samples: Samples, tmp_path: Path
) -> None:
    recipe = make_recipe(epochs=1)
    before = train(samples, tmp_path / "m", recipe)
    (tmp_path / "m" / "finished.json").write_text(text)
    assert are_equal(before, train(samples, tmp_path / "m", recipe))


def test_a_finished_model_with_a_flipped_bit_is_trained_again(
    samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make_recipe(epochs=1)
    before = train(samples, tmp_path / "m", recipe)
    flip_bit(tmp_path / "m", "model.safetensors")
    train_network(recipe, samples, make_fold(), tmp_path / "m", make_settings(), Run(tmp_path))
    assert "model.safetensors was changed or damaged" in capsys.readouterr().out
    assert are_equal(before, load_file(tmp_path / "m" / "model.safetensors"))


def test_another_recipe_begins_anew_and_says_so(
    samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(samples, tmp_path / "m", make_recipe(epochs=1, frozen_epochs=0))
    recipe, run = make_recipe(epochs=2, frozen_epochs=0), Run(tmp_path)
    train_network(recipe, samples, make_fold(), tmp_path / "m", make_settings(), run)
    said = " ".join(capsys.readouterr().out.split())
    assert "1 finished epochs are thrown away: train.epochs 1 is now 2, and a cosine" in said
    assert len(pd.read_csv(tmp_path / "m" / "history.csv")) == 2
    assert "epochs = 2" in (tmp_path / "m" / "recipe.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("keep", ["last", "best_validation_loss"])
def test_more_epochs_at_a_constant_rate_go_on_as_if_they_had_been_asked_for_at_once(
    samples: Samples, tmp_path: Path, keep: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make_recipe(epochs=2, keep=keep)
    steady = {"optimiser": OptimiserRecipe(learning_rate=1e-2)}
    short = recipe.model_copy(update=steady)
    whole = make_recipe(epochs=4, keep=keep).model_copy(update=steady)
    train(samples, tmp_path / "m", short)
    # Killed in the third epoch, too: it is gone on with from the second.
    with pytest.raises(KeyboardInterrupt):
        train(kill(samples, 2), tmp_path / "m", whole)
    run = Run(tmp_path)
    train_network(whole, samples, make_fold(), tmp_path / "m", make_settings(), run)
    assert "going on after epoch 2" in " ".join(capsys.readouterr().out.split())
    assert are_equal(
        load_file(tmp_path / "m" / "model.safetensors"), train(samples, tmp_path / "n", whole)
    )
    assert "epochs = 4" in (tmp_path / "m" / "recipe.toml").read_text(encoding="utf-8")
    # Fewer cannot be had of what is there.
    assert are_equal(train(samples, tmp_path / "m", short), train(samples, tmp_path / "o", short))


def test_a_chip_that_would_be_alone_joins_the_batch_before(
    samples: Samples, tmp_path: Path
) -> None:
    rows, codes = np.arange(N_CHIPS), np.array(["a"])
    fold = ChipFold("random", 0, 0, rows[:17], rows[24:32], rows[32:], codes, codes)
    recipe = make_recipe(epochs=1, frozen_epochs=0, trainable="all")
    run = Run(tmp_path, quiet=True)
    train_network(recipe, samples, fold, tmp_path / "m", make_settings(), run)
    assert pd.read_csv(tmp_path / "m" / "history.csv")["loss"].notna().all()


def test_what_a_bar_says_is_never_that_the_loss_is_no_number(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Bar(Progress):
        def update(self, task_id: Any, **given: Any) -> None:
            said.append(str(given.get("description")))
            super().update(task_id, **given)

    monkeypatch.setattr(Run, "progress", lambda run: Bar(disable=True))
    train(samples, tmp_path / "m", make_recipe(epochs=1, frozen_epochs=0))
    assert any("loss 0." in line or "loss 1." in line for line in said)
    assert any(line.endswith("validating") for line in said)
    assert not any("nan" in line for line in said)


def test_labels_far_from_0_that_are_learnt_as_they_are_get_a_line(
    samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chips = samples.chips.assign(crime=350_000 + 20_000 * samples.chips["crime"])
    far = replace(samples, chips=chips)
    recipe = make_recipe(epochs=1, frozen_epochs=0).model_copy(
        update={"standardise_targets": False}
    )
    run = Run(tmp_path)
    train_network(recipe, far, make_fold(), tmp_path / "m", make_settings(), run)
    said = " ".join(capsys.readouterr().out.split())
    assert "note: tiny learns 'crime' as it is, and its mean" in said
    train_network(make_recipe(epochs=1), far, make_fold(), tmp_path / "n", make_settings(), run)
    assert "note:" not in capsys.readouterr().out


def test_weights_that_were_learnt_on_other_colours_get_a_line(
    samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(create_backbone("test_resnet", 32).state_dict(), tmp_path / "a.pth")
    changes = {"preprocessing": "keras-vgg-255"}
    recipe = make_recipe(epochs=1, frozen_epochs=0).model_copy(update=changes)
    for typed, is_noted in ((str(tmp_path / "a.pth"), True), ("none", False)):
        settings = make_settings(weights={"test_resnet": typed})
        folder = tmp_path / f"m{is_noted}"
        train_network(recipe, samples, make_fold(), folder, settings, Run(tmp_path))
        said = " ".join(capsys.readouterr().out.split())
        assert ("note: tiny prepares pictures as Keras does" in said) == is_noted


def test_the_best_epoch_is_kept_and_training_stops_early(samples: Samples, tmp_path: Path) -> None:
    recipe = make_recipe(epochs=30, patience=2, frozen_epochs=0)
    train(samples, tmp_path / "m", recipe)
    history = pd.read_csv(tmp_path / "m" / "history.csv")
    best = read_json(tmp_path / "m" / "finished.json")["kept_epoch"]
    assert best == int(history["val_loss"].to_numpy().argmin()) + 1
    assert len(history) in (best + 2, 30)


def test_which_epoch_is_kept() -> None:
    losses = [(0.1, 0.9, True), (0.5, 0.3, False), (0.4, 0.4, False), (0.4, 0.3, False)]
    history = [
        Epoch(number, loss, val_loss, 1.0, 1e-6, frozen)
        for number, (loss, val_loss, frozen) in enumerate(losses, start=1)
    ]
    assert find_kept(history, "last") == 4
    assert find_kept(history, "best_validation_loss") == 2
    # Batch normalisation counts otherwise while it is frozen: its loss does not compare.
    assert find_kept(history, "best_training_loss") == 3
    assert find_kept(history[:1], "best_training_loss") == 1


@pytest.mark.parametrize(
    ("keep", "column"), [("best_training_loss", "loss"), ("best_validation_loss", "val_loss")]
)
def test_the_epoch_of_the_least_loss_asked_for_is_kept(
    samples: Samples, tmp_path: Path, keep: str, column: str
) -> None:
    # So fast that losses rise again: the last epoch is neither.
    recipe = make_recipe(epochs=5, frozen_epochs=0, keep=keep)
    fast = OptimiserRecipe(learning_rate=0.3)
    recipe = recipe.model_copy(update={"optimiser": fast})
    kept = train(samples, tmp_path / "m", recipe)
    history = pd.read_csv(tmp_path / "m" / "history.csv")
    epoch = read_json(tmp_path / "m" / "finished.json")["kept_epoch"]
    assert epoch == int(history[column].to_numpy().argmin()) + 1 < 5
    # What is kept are that epoch's weights: those of a training that ends with it.
    length = recipe.train.model_copy(update={"epochs": epoch, "keep": "last"})
    ended = train(samples, tmp_path / "n", recipe.model_copy(update={"train": length}))
    assert are_equal(kept, ended)


def test_the_last_epoch_is_kept_though_it_is_not_the_best(
    samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_settings(precision="fp32")
    recipe = make_recipe(epochs=5, frozen_epochs=0, keep="last")
    changes = {"optimiser": OptimiserRecipe(learning_rate=0.3), "augment": AugmentRecipe()}
    recipe = recipe.model_copy(update=changes)
    train_network(recipe, samples, make_fold(), tmp_path / "m", settings, Run(tmp_path))
    history = pd.read_csv(tmp_path / "m" / "history.csv")
    assert history["val_loss"].to_numpy().argmin() < 4
    assert read_json(tmp_path / "m" / "finished.json")["kept_epoch"] == 5
    assert "epoch 5 of 5 is kept (the last)" in " ".join(capsys.readouterr().out.split())
    # Its validation loss is that of the weights in the file.
    fold, labels = make_fold(), samples.chips["crime"].to_numpy()
    predicted = predict_fold(tmp_path / "m", samples, fold.validation, settings)[:, 0]
    spread = np.std(labels[fold.train])
    loss = np.mean(((predicted - labels[fold.validation]) / spread) ** 2)
    assert loss == pytest.approx(history["val_loss"].iloc[-1], rel=1e-3)


@pytest.mark.parametrize("keep", ["last", "best_training_loss"])
def test_a_killed_training_keeps_what_an_unbroken_one_keeps(
    samples: Samples, tmp_path: Path, keep: str
) -> None:
    recipe = make_recipe(keep=keep)
    with pytest.raises(KeyboardInterrupt):
        train(kill(samples, 5), tmp_path / "a", recipe)
    assert are_equal(train(samples, tmp_path / "a", recipe), train(samples, tmp_path / "b", recipe))


def test_brightness_is_learned_and_beats_the_mean(samples: Samples, tmp_path: Path) -> None:
    # With random weights, kept wholly trainable and unvaried, brightness is there to find.
    recipe = make_recipe(epochs=12, frozen_epochs=0, trainable="all", batch_size=4)
    recipe = recipe.model_copy(update={"augment": AugmentRecipe()})
    train(samples, tmp_path / "m", recipe)
    fold = make_fold()
    predicted = predict_fold(tmp_path / "m", samples, fold.test, make_settings())
    labels = samples.chips["crime"].to_numpy()
    error = np.mean((predicted[:, 0] - labels[fold.test]) ** 2)
    assert predicted.shape == (8, 1)
    assert error < 0.5 * np.mean((labels[fold.train].mean() - labels[fold.test]) ** 2)


def test_several_targets_are_answered_in_their_own_units(samples: Samples, tmp_path: Path) -> None:
    both = replace(samples, targets=("crime", "income"))
    recipe = make_recipe().model_copy(update={"standardise_targets": False})
    state = train(both, tmp_path / "m", recipe)
    expected = both.chips.loc[:23, ["crime", "income"]].mean().to_numpy(np.float32)
    np.testing.assert_allclose(state["target_mean"].numpy(), expected, rtol=1e-5)
    predicted = predict_fold(tmp_path / "m", both, np.arange(4), make_settings())
    assert abs(predicted[:, 1].mean() - expected[1]) < 3 * both.chips["income"].std()


def test_one_raw_target_is_not_standardised(samples: Samples, tmp_path: Path) -> None:
    recipe = make_recipe(epochs=1).model_copy(update={"standardise_targets": False})
    state = train(samples, tmp_path / "m", recipe)
    assert (state["target_mean"].item(), state["target_std"].item()) == (0.0, 1.0)


def test_steps_are_cycled_and_validation_steps_too(samples: Samples, tmp_path: Path) -> None:
    recipe = make_recipe(epochs=1, steps_per_epoch=5, validation_steps=3, validation_batch_size=6)
    counting = kill(samples, 100)
    train(counting, tmp_path / "m", recipe)
    assert counting.left == [100 - 5 - 3]


def test_predictions_do_not_depend_on_the_batch(samples: Samples, tmp_path: Path) -> None:
    train(samples, tmp_path / "m", make_recipe(epochs=1))
    network = load_network(tmp_path / "m", make_settings())
    fp32 = Arithmetic(CPU, "fp32")
    whole = predict_network(network, samples, np.arange(N_CHIPS), fp32)
    alone = predict_network(network, samples, np.array([37]), fp32)
    np.testing.assert_allclose(whole[37], alone[0], atol=1e-5)
    assert predict_network(network, samples, np.arange(0), fp32).shape == (0, 1)


def test_bf16_agrees_with_fp32_within_a_fiftieth_of_the_labels_spread(
    samples: Samples, tmp_path: Path
) -> None:
    train(samples, tmp_path / "m", make_recipe(frozen_epochs=0))
    network = load_network(tmp_path / "m", make_settings())
    rows = np.arange(N_CHIPS)
    fp32 = predict_network(network, samples, rows, Arithmetic(CPU, "fp32"))
    bf16 = predict_network(network, samples, rows, Arithmetic(CPU, "bf16"))
    assert not np.array_equal(fp32, bf16)
    assert np.abs(fp32 - bf16).max() < samples.chips["crime"].std() / 50


def test_a_loss_that_is_no_number_stops_with_one_line(samples: Samples, tmp_path: Path) -> None:
    recipe = make_recipe(epochs=3, frozen_epochs=0)
    wild = OptimiserRecipe(learning_rate=1e30)
    with pytest.raises(InputError, match=r"'tiny': the loss became (nan|inf) at epoch 1.*1e\+30"):
        train(samples, tmp_path / "m", recipe.model_copy(update={"optimiser": wild}))


def test_a_part_without_labels_is_refused(samples: Samples, tmp_path: Path) -> None:
    chips = samples.chips.assign(crime=[1.0] * 24 + [np.nan] * 16)
    with pytest.raises(
        InputError,
        match="'crime' has a label in 24 of 40 chips, and in none of the 8 of the validation",
    ):
        train(replace(samples, chips=chips), tmp_path / "m")


def test_labels_that_are_missing_do_not_count() -> None:
    labels = torch.tensor([[1.0, torch.nan], [3.0, 6.0]])
    predicted = torch.tensor([[2.0, 50.0], [3.0, 2.0]], requires_grad=True)
    loss = squared_error(predicted, labels, torch.tensor([1.0, 2.0]))
    assert loss.item() == pytest.approx((1 + 0 + 4) / 3)
    loss.backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    assert predicted.grad[0, 1] == 0
