"""What training fell short of its recipes, in names and sentences: no result goes without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from basrelief.learn.shortening import label_recipes, say_length
from basrelief.run import Record
from basrelief.tell.words import join_words


def say_shortfalls(trainings: Sequence[Record]) -> list[str]:
    """Say which recipes were cut short, and which began with random weights; none if none were.

    Parameters
    ----------
    trainings
        As in ``models/recipes.json``.

    Examples
    --------
    >>> record = {"recipe": "vgg16", "is_shortened": True, "random_weights": []}
    >>> record |= {"epochs": 2, "epochs_of_recipe": 20}
    >>> record |= {"steps_per_epoch": None, "steps_of_recipe": None}
    >>> say_shortfalls([record])[0].split(". ")[0]
    'Training of vgg16 was shortened: 2 of 20 epochs'
    """
    # Together, those that fall short alike: eight recipes would make a banner of eight lines.
    short, random = _gather(trainings)
    sentences = [
        f"Training of {join_words(names)} was shortened: {length}. {_own(names)}."
        for length, names in short.items()
    ]
    return sentences + [
        f"{join_words(names)} began with random weights ({backbones}), not with pretrained ones."
        for backbones, names in random.items()
    ]


def say_precision(training: Record) -> str:
    """Say in which precision a recipe's networks counted, and on how many views; empty without any.

    Examples
    --------
    >>> say_precision({"recipe": "vgg16", "precision": "bf16"})
    'trained and predicted in bf16 (mixed precision)'
    >>> say_precision({"recipe": "coursework-vgg16", "precision": "fp32", "views": 4})
    'trained and predicted in fp32; up to 4 views a chip, drawn once where that saved work'
    """
    precision = training.get("precision")
    if precision is None:
        return ""
    said = f"trained and predicted in {precision}"
    if precision != "fp32":
        # Those two are to follow the coursework to the digit, and this alone sets them apart.
        is_coursework = training["recipe"].startswith("coursework-")
        beside = "; the coursework's Keras counts in fp32" if is_coursework else ""
        said += f" (mixed precision{beside})"
    if views := training.get("views"):
        said += f"; up to {views} views a chip, drawn once where that saved work"
    return said


def tell_names(found: Any, trainings: Sequence[Record]) -> Any:
    """Call recipes in what was read from a run as they are told: shortened, where they are.

    Once, where files are read, so that no page can tell a result without that word.

    Parameters
    ----------
    found
        Records, in lists and by name, or a table with a column ``recipe``.

    Examples
    --------
    >>> trained = {"recipe": "vgg16", "is_shortened": False, "random_weights": ["vgg16"]}
    >>> tell_names([{"recipe": "vgg16", "over": {"vgg16": 0.5}}], [trained])
    [{'recipe': 'vgg16 (random weights)', 'over': {'vgg16 (random weights)': 0.5}}]
    """
    return _rename(found, label_recipes(trainings))


def _gather(trainings: Sequence[Record]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Gather the recipes that fall short alike: by length, and by backbones at random."""
    short: dict[str, list[str]] = {}
    random: dict[str, list[str]] = {}
    for record in trainings:
        if record["is_shortened"]:
            short.setdefault(say_length(record), []).append(record["recipe"])
        if record["random_weights"]:
            backbones = join_words(record["random_weights"])
            random.setdefault(backbones, []).append(record["recipe"])
    return short, random


def _own(names: Sequence[str]) -> str:
    if len(names) == 1:
        return "Its figures are not those of the whole recipe"
    return "Their figures are not those of the whole recipes"


def _rename(found: Any, labels: dict[str, str]) -> Any:
    """Put labels in the place of names, however deep."""
    # Most runs are whole, and their tables can be of a country.
    if not labels:
        return found
    if isinstance(found, pd.DataFrame):
        if "recipe" not in found:
            return found
        return found.assign(recipe=found["recipe"].astype(object).replace(labels))
    if isinstance(found, dict):
        return {labels.get(key, key): _rename(value, labels) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return type(found)(_rename(each, labels) for each in found)
    return labels.get(found, found) if isinstance(found, str) else found
