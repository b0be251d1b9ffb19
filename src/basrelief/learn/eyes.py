"""The recipes that tell what each eye adds: every eye alone, all together, and all without each."""

from __future__ import annotations

from collections.abc import Sequence

from basrelief.config import InputError, Settings
from basrelief.eyes import OVERLAYS
from basrelief.learn.knowledge import HEIGHTS, STREET
from basrelief.learn.recipe_files import find_members, load_recipe
from basrelief.learn.recipes import (
    AreaRecipe,
    BandsRecipe,
    DenseRecipe,
    KrigedRecipe,
    NetworkRecipe,
    Recipe,
    StreetRecipe,
    list_typed_members,
)

BESIDE = (*OVERLAYS, STREET)
"""Eyes beside heights that a recipe reads in a way of its own."""

PLAIN = "relief-statistics"
"""Reads heights where no recipe says how to: it needs no weights."""


def join_eyes(recipes: Sequence[Recipe], settings: Settings) -> list[AreaRecipe]:
    """Make the recipes that tell what each eye adds to all others; the one of all comes last.

    Parameters
    ----------
    recipes
        Those asked for: they say how heights are read.

    Returns
    -------
    Each table alone, all eyes with place but without each one, and all. Empty without a table or a
    recipe that looks at something beside heights, for then the shipped recipes are just these. One
    that is asked for under another name is left out.
    """
    found = {eye: _find_asked(recipes, settings, eye) for eye in BESIDE}
    looks = {eye: typed for eye, typed in found.items() if typed is not None}
    if not settings.table_eyes and not looks:
        return []
    heights, districts = _find_heights(recipes, settings)
    eyes = {eye: [eye] for eye in settings.table_eyes}
    if settings.data.has_rasters:
        eyes = {HEIGHTS: heights} | eyes
    eyes |= {eye: [typed] for eye, typed in looks.items()}
    wanted: list[AreaRecipe] = []
    for eye in settings.table_eyes:
        alone = load_recipe(eye, settings)
        assert not isinstance(alone, NetworkRecipe)
        wanted.append(alone)
    for without in (*eyes, None):
        typed = [name for eye, names in eyes.items() if eye != without for name in names]
        # All but the only eye is place by itself, which is a baseline.
        if typed:
            wanted.append(_join(typed, districts, settings))
    asked = {_tell_content(each, settings): each.name for each in recipes}
    for recipe in wanted:
        other = next((each for each in recipes if each.name.lower() == recipe.name.lower()), None)
        if other is not None and _tell_content(other, settings) != _tell_content(recipe, settings):
            raise InputError(
                f"models.recipes: {other.name!r} is the name of the recipe that joins "
                f"{', '.join(list_typed_members(recipe)) or 'a table'}, and is something else. "
                "Give it another name."
            )
    return [each for each in wanted if _tell_content(each, settings) not in asked]


def _find_heights(recipes: Sequence[Recipe], settings: Settings) -> tuple[list[str], bool]:
    """Find how heights are read where eyes are joined, and whether districts count.

    Returns
    -------
    Recipes as typed: those of heights in the first recipe that joins place; else the first dense
    one; else `PLAIN`.
    """
    for recipe in recipes:
        if isinstance(recipe, KrigedRecipe):
            # Without rasters there are none, and what was said of districts counts all the same.
            if not settings.data.has_rasters:
                return [], recipe.districts
            typed = [each for each in list_typed_members(recipe) if _is_of_heights(each, settings)]
            if typed:
                return typed, recipe.districts
    # Other recipes than dense ones are asked for as what has to be beaten.
    return [_find_asked(recipes, settings, HEIGHTS) or PLAIN], True


def _find_asked(recipes: Sequence[Recipe], settings: Settings, eye: str) -> str | None:
    """Find the first recipe of many numbers that looks by an eye, as typed; None without one."""
    typed_by_name = {
        load_recipe(each, settings).name: each for each in settings.models.recipes or ()
    }
    wanted = DenseRecipe | BandsRecipe | StreetRecipe
    names = [each.name for each in recipes if isinstance(each, wanted) and each.eye == eye]
    return typed_by_name.get(names[0], names[0]) if names else None


def _is_of_heights(typed: str, settings: Settings) -> bool:
    """Say whether a part of a recipe, as typed, looks at heights alone."""
    recipe = load_recipe(typed, settings)
    if isinstance(recipe, NetworkRecipe):
        return False
    return all(each.eye == HEIGHTS for each in find_members(recipe, settings))


def _join(typed: list[str], districts: bool, settings: Settings) -> KrigedRecipe:
    """Join sets with place; called after them, so that one idea has one name."""
    names = [load_recipe(each, settings).name for each in typed]
    return KrigedRecipe(
        kind="kriged",
        name=f"kriged-{'-'.join(names)}",
        about=f"{', '.join(names)}, nearness{' and district' if districts else ''}, as one process",
        trend=typed[0] if len(typed) == 1 else typed,
        districts=districts,
    )


def _tell_content(recipe: Recipe, settings: Settings) -> str:
    """Tell what a recipe's predictions come from, whatever it is called."""
    if isinstance(recipe, NetworkRecipe):
        return recipe.name
    members = sorted(
        f"{each.eye} {each.model_dump(exclude={'name', 'about'})}"
        for each in find_members(recipe, settings)
    )
    joins = recipe.districts if isinstance(recipe, KrigedRecipe) else None
    return f"{joins} {members}"
