"""How explanations stood their checks, and which maps that are wrong each check can tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from basrelief.explain.controls import find_verdict
from basrelief.run import Record
from basrelief.tell.facts import Panel, select
from basrelief.tell.page import figures
from basrelief.tell.page.chart import Statement
from basrelief.tell.words import (
    count,
    format_interval,
    join_words,
    name_target,
    open_sentence,
)

SENSE_OF_TEST = {True: "passes", False: "fails", None: "unjudged"}


@dataclass(frozen=True)
class Told:
    """What one check can tell, target by target: a row of the table."""

    test: str
    target: str
    cells: dict[str, Statement]
    """By control, whether the map is told from it."""

    counts: bool


@dataclass(frozen=True)
class Checks:
    """How the explanation of one recipe stood its tests."""

    recipe: str
    summary: str
    verdicts: list[Statement]
    """What the tests of each target's map come to."""

    failed: list[Record]
    others: list[Record]
    columns: list[str]
    """Controls, as the table heads them."""

    told: list[Told]
    """Of the checks that can tell anything, row by row; none where controls are not known."""

    blind: str
    """Which checks cannot tell a map from a shuffled one, in a sentence; empty without any."""

    chart: Panel | None = None
    """Curves of deletion and insertion, of the target that it predicts best."""


CONTROLS = {
    "shuffled": "the map shuffled",
    "target": "maps of other scores",
    "edges": "edges",
    "height": "height",
    "brightness": "brightness",
}
"""Maps that are wrong, as the table heads them."""

VERDICTS = {
    "stands": Statement("passes", "holds: it beats every wrong map"),
    "fails": Statement("fails", "fails a test"),
    "open": Statement("unjudged", "not shown: no test tells it from every wrong map"),
}
"""What tests come to."""

SENTENCES = {
    ("completeness", "areas"): (
        "The cells of each of {n} areas add up to what its ground adds to its prediction, to "
        "within {value:.1e} of the predictions' standard deviation."
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
        "flattening as much at random, the mean over {n} small areas."
    ),
    ("deletion", "chips"): (
        "Blanking the squares of a chip that heat ranks highest leaves the prediction {moved} than "
        "blanking as many at random, the mean over {n} chips."
    ),
    ("insertion", "areas"): (
        "With all of an area's ground flat, giving back what the map ranks highest leaves the "
        "prediction {moved} than giving back as much at random, the mean over {n} small areas."
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
        "Within {edge_cells} cells of the edge of what the network sees at once, ground says "
        "{value:.2f} times as much as elsewhere, in size."
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
    (
        "no edge",
        "areas",
    ): "No area has ground both beside the edge of what the network sees at once and elsewhere.",
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


def draw_move_panels(
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
    records: Sequence[Record],
    charts: Mapping[str, Panel] | None = None,
    controls: Sequence[Record] = (),
    doubted: Collection[tuple[str, str]] = (),
) -> list[Checks]:
    """Gather recipe by recipe what its tests come to, what failed first.

    Recipes of which everything is alike are told together.

    Parameters
    ----------
    controls
        Of ``explain/controls.json``.
    doubted
        Recipes and targets that cannot be told better than the mean.
    """
    alike: dict[str, list[str]] = {}
    for recipe in dict.fromkeys(record["recipe"] for record in records):
        nameless = [record | {"recipe": ""} for record in select(records, recipe=recipe)]
        # By its text, for a list of dictionaries cannot be a key.
        alike.setdefault(repr(nameless), []).append(recipe)
    shown = []
    for recipes in alike.values():
        tests, held = select(records, recipe=recipes[0]), select(controls, recipe=recipes[0])
        mine = [_mark(record, held) for record in tests]
        # Apart, for what failed stands open on the page while the rest is folded.
        failed = [record for record in mine if record["passes"] is False]
        verdicts = {
            target: find_verdict(select(tests, target=target))
            for target in dict.fromkeys(record["target"] for record in tests)
        }
        # They rest on one model, so that the curves of one are those of all.
        shown.append(
            Checks(
                recipe=join_words(recipes),
                summary=_sum_up(list(verdicts.values())),
                verdicts=[
                    _say_verdict(target, verdict, held, _find_doubted(recipes, target, doubted))
                    for target, verdict in verdicts.items()
                ],
                failed=failed,
                others=[record for record in mine if record not in failed],
                columns=_head_columns(held),
                told=list_told(tests, held),
                blind=say_blind(held),
                chart=(charts or {}).get(recipes[0]),
            )
        )
    return shown


def list_told(tests: Sequence[Record], controls: Sequence[Record]) -> list[Told]:
    """List what checks can tell, those alone that tell a map from a shuffled one somewhere."""
    seeing = {each["test"] for each in controls if each["control"] == "shuffled" and each["tells"]}
    rows = []
    for record in tests:
        key = {"target": record["target"], "test": record["test"]}
        held = select(controls, **key)
        if record["test"] not in seeing or not held:
            continue
        cells = {
            CONTROLS[kind]: _say_told(select(held, control=kind))
            for kind in dict.fromkeys(each["control"] for each in held)
        }
        rows.append(Told(record["test"], name_target(record["target"]), cells, record["counts"]))
    return rows


def say_blind(controls: Sequence[Record]) -> str:
    """Name the checks that pass for a shuffled map as for the true one.

    Examples
    --------
    >>> say_blind([{"test": "edges", "control": "shuffled", "tells": False}])
    'Edges cannot tell a map from the same map shuffled: it can find a fault, and clears no map.'
    """
    found: dict[str, bool] = {}
    for each in controls:
        if each["control"] == "shuffled":
            found[each["test"]] = found.get(each["test"], False) or each["tells"]
    blind = [test for test, tells in found.items() if not tells]
    if not blind:
        return ""
    them = (
        "they can find a fault, and clear" if len(blind) > 1 else "it can find a fault, and clears"
    )
    named = open_sentence(join_words(blind))
    return f"{named} cannot tell a map from the same map shuffled: {them} no map."


def _head_columns(controls: Sequence[Record]) -> list[str]:
    # Pictures have no height and areas no brightness: an empty column would look like a failure.
    known = {each["control"] for each in controls}
    return [words for kind, words in CONTROLS.items() if kind in known]


def _say_told(held: Sequence[Record]) -> Statement:
    """Say from how many controls of a kind a check tells the map, naming those it does not."""
    missed = [each for each in held if not each["tells"]]
    sense = "fails" if missed else "passes"
    if len(held) == 1 and held[0]["other"] is None:
        return Statement(sense, "cannot be told" if missed else "told")
    words = f"{len(held) - len(missed)} of {len(held)}"
    if missed:
        words += f", not {join_words([name_target(each['other']) for each in missed])}"
    return Statement(sense, words)


def _find_doubted(
    recipes: Sequence[str], target: str | None, doubted: Collection[tuple[str, str]]
) -> list[str]:
    return [recipe for recipe in recipes if (recipe, target) in doubted]


def _say_verdict(
    target: str | None, verdict: str, controls: Sequence[Record], doubted: Sequence[str]
) -> Statement:
    """Say what the tests of one target's map come to, and what it cannot be told from.

    Parameters
    ----------
    doubted
        Those of the map's recipes that cannot be told better than the mean.
    """
    said = VERDICTS[verdict]
    words = f"{open_sentence(name_target(target))}: {said.words}" if target else said.words
    if verdict == "open":
        missed = _name_missed(select(controls, target=target))
        words += f" ({missed})" if missed else ""
    if doubted:
        # That a map is its model's says nothing of whether the model is right.
        words += (
            f"; but {join_words(doubted)} cannot be told better than always predicting the mean "
            "here, so that the map shows what an answer that may be chance rests on"
        )
    return Statement(said.sense, words)


def _name_missed(controls: Sequence[Record]) -> str:
    """Name what the best of a map's tests does not tell it from; empty where that is unknown."""
    by_test: dict[str, list[str]] = {}
    for each in controls:
        missed = by_test.setdefault(each["test"], [])
        if not each["tells"]:
            is_other = each["control"] == "target"
            own = f"the map of {name_target(each['other'])}" if is_other else ""
            missed.append(own or CONTROLS[each["control"]])
    if not by_test:
        return ""
    # One test that tells a map from all controls is enough, so the nearest miss says most.
    test, missed = min(by_test.items(), key=lambda each: len(each[1]))
    return f"{test} comes nearest and cannot tell it from {join_words(missed)}"


def _mark(record: Record, controls: Sequence[Record]) -> Record:
    """Give a test's record its sense and sentence, and its target a name."""
    target = name_target(record["target"]) if record["target"] else ""
    sense = SENSE_OF_TEST[record["passes"]]
    # What passes for a wrong map as well is in no colour of what is good.
    sense = "uncounted" if sense == "passes" and not record["counts"] else sense
    added = {"sense": sense, "about": target}
    held = select(controls, target=record["target"], test=record["test"])
    words = say_check(record) + _say_held(held)
    return record | added | {"words": words}


def _say_held(controls: Sequence[Record]) -> str:
    """Say whether a check counts, by what it tells; empty where no control was tried."""
    if not controls:
        return ""
    n_told = sum(each["tells"] for each in controls)
    if n_told == len(controls):
        return f" It counts: it tells the map from all {n_told} wrong ones."
    return f" It does not count: it tells the map from {n_told} of {len(controls)} wrong ones."


def _sum_up(verdicts: Sequence[str]) -> str:
    """Sum up the verdicts on a recipe's maps, by number.

    Examples
    --------
    >>> _sum_up(["stands", "open", "open"])
    '1 of 3 maps shown to hold, 2 not shown'
    """
    words = f"{verdicts.count('stands')} of {count(len(verdicts), 'map')} shown to hold"
    for verdict, others in (("fails", "failing a test"), ("open", "not shown")):
        n_maps = verdicts.count(verdict)
        words += f", {n_maps} {others}" if n_maps else ""
    return words
