"""What was asked, of which data."""

from __future__ import annotations

from typing import Any

from basrelief.config import Settings
from basrelief.learn.recipes import list_recipes
from basrelief.tell import words
from basrelief.tell.facts import Facts


def gather(facts: Facts) -> dict[str, Any]:
    """Gather the question in words, what was predicted by what, and the files given."""
    settings = facts.settings
    targets = words.join_words([words.name_target(target) for target in facts.samples.targets])
    recipes = _describe_recipes(facts) if facts.is_public else [("Recipes", _list_recipes(facts))]
    return {
        "question": words.say_question(settings, list(facts.joining)),
        "terms": [("Predicted", targets), *recipes],
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
    return [(name, about.get(name) or "a recipe of the analyst's own") for name in facts.asked]


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
