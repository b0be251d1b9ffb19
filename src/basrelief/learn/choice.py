"""Which recipes a run trains, decided from its settings alone: nothing heavy is imported."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from basrelief.chips.store import HEIGHTS, PHOTO
from basrelief.config import InputError, Settings
from basrelief.eyes import COLOURS, OVERLAYS
from basrelief.learn.eyes import join_eyes
from basrelief.learn.recipe_files import (
    find_members,
    format_recipe,
    list_backbones,
    list_recipes,
    load_recipe,
    read_recipe,
)
from basrelief.learn.recipes import (
    COMPONENTS,
    AreaRecipe,
    BandsRecipe,
    DenseRecipe,
    NetworkRecipe,
    Recipe,
    SetRecipe,
    StreetRecipe,
    TableRecipe,
    list_typed_members,
)
from basrelief.run import Record, Run, read_json, write_json
from basrelief.splits.heldout import AREA_SCHEMES
from basrelief.toml import format_value

DEFAULT_RECIPES = ("relief-statistics", "dense-vgg16", "kriged-dense-vgg16", "vgg16")
STREET_RECIPE = "street-vgg16"
"""Trained by default where pictures from the street are given."""

BASELINE_RECIPES = ("relief-statistics", "random-features")
"""Trained on rasters even if nobody asks: what any other recipe has to beat."""

TAKEN = ("mean", "place-alone", "place-and-district", "district-mean", "area-size")
"""Names of what recipes are held against, which no recipe can have."""


def choose_recipes(settings: Settings) -> tuple[list[Recipe], list[str]]:
    """Load the recipes to run; by default those that suit the data.

    Returns
    -------
    The recipes, and one line for each default that is left out.

    Raises
    ------
    InputError
        If a recipe that the user typed does not exist or does not suit the data, two sets of
        features have one name, or weights are given for a backbone that none of them has.
    """
    recipes: list[Recipe] = []
    left_out = []
    _check_table_names(settings)
    # In the order typed: the report shows them so.
    defaults: tuple[str, ...] = (
        *DEFAULT_RECIPES,
        *(OVERLAYS[name].recipe for name in settings.data.overlays),
        *([STREET_RECIPE] if settings.data.street else []),
    )
    if settings.data.kind == "tables":
        # None of them has anything to look at: one line, and not one for each.
        defaults = ()
        if settings.models.recipes is None:
            left_out.append("recipes of heights left out: no rasters are given (data.dsm)")
    for typed in dict.fromkeys(settings.models.recipes or defaults):
        recipe = load_recipe(typed, settings)
        if recipe.name.lower() in TAKEN:
            raise InputError(
                f"models.recipes: {typed!r} is named {recipe.name!r}, as is what recipes are held "
                "against. Give it another name."
            )
        # Not every disk tells capitals from small letters, and each recipe has a folder.
        if any(recipe.name.lower() == other.name.lower() for other in recipes):
            raise InputError(f"models.recipes: {typed!r} is a second recipe named {recipe.name!r}.")
        try:
            _check_suits(recipe, settings)
        except InputError as error:
            if settings.models.recipes is not None:
                raise
            left_out.append(f"recipe {recipe.name} left out: {error}")
            continue
        recipes.append(recipe)
    if settings.models.recipes is None:
        # Who named tables and no recipe wants to know what they come to with all else.
        recipes += join_eyes(recipes, settings)[-1:]
    _check_feature_sets(recipes, settings)
    _check_weight_keys(recipes, settings)
    return recipes, left_out


def choose_baselines(recipes: list[Recipe], settings: Settings) -> list[AreaRecipe]:
    """Load the recipes that are trained as baselines, besides those asked for.

    What a recipe is made of is a baseline of it: its gain over each part is what it is worth.
    Pictures have none: relief cannot be measured in them. Without rasters each table is one.
    """
    schemes = settings.split.schemes
    # Schemes by default hold areas out wherever there are areas.
    has_areas = schemes is None or bool(set(schemes) & set(AREA_SCHEMES))
    if settings.data.kind == "pictures" or not has_areas:
        return []
    parts = [typed for recipe in recipes for typed in list_typed_members(recipe)]
    joined = join_eyes(recipes, settings)
    parts += [typed for recipe in joined for typed in list_typed_members(recipe)]
    parts += BASELINE_RECIPES if settings.data.has_rasters else ()
    loaded = [load_recipe(typed, settings) for typed in parts]
    baselines: dict[str, AreaRecipe] = {}
    for recipe in [*loaded, *joined]:
        # A network that is a part is not trained for it: parts are recipes of areas.
        is_new = recipe.name not in {each.name for each in recipes}
        if is_new and not isinstance(recipe, NetworkRecipe):
            baselines.setdefault(recipe.name, recipe)
    return list(baselines.values())


def write_recipes(
    recipes: list[Recipe],
    baselines: list[AreaRecipe],
    knows: Mapping[str, Collection[str]],
    trainings: list[Record],
    settings: Settings,
    run: Run,
) -> None:
    """Write ``models/recipes.json``: what is trained, how far, and what the user asked for.

    Parameters
    ----------
    knows
        By recipe, the codes of what it knows (`knowledge.list_known`).
    trainings
        Of all recipes and then baselines, as `shortening.describe_trainings` has them.
    """
    asked = {recipe.name for recipe in recipes}
    records = [
        {
            "recipe": recipe.name,
            "kind": recipe.kind,
            "unit": recipe.unit,
            "is_asked": recipe.name in asked,
            # By name: what was typed may be the path of a file.
            "made_of": [load_recipe(typed, settings).name for typed in list_typed_members(recipe)],
            "knows": list(knows[recipe.name]),
        }
        | training
        for recipe, training in zip([*recipes, *baselines], trainings, strict=True)
    ]
    write_json(run.models / "recipes.json", records)


def read_recipes(run: Run) -> list[Record]:
    """Read what a run trained, as RUN_FOLDER.md has it; empty before training.

    Those asked for come first, in the order in which they were typed; the others are what they
    have to beat.
    """
    path = run.models / "recipes.json"
    found = read_json(path) if path.exists() else []
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise InputError(
            f"{path}: not as stage train wrote it. Run: basrelief run CONFIG --from train"
        )
    return found


def read_trained(run: Run, name: str) -> Recipe | None:
    """Read the recipe beside a trained model, as it stands there; None where none was trained."""
    folder = run.models / name
    # Of a fold where it has folds; its members' recipes lie deeper.
    paths = [*sorted(folder.glob("*/*/recipe.toml")), *sorted(folder.glob("*/recipe.toml"))]
    return read_recipe(paths[0]) if paths else None


def list_asked(trained: Sequence[Record]) -> list[str]:
    """List the recipes that the user asked for, in the order typed; the others are baselines.

    What was asked is answered from what training wrote down, not from the settings: a recipe's
    file may have been renamed or changed since.

    Parameters
    ----------
    trained
        As `read_recipes` gives them.
    """
    return [str(record["recipe"]) for record in trained if record["is_asked"]]


def name_weights(backbone: str, typed: str) -> str:
    """Write the key of ``[models]`` that gives a backbone its weights, ready to be pasted.

    Examples
    --------
    >>> print(name_weights("resnet18.a1_in1k", "none"))
    weights = { "resnet18.a1_in1k" = "none" }
    """
    return f"weights = {format_value({backbone: typed})}"


def describe_recipes(settings: Settings) -> list[str]:
    """Write out all recipes that a run trains, to notice when one changes."""
    recipes, _ = choose_recipes(settings)
    trained = [*recipes, *choose_baselines(recipes, settings)]
    return [format_recipe(recipe) for recipe in trained]


def _check_table_names(settings: Settings) -> None:
    """Stop where a table is called as a recipe is, or as what recipes are held against."""
    taken = {*TAKEN, *(recipe.name for recipe in list_recipes())}
    for eye in settings.table_eyes:
        if eye.lower() in taken:
            raise InputError(
                f"{settings.typed_table(eye).section}: {eye!r} is the name of a recipe, or of what "
                "recipes are held against. Give the table another."
            )


def _check_suits(recipe: Recipe, settings: Settings) -> None:
    """Stop where the recipe needs heights or schemes that are not there."""
    if settings.data.kind == "tables":
        _check_tables_alone(recipe, settings)
    if isinstance(recipe, NetworkRecipe):
        bands = recipe.choose_bands("heights" if settings.data.has_rasters else "pictures")
        if bands == "relief+photo":
            _check_layer(recipe.name, PHOTO, COLOURS, settings)
        return
    if settings.data.kind == "pictures":
        raise InputError(
            f"models.recipes: {recipe.name!r} needs heights, and pictures have none. "
            "Give rasters (data.dsm), or use a network recipe such as 'vgg16'."
        )
    for member in find_members(recipe, settings):
        if isinstance(member, DenseRecipe | BandsRecipe) and member.layer != HEIGHTS:
            wanted = member.bands if isinstance(member, DenseRecipe) else ()
            _check_layer(member.name, member.layer, wanted, settings)
        if isinstance(member, StreetRecipe) and settings.data.street is None:
            raise InputError(
                f"models.recipes: {member.name!r} looks at street pictures, and none are given. "
                "Add [data.street] with folder and table, or take the recipe out."
            )
    schemes = settings.split.schemes
    if schemes is not None and not set(schemes) & set(AREA_SCHEMES):
        raise InputError(
            f"models.recipes: {recipe.name!r} predicts areas and cannot use split.schemes = "
            f"{schemes}. Add one of {', '.join(AREA_SCHEMES)}."
        )


def _check_tables_alone(recipe: Recipe, settings: Settings) -> None:
    """Stop where a recipe looks at the ground, of which nothing is given."""
    members = [] if isinstance(recipe, NetworkRecipe) else find_members(recipe, settings)
    others = [each.name for each in members if not isinstance(each, TableRecipe)]
    if members and not others:
        return
    of = f" for its part {others[0]!r}" if others and others != [recipe.name] else ""
    raise InputError(
        f"models.recipes: {recipe.name!r} needs heights{of}, and no rasters are given. Give them "
        f"(data.dsm), or use recipes of tables: {', '.join(settings.table_eyes)}."
    )


def _check_layer(name: str, layer: str, wanted: Sequence[str], settings: Settings) -> None:
    """Stop where a recipe looks at a layer that is not there, or at bands that it has not."""
    if layer not in settings.data.overlays:
        keys = "files and bands" if layer == PHOTO else "files"
        raise InputError(
            f"models.recipes: {name!r} looks at {OVERLAYS[layer].words}, and none is "
            f"given. Add [data.{layer}] with {keys}, or take the recipe out."
        )
    photo = settings.data.photo
    if photo is None:
        return
    known = [band.lower() for band in photo.bands]
    missing = [band for band in wanted if band.lower() not in known]
    if missing:
        raise InputError(
            f"recipe {name!r}: bands = {list(wanted)}, and data.photo.bands = "
            f"{photo.bands} have no {missing[0]!r}. Change one of the two."
        )


def _check_feature_sets(recipes: list[Recipe], settings: Settings) -> None:
    """Stop where sets of features, each known by its recipe's name, cannot be told apart."""
    found: dict[str, SetRecipe] = {}
    for recipe in [*recipes, *choose_baselines(recipes, settings)]:
        if isinstance(recipe, NetworkRecipe):
            continue
        members = find_members(recipe, settings)
        # Each has a folder, and not every disk tells capitals from small letters.
        names = [member.name.lower() for member in members]
        for k, (member, name) in enumerate(zip(members, names, strict=True)):
            if name in COMPONENTS:
                raise InputError(
                    f"recipe {recipe.name!r}: {member.name!r} is a part of every prediction "
                    f"({', '.join(COMPONENTS)}), so no recipe with features of its own can have "
                    "its name. Give it another name."
                )
            if name in names[:k]:
                raise InputError(
                    f"recipe {recipe.name!r}: its members {[each.name for each in members]} need "
                    f"names of their own, and {member.name!r} stands for two. Leave one out, or "
                    "give it another name."
                )
            # Features are kept by name: the second would be computed over the first.
            if found.setdefault(name, member) != member:
                raise InputError(
                    f"recipe {recipe.name!r}: two recipes of this run are named {member.name!r} "
                    "and have other features. Give one of them another name."
                )


def _check_weight_keys(recipes: list[Recipe], settings: Settings) -> None:
    """Stop where weights are given for a backbone that no recipe of the run has."""
    used = {name: recipe for recipe in recipes for name in list_backbones(recipe, settings)}
    for key, typed in settings.models.weights.items():
        if key in used:
            continue
        # Taken for unused it would be ignored, and another network's weights fetched instead.
        named = [recipe for recipe in recipes if recipe.name == key]
        meant = [name for recipe in named for name in list_backbones(recipe, settings)]
        meant = meant or difflib.get_close_matches(key, used, n=1, cutoff=0.7)
        if meant:
            hint = f"Did you mean {name_weights(meant[0], typed)}?"
        elif used:
            hint = (
                f"Their backbones are {', '.join(sorted(used))}; take the key out, or add a recipe."
            )
        else:
            hint = "They have none; take the key out, or add a recipe."
        raise InputError(
            f"models.weights: {key!r} is no backbone of this run's recipes "
            f"({', '.join(recipe.name for recipe in recipes)}). {hint}"
        )
