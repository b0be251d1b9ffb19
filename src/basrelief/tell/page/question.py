"""What was asked, of which data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from basrelief.config import Settings
from basrelief.learn.recipes import list_recipes
from basrelief.tell.facts import Facts
from basrelief.tell.words import format_length, join_words, name_targets


def gather(facts: Facts) -> dict[str, Any]:
    """Gather the question in words, what was predicted by what, and the files given."""
    settings = facts.settings
    recipes = _describe_recipes(facts) if facts.is_public else [("Recipes", _list_recipes(facts))]
    return {
        "question": say_question(settings, list(facts.joining)),
        "terms": [("Predicted", name_targets(facts.samples.targets)), *recipes],
        "files": [] if facts.is_public else _list_files(settings),
        "least_ground": settings.chips.min_area_coverage if facts.samples.has_places else None,
    }


def _list_recipes(facts: Facts) -> str:
    """Name the recipes that were asked for, and those that they have to beat."""
    scored = dict.fromkeys(record["recipe"] for record in facts.scores)
    others = [name for name in scored if name not in facts.asked]
    rest = f"; to be beaten: {', '.join(others)}" if others else ""
    return f"{', '.join(facts.asked)}{rest}"


def _describe_recipes(facts: Facts) -> list[tuple[str, str]]:
    """Describe the recipes asked for to those who do not know the package's."""
    about = {recipe.name: recipe.about for recipe in list_recipes()}
    return [
        (name, about.get(facts.find_code(name)) or "a recipe of the analyst's own")
        for name in facts.asked
    ]


def _list_files(settings: Settings) -> list[tuple[str, str]]:
    """List the files as they were typed."""
    data = settings.data
    if not data.has_rasters:
        return [("Pictures", str(data.images)), ("Scores", str(data.table))]
    terrain = [("Ground heights", data.dtm)] if data.dtm else []
    return [
        ("Surface heights", str(data.dsm)),
        *terrain,
        ("Areas", str(data.areas)),
        ("Scores", str(data.labels)),
    ]


def say_question(settings: Settings, joining: Sequence[str] = ()) -> str:
    """Say what was asked of which data, in a few sentences.

    Parameters
    ----------
    joining
        Recipes that were asked for and join LIDAR and place.
    """
    data, chips = settings.data, settings.chips
    if not data.has_rasters:
        return (
            "Each LIDAR picture was matched to its row in the table, and each recipe was asked "
            "to predict the scores of the area that the picture shows from the picture alone."
        )
    ground = (
        "Ground heights come from terrain rasters"
        if data.dtm
        else "Ground heights were estimated from the surface, as no terrain rasters were given"
    )
    return (
        f"LIDAR surface heights were cut into squares of {format_length(chips.ground_m)} and "
        "matched to small areas. Each recipe was asked to predict the areas' scores from relief "
        f"alone: it saw no coordinates, no outlines and no neighbour's score. {ground}."
        f"{_say_given(joining)}"
    )


def _say_given(joining: Sequence[str]) -> str:
    """Say what recipes that join LIDAR and place were told besides; nothing without any."""
    if not joining:
        return ""
    was = "was" if len(joining) == 1 else "were"
    return (
        f" Only {join_words(joining)} {was} told more: where areas lie, their district, and the "
        "scores of the training areas around them."
    )
