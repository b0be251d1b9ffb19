"""What was asked, of which data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from basrelief.config import Settings
from basrelief.eyes import name_eye
from basrelief.learn.knowledge import DISTRICT, LIDAR, PLACE, find_eyes, sees_lidar
from basrelief.sources.inputs import list_typed
from basrelief.tell.facts import Facts
from basrelief.tell.provenance import ROLES
from basrelief.tell.words import format_length, join_words, name_each, write_targets
from basrelief.typed import Typed


def gather(facts: Facts) -> dict[str, Any]:
    """Gather the question in words, what was predicted by what, and the files given."""
    settings, data = facts.settings, facts.settings.data
    return {
        "question": say_question(settings, facts.joined),
        "terms": [
            ("Predicted", write_targets(facts.samples.targets)),
            ("Recipes", _list_recipes(facts)),
        ],
        "files": _list_files(settings),
        "least_ground": settings.chips.min_area_coverage if data.has_rasters else None,
    }


def _list_recipes(facts: Facts) -> str:
    """Name the recipes that were asked for, and those that they have to beat."""
    scored = dict.fromkeys(record["recipe"] for record in facts.scores)
    others = [name for name in scored if name not in facts.asked]
    rest = f"; to be beaten: {', '.join(others)}" if others else ""
    return f"{', '.join(facts.asked)}{rest}"


def _list_files(settings: Settings) -> list[tuple[str, str]]:
    """List the files as they were typed, by what they are to the run."""
    return [
        (_name_table(typed) if key == "tables" else ROLES[f"data.{key}"].capitalize(), typed.value)
        for key, typed in list_typed(settings)
    ]


def _name_table(typed: Typed) -> str:
    """Name a table by area as the user does: there may be several."""
    return f"Table {name_eye(typed.section.rpartition('.')[2])}"


def say_question(settings: Settings, joining: Mapping[str, Collection[str]] | None = None) -> str:
    """Say what was asked of which data, in a few sentences.

    Parameters
    ----------
    joining
        By recipe that knows more than LIDAR, or something else, the codes of what it knows.
    """
    data, chips = settings.data, settings.chips
    if data.kind == "tables":
        return (
            "Nothing looked at the ground: no rasters were given. Small areas were matched by "
            "their codes to tables of what else is known of them, and each recipe was asked to "
            "predict their scores from these." + _say_eyes(joining or {}, has_ground=False)
        )
    if data.kind == "pictures":
        return (
            "Each LIDAR picture was matched to its row in the table, and each recipe was asked "
            "to predict the scores of the area that the picture shows from the picture alone."
        )
    ground = (
        "Ground heights come from terrain rasters"
        if data.dtm
        else "Ground heights were estimated from the surface, as no terrain rasters were given"
    )
    joining = joining or {}
    others = {name: knows for name, knows in joining.items() if set(find_eyes(knows)) - set(LIDAR)}
    plain = {name: knows for name, knows in joining.items() if name not in others}
    but = ", but where it is said below" if others else ""
    return (
        f"LIDAR surface heights were cut into squares of {format_length(chips.ground_m)} and "
        "matched to small areas. Each recipe was asked to predict the areas' scores from relief "
        f"alone{but}: it saw no coordinates, no outlines and no neighbour's score. {ground}."
        f"{_say_given(plain)}{_say_eyes(others)}"
    )


def _say_eyes(others: Mapping[str, Collection[str]], *, has_ground: bool = True) -> str:
    """Say what recipes of other eyes than LIDAR were given, a sentence each."""
    sentences = []
    for name, knows in others.items():
        eyes = find_eyes(knows)
        given = ["relief"] if sees_lidar(eyes) else []
        given += name_each([eye for eye in eyes if eye not in LIDAR])
        given += ["where areas lie"] if PLACE in knows else []
        given += ["their district"] if DISTRICT in knows else []
        given += ["the scores of the training areas around them"] if PLACE in knows else []
        without = "" if sees_lidar(eyes) or not has_ground else ", and no relief"
        sentences.append(f" {name} was given {join_words(given)}{without}.")
    return "".join(sentences)


def _say_given(joining: Mapping[str, Collection[str]]) -> str:
    """Say what recipes that join LIDAR and place were told besides; nothing without any."""
    # Else "it saw no coordinates" would be said of recipes that did.
    sentences = []
    for has_district in (True, False):
        names = [name for name, knows in joining.items() if (DISTRICT in knows) == has_district]
        if names:
            was = "was" if len(names) == 1 else "were"
            district = " their district," if has_district else ""
            sentences.append(
                f" Only {join_words(names)} {was} told more: where areas lie,{district} and the "
                "scores of the training areas around them."
            )
    return "".join(sentences)
