"""What training falls short of its recipe: cut in length, or begun from random weights.

The one place that decides it. ``models/recipes.json`` keeps it, and no result of such a recipe is
told without it.
"""

from __future__ import annotations

from collections.abc import Iterable

from basrelief.config import Settings
from basrelief.learn.choice import choose_recipes
from basrelief.learn.recipe_files import list_backbones
from basrelief.learn.recipes import NetworkRecipe, Recipe
from basrelief.learn.training_recipes import count_batches
from basrelief.run import Record


def describe_trainings(
    recipes: list[Recipe], settings: Settings, n_chips: int, precision: str | None = None
) -> list[Record]:
    """Describe how far each recipe is trained, beside what it asks for itself.

    Parameters
    ----------
    recipes
        As they are trained, the settings' own numbers in them.
    n_chips
        Chips that may be trained on: one pass over them is an epoch that has no length.
    precision
        In which networks count here (`arithmetic.Arithmetic.precision`): it differs by machine.

    Returns
    -------
    Of each recipe ``epochs, steps_per_epoch`` as trained, ``epochs_of_recipe, steps_of_recipe`` as
    the recipe has them (None where it is no network; steps of None are one pass over the training
    chips)``, is_shortened``, ``random_weights``: backbones that began with random weights, and
    ``precision``, None of what looks through no network; and ``views``, how many of each chip may
    be drawn once, None where each step draws anew.
    """
    # The recipes as they stand, before the settings put their own numbers in.
    models = settings.models.model_copy(update={"epochs": None, "steps_per_epoch": None})
    whole, _ = choose_recipes(settings.model_copy(update={"models": models}))
    own = {recipe.name: recipe for recipe in whole}
    return [
        _describe_length(recipe, own.get(recipe.name, recipe), n_chips)
        | {"random_weights": _find_random(recipe, settings)}
        | {"precision": precision if list_backbones(recipe, settings) else None}
        | {"views": recipe.train.views if isinstance(recipe, NetworkRecipe) else None}
        for recipe in recipes
    ]


def label_recipe(record: Record) -> str:
    """Label a recipe by its name and by what its training falls short of.

    Parameters
    ----------
    record
        As in ``models/recipes.json``.

    Examples
    --------
    >>> record = {"recipe": "vgg16", "is_shortened": True, "random_weights": ["vgg16"]}
    >>> record |= {"epochs": 2, "epochs_of_recipe": 20}
    >>> label_recipe(record | {"steps_per_epoch": 8, "steps_of_recipe": 64})
    'vgg16 (shortened: 2 of 20 epochs, 8 of 64 steps; random weights)'
    >>> label_recipe(record | {"is_shortened": False, "random_weights": []})
    'vgg16'
    """
    remarks = [f"shortened: {say_length(record)}"] if record["is_shortened"] else []
    remarks += ["random weights"] if record["random_weights"] else []
    return f"{record['recipe']} ({'; '.join(remarks)})" if remarks else str(record["recipe"])


def say_length(record: Record) -> str:
    """Say how long a shortened training was, of how much, in a few words."""
    remarks = []
    if record["epochs"] < record["epochs_of_recipe"]:
        remarks.append(f"{record['epochs']} of {record['epochs_of_recipe']} epochs")
    steps, whole = record["steps_per_epoch"], record["steps_of_recipe"]
    if whole is None and steps is not None:
        # How many steps a whole pass is nobody can say: schemes differ.
        remarks.append(f"{steps} steps an epoch")
    elif whole is not None and steps < whole:
        remarks.append(f"{steps} of {whole} steps")
    return ", ".join(remarks)


def label_recipes(records: Iterable[Record]) -> dict[str, str]:
    """Label the recipes whose label is not their name, by name."""
    labels = {str(record["recipe"]): label_recipe(record) for record in records}
    return {name: label for name, label in labels.items() if label != name}


def _describe_length(recipe: Recipe, whole: Recipe, n_chips: int) -> Record:
    """Describe how long a recipe is trained, and whether that is less than it asks for."""
    if not isinstance(recipe, NetworkRecipe) or not isinstance(whole, NetworkRecipe):
        nothing = ("epochs", "steps_per_epoch", "epochs_of_recipe", "steps_of_recipe")
        return {**dict.fromkeys(nothing), "is_shortened": False}
    train, own = recipe.train, whole.train
    one_pass = count_batches(n_chips, own.batch_size)
    steps, whole_steps = (each.steps_per_epoch or one_pass for each in (train, own))
    return {
        "epochs": train.epochs,
        "steps_per_epoch": train.steps_per_epoch,
        "epochs_of_recipe": own.epochs,
        "steps_of_recipe": own.steps_per_epoch,
        "is_shortened": train.epochs < own.epochs or steps < whole_steps,
    }


def _find_random(recipe: Recipe, settings: Settings) -> list[str]:
    """Find the backbones of a recipe, or of what it is made of, that began with random weights."""
    given = settings.models.weights
    backbones = list_backbones(recipe, settings)
    return [name for name in dict.fromkeys(backbones) if given.get(name) == "none"]
