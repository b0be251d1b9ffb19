"""How explanations stood their checks: sentences, and curves of deletion and insertion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from basrelief.run import Record
from basrelief.tell.facts import Panel, select
from basrelief.tell.page import figures
from basrelief.tell.words import format_interval, join_words, name_target, open_sentence

SENSE_OF_TEST = {True: "passes", False: "fails", None: "unjudged"}


@dataclass(frozen=True)
class Checks:
    """How the explanation of one recipe stood its tests."""

    recipe: str
    summary: str
    failed: list[Record]
    others: list[Record]
    chart: Panel | None = None
    """Curves of deletion and insertion, of the target that it predicts best."""


SENTENCES = {
    ("completeness", "areas"): (
        "The cells of each of {n} areas add up to its prediction less the model's mean, to within "
        "{value:.1e} of the predictions' standard deviation."
    ),
    ("randomised weights", "areas"): (
        "With random weights in the network's place the map's rank correlation with the trained "
        "one is {value:.2f}, the mean over {n} areas and {n_random} networks."
    ),
    ("randomised weights", "chips"): (
        "With random weights in the network's place the heat's rank correlation with the trained "
        "network's is {value:.2f}, the mean over {n} chips."
    ),
    ("deletion", "areas"): (
        "Flattening the ground that the map ranks highest leaves the prediction {moved} than "
        "flattening as much at random, the mean over the {n} smallest areas."
    ),
    ("deletion", "chips"): (
        "Blanking the squares of a chip that heat ranks highest leaves the prediction {moved} than "
        "blanking as many at random, the mean over {n} chips."
    ),
    ("insertion", "areas"): (
        "With all of an area's ground flat, giving back what the map ranks highest leaves the "
        "prediction {moved} than giving back as much at random, the mean over the {n} smallest "
        "areas."
    ),
    ("insertion", "chips"): (
        "Giving a blank chip back the squares that heat ranks highest leaves the prediction "
        "{moved} than giving back as many at random, the mean over {n} chips."
    ),
    ("flat chips", "areas"): (
        "On ground that is flat everywhere cells differ by {value:.1e} of the standard deviation "
        "of what cells say on real ground."
    ),
    ("flat chips", "chips"): (
        "On a chip that is the same everywhere heat ranges over {value:.0%} of what it ranges over "
        "on real chips."
    ),
    ("edges", "areas"): (
        "Within {edge_cells} cells of the edge of a block, ground says {value:.2f} times as much "
        "as elsewhere, in size."
    ),
    ("edges", "chips"): (
        "In the outer eighth of a chip on each side heat is {value:.2f} times as strong as inside."
    ),
}
"""By check and what its samples are; a record fills them in."""

REASONS = {
    ("no map", "areas"): "The map says the same everywhere.",
    ("no map", "chips"): "There is no heat to compare.",
    ("predicted alike", "areas"): "All areas are predicted alike.",
    ("predicted alike", "chips"): "All chips are predicted alike.",
    ("no edge", "areas"): "No area has ground both beside the edge of a block and elsewhere.",
}
"""Why a check has no value."""


def say_check(record: Record) -> str:
    """Say what a check found.

    Parameters
    ----------
    record
        Of ``explain/tests.json``.

    Examples
    --------
    >>> say_check({"test": "edges", "of": "chips", "value": 0.584})
    'In the outer eighth of a chip on each side heat is 0.58 times as strong as inside.'
    """
    value = record["value"]
    if value is None:
        return REASONS[record["reason"], record["of"]]
    # A value above 0 is the right way: lower where ground goes, higher where it comes.
    is_lower = (record["test"] == "deletion") == (value >= 0)
    moved = f"{abs(value):.2f} standard deviations {'lower' if is_lower else 'higher'}"
    return SENTENCES[record["test"], record["of"]].format(**record, moved=moved)


def draw_moves(
    targets: Sequence[str], curves: Sequence[Record], tests: Sequence[Record]
) -> dict[str, Panel]:
    """Draw each recipe's curves of deletion and insertion, of the first target that has them."""
    charts = {}
    for recipe in dict.fromkeys(record["recipe"] for record in curves):
        known = {record["target"] for record in select(curves, recipe=recipe)}
        # Of one target: they come with the best predicted first.
        target = next((each for each in targets if each in known), None)
        if target is not None:
            mine = {"recipe": recipe, "target": target}
            by_test = {record["test"]: record for record in select(curves, **mine)}
            caption = _tell_moves(target, by_test, select(tests, **mine))
            alt = f"Two charts, {recipe}. {caption}"
            charts[recipe] = Panel(figures.draw_moves(by_test, alt), caption)
    return charts


def _tell_moves(target: str, by_test: Mapping[str, Record], tests: Sequence[Record]) -> str:
    """Say what the curves are, and how far apart."""
    name, one = name_target(target), next(iter(by_test.values()))
    measured = []
    for test in by_test:
        for record in select(tests, test=test)[:1]:
            interval = format_interval(record["value"], record["low"], record["high"])
            measured.append(f"{test} {interval}")
    between = f" Area between the curves: {join_words(measured)}." if measured else ""
    return (
        f"{open_sentence(name)}: how the prediction moves where ground is taken away, or "
        f"given back where all was blank; means over {one['n']} {one['of']}, in standard "
        f"deviations of the predictions. Where the map ranks well, the line as ranked lies "
        f"below the other as ground goes, and above it as ground comes.{between}"
    )


def show_tests(
    records: Sequence[Record], charts: Mapping[str, Panel] | None = None
) -> list[Checks]:
    """Gather recipe by recipe which tests its explanation passed, what failed first.

    A recipe alone and with place on top can rest on one model: then they are told together.
    """
    alike: dict[str, list[str]] = {}
    for recipe in dict.fromkeys(record["recipe"] for record in records):
        nameless = [record | {"recipe": ""} for record in select(records, recipe=recipe)]
        # By its text, for a list of dictionaries cannot be a key.
        alike.setdefault(repr(nameless), []).append(recipe)
    shown = []
    for recipes in alike.values():
        mine = [_mark(record) for record in select(records, recipe=recipes[0])]
        judged = [record for record in mine if record["passes"] is not None]
        # Apart, for what failed stands open on the page while the rest is folded.
        failed = [record for record in judged if not record["passes"]]
        others = [record for record in mine if record not in failed]
        # They rest on one model, so that the curves of one are those of all.
        summary, chart = _sum_up(len(judged), len(failed)), (charts or {}).get(recipes[0])
        shown.append(Checks(join_words(recipes), summary, failed, others, chart))
    return shown


def _mark(record: Record) -> Record:
    """Give a test's record its sense and sentence, and its target a name."""
    target = name_target(record["target"]) if record["target"] else ""
    added = {"sense": SENSE_OF_TEST[record["passes"]], "about": target}
    return record | added | {"words": say_check(record)}


def _sum_up(n_judged: int, n_failed: int) -> str:
    if not n_judged:
        return "no test could be judged"
    if not n_failed:
        return f"passes all of {n_judged} tests" if n_judged > 1 else "passes the one test"
    return f"fails {n_failed} of {n_judged} tests"
