from pathlib import Path

import pytest

from basrelief.config import DataSettings, InputError, Settings, load_settings
from basrelief.learn.recipe_files import format_recipe, list_recipes, load_recipe, read_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.stage_settings import ModelSettings

PICTURES = DataSettings(images="a", table="b")


def test_every_shipped_recipe_is_named_as_its_file() -> None:
    names = [recipe.name for recipe in list_recipes()]
    assert names == [
        "coursework-resnet50v2",
        "coursework-vgg16",
        "dense-photo",
        "dense-vgg16",
        "embedding",
        "kriged-dense-vgg16",
        "random-features",
        "relief-statistics",
        "resnet50v2",
        "stack",
        "vgg16",
        "vgg16-photo",
    ]


def test_every_shipped_recipe_has_one_line_about_it() -> None:
    assert all("\n" not in recipe.about and len(recipe.about) < 100 for recipe in list_recipes())


def test_a_recipe_written_out_reads_back_the_same(tmp_path: Path) -> None:
    for recipe in list_recipes():
        path = tmp_path / f"{recipe.name}.toml"
        path.write_text(format_recipe(recipe), encoding="utf-8")
        assert read_recipe(path) == recipe


def test_the_coursework_recipe_is_the_courseworks() -> None:
    recipe = load_recipe("coursework-vgg16", Settings(data=PICTURES))
    assert isinstance(recipe, NetworkRecipe)
    assert recipe.head.hidden == [128, 128, 64]
    assert (recipe.head.dropout, recipe.optimiser.learning_rate) == (0.6, 1e-6)
    assert (recipe.train.epochs, recipe.train.steps_per_epoch) == (20, 64)
    assert (recipe.train.batch_size, recipe.train.validation_steps) == (64, 32)
    assert not recipe.standardise_targets
    assert (recipe.train.keep, recipe.train.frozen_epochs) == ("last", 0)


def test_the_courseworks_resnet_warms_up_slower_and_keeps_the_least_training_loss() -> None:
    recipe = load_recipe("coursework-resnet50v2", Settings(data=PICTURES))
    assert isinstance(recipe, NetworkRecipe)
    assert (recipe.backbone, recipe.variant) == ("resnetv2_50", "keras")
    warm_up = recipe.optimiser.warm_up_learning_rate
    assert recipe.optimiser.warm_up_epochs > 0
    assert warm_up is not None
    assert warm_up < recipe.optimiser.learning_rate == 1e-6
    assert recipe.train.keep == "best_training_loss"


def test_settings_override_the_length_and_keep_both_phases() -> None:
    models = ModelSettings(epochs=2, steps_per_epoch=3)
    recipe = load_recipe("coursework-resnet50v2", Settings(data=PICTURES, models=models))
    assert isinstance(recipe, NetworkRecipe)
    assert (recipe.train.epochs, recipe.train.frozen_epochs) == (2, 1)
    assert recipe.optimiser.warm_up_epochs == 1
    assert recipe.train.steps_per_epoch == 3
    assert recipe.train.validation_steps == 2


def test_relief_is_preferred_where_there_are_heights() -> None:
    recipe = load_recipe("vgg16", Settings(data=PICTURES))
    assert isinstance(recipe, NetworkRecipe)
    assert recipe.choose_bands("heights") == "relief"
    assert recipe.choose_bands("pictures") == "shaded"


def test_a_relief_recipe_refuses_pictures() -> None:
    recipe = load_recipe("vgg16", Settings(data=PICTURES))
    assert isinstance(recipe, NetworkRecipe)
    with pytest.raises(InputError, match="'vgg16': needs heights"):
        recipe.model_copy(update={"bands": ["relief"]}).choose_bands("pictures")


def test_an_unknown_recipe_is_answered_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no recipe 'vgg17'.*coursework-vgg16, dense-photo"):
        load_recipe("vgg17", Settings(data=PICTURES))


def test_a_recipe_of_ones_own_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[data]\nimages = "i"\ntable = "t"\n', encoding="utf-8")
    text = format_recipe(list_recipes()[1]).replace("coursework-vgg16", "mine")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert load_recipe("mine.toml", load_settings(tmp_path / "c.toml")).name == "mine"


def test_a_missing_recipe_file_is_named_as_typed() -> None:
    with pytest.raises(InputError, match=r"'no/such\.toml': cannot read this file \(No such file"):
        load_recipe("no/such.toml", Settings(data=PICTURES))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "warm_up_learning_rate = 1e-07",
            "warm_up_learning_rate = 2e-06",
            r"optimiser: warm_up_learning_rate = 2e-06 must be smaller than learning_rate = 1e-06",
        ),
        ("warm_up_epochs = 5", "warm_up_epochs = 0", "needs warm_up_epochs"),
        ('"resnetv2_50"', '"vgg16"', "variant = 'keras' is for backbone = 'resnetv2_50' alone"),
        ('"best_training_loss"', '"best"', "train.keep: input should be 'best_validation_loss'"),
    ],
)
def test_keys_of_a_network_that_do_not_fit_are_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = format_recipe(list_recipes()[0])
    assert old in text
    (tmp_path / "bad.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_recipe(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind =", "not valid TOML"),
        (
            'kind = "forest"',
            "kind = 'forest'; allowed are network, statistics, random-feat",
        ),
        ('kind = "statistics"\nname = "a"', "about: field req"),
        ('kind = "stack"\nname = "a"\nabout = "b"\nmembers = ["c"]', "members: list should"),
        ('kind = "statistics"\nname = "a"\nabout = "b"\nfolds = 5', "unknown key 'folds'"),
    ],
)
def test_a_faulty_recipe_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_recipe(path)
