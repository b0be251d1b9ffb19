"""What kinds of ground add to predictions and where the heat of chips lies, in tables and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from basrelief.explain.kinds import EDGES, HEAT_UNIT, KINDS, SIDES, TOP_AND_BOTTOM
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.page.chart import Statement
from basrelief.tell.page.doubts import say_doubt
from basrelief.tell.senses import tell_sense
from basrelief.tell.words import format_interval, join_words

KIND_WORDS = {
    "open and flat": "open flat ground",
    "low and rough": "low rough ground and trees",
    EDGES: "the edges of the chip",
    TOP_AND_BOTTOM: "the top and bottom edges",
    SIDES: "the left and right edges",
}
"""Kinds of ground as a sentence says them, where that is not their name."""

TOLD_PART = 0.05
"""Of what the kind that adds most adds: from there on a sentence tells what another adds."""


@dataclass(frozen=True)
class Kinds:
    """What one recipe makes of kinds of ground where it predicts one target."""

    target: str
    recipe: str
    sentence: str
    cells: dict[str, Statement]
    """By kind, what it adds, with its interval."""

    doubt: str = ""
    """That the recipe itself cannot be told better than the mean, in a sentence."""


@dataclass(frozen=True)
class KindTable:
    """Figures of one unit, which can be compared with each other and with no others."""

    shares: dict[str, float]
    """By kind, its share of the ground: the columns."""

    rows: list[Kinds]

    tried: str
    """How many figures were tried, how many hold, and how many chance gives, in a sentence."""

    @property
    def has_kinds(self) -> bool:
        """Whether there is more than the edges of chips: heights are known."""
        return any(kind in KINDS for kind in self.shares)


def show_kinds(facts: Facts, records: Sequence[Record]) -> KindTable | None:
    """Gather, target by target, what each kind of ground adds, of the recipe shown where it can."""
    added = [record for record in records if record["unit"] != HEAT_UNIT]
    rows = []
    for target in facts.samples.targets:
        mine = select(added, target=target)
        recipes = list(dict.fromkeys(record["recipe"] for record in mine))
        # The one whose prediction is shown comes first; where it has no kinds another's are told.
        recipes.sort(key=lambda recipe: recipe != facts.shown.get(target))
        if recipes:
            mine = select(mine, recipe=recipes[0])
            rows.append(_show_kinds(facts, mine, say_kinds(mine)))
    told = [record for record in added if (record["target"], record["recipe"]) in _keys(rows)]
    return KindTable(_average_shares(added), rows, say_tried(told)) if rows else None


def show_heat(facts: Facts, records: Sequence[Record]) -> KindTable | None:
    """Gather where the heat of each network and target lies."""
    hot = [record for record in records if record["unit"] == HEAT_UNIT]
    rows = []
    for recipe, target in dict.fromkeys((each["recipe"], each["target"]) for each in hot):
        mine = select(hot, recipe=recipe, target=target)
        rows.append(_show_kinds(facts, mine, say_heat(mine)))
    return KindTable(_average_shares(hot), rows, say_tried(hot)) if rows else None


def tell_kind(record: Record) -> str:
    """Tell whether a kind of ground adds to a prediction or takes away, as far as that holds.

    Examples
    --------
    >>> tell_kind({"contribution": 0.5, "low": 0.2, "high": 0.8, "holds": True})
    'raises'
    >>> tell_kind({"contribution": 0.5, "low": 0.2, "high": 0.8})
    'even'
    """
    # Of forty intervals of 95 % two leave 0 out by luck: only what holds over all of them counts,
    # and then its sign is known.
    if not record.get("holds"):
        return "even"
    return "raises" if record["contribution"] > 0 else "lowers"


def say_tried(records: Sequence[Record]) -> str:
    """Say how many figures were tried, how many hold, and how many chance gives.

    Examples
    --------
    >>> sure = {"contribution": 0.5, "low": 0.2, "high": 0.8, "holds": True}
    >>> say_tried([sure, sure | {"holds": False}, sure | {"low": None, "high": None}])[:62]
    '2 figures were tried together, and 1 holds over all of them. J'
    """
    # Without an interval nothing was tried: a kind that lies in no chip, or on too few blocks.
    tried = [record for record in records if record["low"] is not None]
    if not tried:
        return ""
    n_held = sum(tell_kind(record) != "even" for record in tried)
    # Beside what luck gives, or a reader would take the table one figure at a time.
    n_alone = sum(tell_sense(record["low"], record["high"]) != "even" for record in tried)
    return (
        f"{len(tried)} figures were tried together, and {n_held or 'none'} "
        f"{'hold' if n_held > 1 else 'holds'} over all of them. Judged one by one, {n_alone} "
        f"would; by luck alone it would be about {len(tried) / 20:.1g}."
    )


def _keys(rows: Sequence[Kinds]) -> set[tuple[str, str]]:
    return {(row.target, row.recipe) for row in rows}


def _show_kinds(facts: Facts, mine: Sequence[Record], sentence: str) -> Kinds:
    """Show what one recipe makes of kinds of ground for one target, and what speaks against it."""
    recipe, target = str(mine[0]["recipe"]), str(mine[0]["target"])
    doubt = say_doubt(facts, facts.find_speaker(recipe), [target])
    return Kinds(target, recipe, sentence, _fill_cells(mine), doubt)


def _average_shares(records: Sequence[Record]) -> dict[str, float]:
    """Average each kind's share of the ground: the chips of two targets are not quite the same."""
    shares: dict[str, list[float]] = {}
    for record in records:
        if record["share_of_ground"] is not None:
            shares.setdefault(record["kind"], []).append(float(record["share_of_ground"]))
    return {kind: sum(found) / len(found) for kind, found in shares.items()}


def say_kinds(records: Sequence[Record]) -> str:
    """Say in a sentence what raises a prediction and what lowers it, where that holds.

    What is sure but next to nothing (under `TOLD_PART` of the most) is left to the table.

    Examples
    --------
    >>> large = {"kind": "large buildings", "contribution": 0.5, "low": 0.2, "high": 0.8}
    >>> flat = {"kind": "open and flat", "contribution": -0.3, "low": -0.4, "high": -0.2}
    >>> large, flat = large | {"holds": True}, flat | {"holds": True}
    >>> say_kinds([large, flat])
    'large buildings raise it; open flat ground lowers it'
    >>> say_kinds([large, flat | {"contribution": -0.01, "low": -0.02, "high": -0.01}])
    'large buildings raise it'
    >>> say_kinds([large | {"holds": False}])
    'whether any kind of ground raises or lowers it cannot be told'
    """
    # The edge of a chip is where it was cut, and no kind of ground.
    ground = [record for record in records if record["kind"] != EDGES]
    least = TOLD_PART * max((abs(record["contribution"]) for record in ground), default=0.0)
    ground = [record for record in ground if abs(record["contribution"]) >= least]
    raises = [_name(r) for r in ground if tell_kind(r) == "raises"]
    lowers = [_name(r) for r in ground if tell_kind(r) == "lowers"]
    clauses = [
        f"{join_words(names)} {verb if _is_many(names) else f'{verb}s'} it"
        for names, verb in ((raises, "raise"), (lowers, "lower"))
        if names
    ]
    if not clauses:
        return "whether any kind of ground raises or lowers it cannot be told"
    return "; ".join(clauses)


def say_heat(records: Sequence[Record]) -> str:
    """Say in a sentence where heat is higher or lower than beside it, where that holds.

    Examples
    --------
    >>> rim = {"kind": "top and bottom edges", "contribution": 0.5, "low": 0.2, "high": 0.8}
    >>> flat = {"kind": "open and flat", "contribution": -0.3, "low": -0.4, "high": -0.2}
    >>> rim, flat = rim | {"holds": True}, flat | {"holds": True}
    >>> say_heat([rim, flat])
    'heat is higher on the top and bottom edges and lower on open flat ground than on the rest'
    >>> say_heat([rim | {"kind": name} for name in (EDGES, TOP_AND_BOTTOM, SIDES)])
    'heat is higher on the edges of the chip than on the rest'
    >>> say_heat([rim | {"holds": False}])
    'whether heat is higher or lower anywhere than on the rest cannot be told'
    """
    clauses = []
    for word, sense in (("higher", "raises"), ("lower", "lowers")):
        found = [r for r in records if tell_kind(r) == sense]
        kinds = {record["kind"] for record in found}
        # Where all edges are alike, each need not be told.
        implied = {TOP_AND_BOTTOM, SIDES} if {EDGES, TOP_AND_BOTTOM, SIDES} <= kinds else set()
        if found:
            names = [_name(record) for record in found if record["kind"] not in implied]
            clauses.append(f"{word} on {join_words(names)}")
    if not clauses:
        return "whether heat is higher or lower anywhere than on the rest cannot be told"
    return f"heat is {' and '.join(clauses)} than on the rest"


def _name(record: Record) -> str:
    return KIND_WORDS.get(record["kind"], str(record["kind"]))


def _is_many(names: Sequence[str]) -> bool:
    """Whether a verb after these names is plural."""
    return len(names) > 1 or names[0].endswith("s")


def _fill_cells(records: Sequence[Record]) -> dict[str, Statement]:
    """Write contributions and their intervals, by kind."""
    return {
        record["kind"]: Statement(
            tell_kind(record),
            format_interval(record["contribution"], record["low"], record["high"]),
        )
        for record in records
    }
