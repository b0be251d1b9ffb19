"""Recipes as files: those that come with the program, and a user's own, read and written."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from basrelief.config import InputError, Settings
from basrelief.eyes import name_eye
from basrelief.learn.recipes import (
    AreaRecipe,
    DenseRecipe,
    KrigedRecipe,
    NetworkRecipe,
    Recipe,
    SetRecipe,
    StreetRecipe,
    TableRecipe,
    list_typed_members,
)
from basrelief.names import suggest
from basrelief.toml import format_toml, parse_toml, read_toml, show, tell_fault


def list_recipes() -> list[Recipe]:
    """Read every recipe that comes with the package, in order of name."""
    return [_parse(_shipped(name), name) for name in _shipped_names()]


def load_recipe(typed: str, settings: Settings) -> Recipe:
    """Read a recipe and apply the settings' overrides.

    Parameters
    ----------
    typed
        Name of a shipped recipe, or path of a TOML file relative to the configuration file.

    Raises
    ------
    InputError
        If there is no such recipe (the message lists those there are), or it is not valid.
    """
    # A shipped name wins: a file of one's own is known by its ending.
    names = _shipped_names()
    if typed in names:
        return _override(_parse(_shipped(typed), typed), settings)
    if name_eye(typed) in settings.table_eyes:
        return _of_table(name_eye(typed))
    if not typed.endswith(".toml"):
        names += settings.table_eyes
        raise InputError(
            f"models.recipes: no recipe {typed!r}. There are {', '.join(names)}; "
            f"a recipe of your own is given as the path of a .toml file.{suggest(typed, names)}"
        )
    try:
        table = read_toml(settings.locate(typed))
    except ValueError as error:
        raise InputError(f"models.recipes: {typed!r}: {error}.") from error
    recipe = _check(table, typed)
    if isinstance(recipe, TableRecipe) and recipe.table not in settings.table_eyes:
        eyes = settings.table_eyes
        raise InputError(
            f"recipe {typed!r}: table: no table {recipe.table!r} in [data.tables] "
            f"({', '.join(eyes) or 'which is empty'}).{suggest(recipe.table, eyes)}"
        )
    return _override(recipe, settings)


def _of_table(eye: str) -> TableRecipe:
    """Make the recipe that a table is by itself."""
    about = f"the table {eye} alone: its columns, and a linear model"
    return TableRecipe(kind="table", name=eye, about=about, table=eye)


def find_members(recipe: AreaRecipe, settings: Settings) -> list[SetRecipe]:
    """Find the recipes with features of their own that a recipe rests on; itself, if it has.

    Raises
    ------
    InputError
        If a member does not exist, is a network, or rests on others where it may not.
    """
    if isinstance(recipe, SetRecipe):
        return [recipe]
    members: list[SetRecipe] = []
    for typed in list_typed_members(recipe):
        member = load_recipe(typed, settings)
        if isinstance(recipe, KrigedRecipe):
            # Place comes in once, beside the trend.
            if isinstance(member, NetworkRecipe | KrigedRecipe):
                raise _refuse_member(recipe, "trend", typed)
            members += find_members(member, settings)
            continue
        if not isinstance(member, SetRecipe):
            raise _refuse_member(recipe, "members", typed)
        members.append(member)
    return members


def list_backbones(recipe: Recipe, settings: Settings) -> list[str]:
    """List the backbones whose weights a recipe uses."""
    if isinstance(recipe, NetworkRecipe):
        return [recipe.backbone]
    members = find_members(recipe, settings)
    return [each.backbone for each in members if isinstance(each, DenseRecipe | StreetRecipe)]


def _refuse_member(recipe: AreaRecipe, key: str, typed: str) -> InputError:
    return InputError(
        f"recipe {recipe.name!r}: {key}: {typed!r} is no recipe of areas with features of its own. "
        "Give one such as 'dense-vgg16' or 'relief-statistics', or the name of a table."
    )


def read_recipe(path: Path) -> Recipe:
    """Read the recipe beside a trained model, as it stands there."""
    return _parse(path.read_text(encoding="utf-8"), str(path))


def format_recipe(recipe: Recipe) -> str:
    """Write a recipe as TOML, everything resolved.

    Examples
    --------
    >>> from basrelief.learn.recipes import StackRecipe
    >>> recipe = StackRecipe(kind="stack", name="a", about="b", members=["c", "d"])
    >>> print(format_recipe(recipe))
    name = "a"
    about = "b"
    kind = "stack"
    members = ["c", "d"]
    <BLANKLINE>
    """
    return format_toml(recipe.model_dump(exclude_none=True))


def _shipped_names() -> list[str]:
    folder = files("basrelief") / "recipes"
    return sorted(
        item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")
    )


def _shipped(name: str) -> str:
    return (files("basrelief") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")


def _parse(text: str, typed: str) -> Recipe:
    try:
        table = parse_toml(text.encode())
    except ValueError as error:
        raise InputError(f"recipe {typed!r}: {error}.") from error
    return _check(table, typed)


def _check(table: dict[str, Any], typed: str) -> Recipe:
    models: tuple[type[Recipe], ...] = get_args(Recipe)
    kinds = {get_args(model.model_fields["kind"].annotation)[0]: model for model in models}
    # The kind first: against every model at once a misspelt key would be told for each.
    model = kinds.get(str(table.get("kind")))
    if model is None:
        raise InputError(
            f"recipe {typed!r}: kind = {show(table.get('kind'))}; allowed are {', '.join(kinds)}."
        )
    try:
        # As JSON, whose rules for text, numbers and lists are those of TOML; dates become text.
        return model.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        key, reason = tell_fault(error, model)
        raise InputError(f"recipe {typed!r}: {f'{key}: ' if key else ''}{reason}.") from error
    except (ValueError, RecursionError) as error:
        what = "a number has too many digits, or tables lie too deep in each other"
        raise InputError(f"recipe {typed!r}: {what}.") from error


def _override(recipe: Recipe, settings: Settings) -> Recipe:
    """Put the settings' epochs, steps and views in the place of a network recipe's."""
    models = settings.models
    if not isinstance(recipe, NetworkRecipe):
        return recipe
    # Into the recipe itself: beside a model stands how it was trained, not how it is published.
    train, optimiser = recipe.train, recipe.optimiser
    if models.steps_per_epoch is not None:
        steps = {"steps_per_epoch": models.steps_per_epoch}
        if train.validation_steps is not None and train.steps_per_epoch is not None:
            # A quick look validates in proportion, or validation would take most of it.
            share = min(1.0, models.steps_per_epoch / train.steps_per_epoch)
            steps["validation_steps"] = max(1, round(share * train.validation_steps))
        train = train.model_copy(update=steps)
    if models.views is not None:
        train = train.model_copy(update={"views": models.views or None})
    if models.epochs is not None:
        # Half at most stays frozen or slow, so that a quick look sees both phases.
        half = models.epochs // 2
        frozen = min(train.frozen_epochs, half)
        train = train.model_copy(update={"epochs": models.epochs, "frozen_epochs": frozen})
        if optimiser.warm_up_learning_rate is not None:
            slow = min(optimiser.warm_up_epochs, half)
            optimiser = optimiser.model_copy(update={"warm_up_epochs": slow})
    return recipe.model_copy(update={"train": train, "optimiser": optimiser})
