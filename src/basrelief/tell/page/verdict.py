"""The verdict: which recipe is worth having for which score, however ground is held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from basrelief.judge.baselines import BASELINES
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.knowledge import LIDAR, find_eyes, sees_lidar
from basrelief.run import Record
from basrelief.tell.facts import Facts, choose_unit, select
from basrelief.tell.findings import (
    THE_MEAN,
    Finding,
    group_findings,
    say_errors,
    say_headline,
    say_r2,
    warn_of_few,
    warn_of_leak,
    warn_of_random,
)
from basrelief.tell.gains import find_gain
from basrelief.tell.intervals import say_intervals
from basrelief.tell.page.chart import Row, Statement, choose_axis, plot_skill
from basrelief.tell.page.eyes import say_changes
from basrelief.tell.page.parts import say_joined
from basrelief.tell.page.summary import summarise
from basrelief.tell.senses import tell_comparison
from basrelief.tell.words import (
    format_length,
    join_words,
    name_apart,
    name_each,
    name_scheme,
    name_target,
    write_targets,
)

REASONS = {
    "no_intervals": "too few blocks or areas for ranges: the rest cannot be told from the mean",
    "none_better": f"the rest cannot be told from {THE_MEAN}",
    "simplest": "the simplest that beats the mean and that nothing beats",
    "lidar_adds": "the simplest of those to which LIDAR adds what is no chance; "
    "without it none has as much skill",
    "more_without_lidar": "nothing beats it, and it has more skill than the simplest of those with "
    "LIDAR that nothing beats",
    "most_skill": "the one with most skill of those that beat the mean, each beaten by another",
}
"""Why a recipe is preferred, by the code in ``evaluate/preferred.json``."""


KINDS = ("lidar", "both", "joined", "plain", "mean")
"""What a preferred recipe can rest on, as the legend tells it."""

REST = "what is known without it"

UNWORTHY = ("joined", "plain", "mean")
"""Groups of targets for which LIDAR is not worth having."""

COUNTS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}

SHORT = {"random": "chips at random", "area": "areas", "msoa": "MSOAs", "lad": "districts"}


@dataclass(frozen=True)
class Preferred:
    """The preferred recipe for one target and scheme."""

    recipe: str
    reason: str
    skill: float | None
    r2: float | None = None
    joins: bool = False
    """Whether it joins LIDAR and something else: place, or other eyes."""

    adds: bool = True
    """Whether it beats what differs from it in LIDAR alone."""

    sees_lidar: bool = True

    @property
    def kind(self) -> str:
        """What it rests on: lidar, both, plain (place, district or size), or the mean.

        ``joined`` where LIDAR and more are joined, and that LIDAR adds to it cannot be told.
        """
        if self.joins:
            return "both" if self.adds else "joined"
        if self.recipe == MEAN:
            return "mean"
        return "lidar" if self.sees_lidar and self.recipe not in BASELINES else "plain"


@dataclass(frozen=True)
class Group:
    """Targets whose preferred recipes rest on the same."""

    key: str
    statement: Statement
    targets: list[str]

    @property
    def named(self) -> str:
        """Its targets, as a sentence names them."""
        return write_targets(self.targets)


def gather(facts: Facts) -> dict[str, Any]:
    """Gather what the page says first: what to use, or what each recipe is worth."""
    findings, settings = facts.findings, facts.settings
    found = show_verdict(facts)
    # The grid of what is preferred takes the place of charts wherever there is one.
    rows = [] if found else [_show_finding(finding) for finding in findings]
    axis = choose_axis(rows)
    asked = [record for record in facts.scores if record["recipe"] in facts.asked]
    return {
        "headline": found["headline"] if found else say_headline(findings, settings),
        "summary": summarise(facts),
        "verdict": found,
        "joined": say_joined(facts) if found else [],
        "groups": _list_groups(found, findings),
        "rows": rows,
        "axis": axis,
        "is_cut": axis.cuts(rows),
        "errors": say_errors(findings),
        "intervals": say_intervals(finding.record for finding in findings),
        "by_district": [
            *say_changes(facts),
            *(note for t in facts.samples.targets if (note := facts.say_by_district(t))),
        ],
        "few": warn_of_few(findings),
        "warning": warn_of_leak(asked, facts.leakage, settings),
        "random": warn_of_random(facts.schemes),
    }


def _show_finding(finding: Finding) -> Row:
    """Show one skill where nothing could be preferred."""
    n = f"{finding.record['n']} held-out {finding.record['unit']}s"
    return Row(
        label=f"{name_target(finding.target)}, {finding.named}",
        points=(plot_skill(finding),),
        note=f"{n}, {say_r2(finding.record)}",
        # Why it cannot be told stands above, with all that it is alike in.
        statement=Statement(finding.sense, finding.words.split(" (")[0]),
    )


def _list_groups(
    found: dict[str, Any] | None, findings: Sequence[Finding]
) -> list[tuple[Statement, str]]:
    """List what is alike, with what it is alike in; nothing where the headline has said it."""
    if found:
        groups = [(group.statement, group.named) for group in found["groups"]]
        # Of one score the headline has said it all.
        return groups if len(groups) > 1 or len(found["grid"]) > 1 else []
    alike = group_findings(findings)
    groups = [(Statement(finding.sense, finding.words), named) for finding, named in alike]
    return groups if len(groups) > 1 else []


def find_preferred(facts: Facts, target: str) -> dict[str, Preferred]:
    """Find the preferred recipe by scheme: of areas, or of chips where no area was scored."""
    found = {}
    for scheme in facts.schemes:
        unit = choose_unit(facts.scores, target, scheme)
        wanted = {"target": target, "scheme": scheme, "unit": unit}
        for record in select(facts.judged.preferred, **wanted):
            recipe = record["recipe"]
            scored = select(facts.scores, recipe=recipe, **wanted)
            skill, r2 = (scored[0]["skill"], scored[0]["r2"]) if scored else (None, None)
            # Told apart from LIDAR alone, which would be given the credit for what place knows.
            gain = find_gain(facts, recipe, target, scheme, unit)
            # LIDAR alone is preferred for beating the mean: no pair of its own says so.
            adds = gain is None or tell_comparison(gain) == "better"
            knows = facts.judged.knows.get(recipe, ())
            sees, eyes = sees_lidar(knows), find_eyes(knows)
            has_more = sees and not set(eyes) <= set(LIDAR)
            joins = recipe in facts.joining or has_more
            # What has another eye more than its pair has not shown what LIDAR is worth.
            if has_more:
                apart = [] if gain is None else find_eyes(gain["differs_in"])
                adds = adds and len(apart) > 0 and set(apart) <= set(LIDAR)
            why = say_preference(record, facts.judged.find_apart)
            found[scheme] = Preferred(recipe, why, skill, r2, joins, adds, sees)
    return found


def show_verdict(facts: Facts) -> dict[str, Any] | None:
    """Gather the headline and the grid of preferred recipes; None where nothing was preferred.

    Chips at random hold out no ground and are left to the audit.
    """
    schemes = [scheme for scheme in facts.schemes if scheme != "random"]
    rows = {target: find_preferred(facts, target) for target in facts.samples.targets}
    grid = {
        target: {scheme: row[scheme] for scheme in schemes if scheme in row}
        for target, row in rows.items()
    }
    grid = {target: row for target, row in grid.items() if row}
    # Where no score has an interval nothing was compared, and there is nothing to prefer.
    lows = {record["skill_low"] for record in facts.scores if record["scheme"] in schemes}
    if not grid or lows == {None}:
        return None
    schemes = [scheme for scheme in schemes if any(scheme in row for row in grid.values())]
    how = f"with {name_scheme(schemes[0], facts.settings)}"
    how = how if len(schemes) == 1 else "however ground is held out"
    tables = name_each([eye for eye in facts.judged.list_eyes() if eye not in LIDAR])
    groups = group_by_worth(grid, how, tables, has_ground=facts.has_ground)
    shown = {choice.kind for row in grid.values() for choice in row.values()}
    usual = ("lidar", "plain", "mean") if facts.has_ground else ()
    return {
        "headline": say_verdict(groups, len(grid))
        if facts.has_ground
        else say_without_ground(groups, len(grid)),
        "has_ground": facts.has_ground,
        "groups": groups,
        "schemes": [(scheme, name_column(scheme, facts)) for scheme in schemes],
        "grid": grid,
        # Most runs join nothing: a sign that occurs nowhere would only puzzle.
        "kinds": [kind for kind in KINDS if kind in shown or kind in usual],
    }


def name_column(scheme: str, facts: Facts) -> str:
    """Name a scheme in as few words as head a column."""
    if scheme == "block":
        return f"{format_length(facts.settings.split.block_m)} blocks"
    return SHORT[scheme]


def group_by_worth(
    grid: dict[str, dict[str, Preferred]],
    how: str,
    tables: Sequence[str] = (),
    *,
    has_ground: bool = True,
) -> list[Group]:
    """Group targets by what their preferred recipes rest on, LIDAR first.

    Parameters
    ----------
    how
        How ground was held out.
    tables
        Eyes that are tables, by name.
    has_ground
        Whether anything looked at the ground: else nothing is to be told of LIDAR.
    """
    others = (
        join_words(["place", "district", *tables, "size"]) if tables else "place, district and size"
    )
    keys = ("always", "sometimes", "joined", "plain", "mean")
    members: dict[str, list[str]] = {key: [] for key in keys}
    for target, row in grid.items():
        kinds = {choice.kind for choice in row.values()}
        # LIDAR is praised only where every scheme needs it: one that place does as well says no.
        if kinds <= {"lidar", "both"}:
            members["always"].append(target)
        elif kinds & {"lidar", "both"}:
            members["sometimes"].append(target)
        else:
            members[next(key for key in keys[2:] if key in kinds)].append(target)
    statements = {
        "always": Statement("lidar", f"LIDAR is worth having {how}"),
        "sometimes": Statement("lidar", "LIDAR is worth having in some of the tests"),
        "joined": Statement("joined", f"that LIDAR adds to {REST} cannot be told"),
        "plain": Statement(
            "plain",
            f"that LIDAR adds to the best of {others} cannot be told"
            if has_ground
            else f"the best of {others} is better than the mean",
        ),
        "mean": Statement("mean", "whatever was asked cannot be told from the mean"),
    }
    return [
        Group(key, statement, members[key]) for key, statement in statements.items() if members[key]
    ]


def say_verdict(groups: Sequence[Group], n_targets: int) -> str:
    """Say in a sentence whether LIDAR is worth having.

    Examples
    --------
    >>> say_verdict([Group("mean", Statement("mean", ""), ["crime", "health"])], n_targets=2)
    'That LIDAR is worth having cannot be told for any of the 2 scores.'
    """
    by_key = {group.key: group for group in groups}
    if n_targets == 1:
        return f"For {groups[0].named}: {groups[0].statement.words}."
    sometimes = by_key.get("sometimes")
    if always := by_key.get("always"):
        rest = f"; for {sometimes.named}, in some of the tests only" if sometimes else ""
        return f"For {always.named}, {always.statement.words}{rest}.{_say_rest(groups)}"
    if sometimes:
        return f"For {sometimes.named}, {sometimes.statement.words}.{_say_rest(groups)}"
    return f"That LIDAR is worth having cannot be told for any of the {n_targets} scores."


def say_without_ground(groups: Sequence[Group], n_targets: int) -> str:
    """Say in a sentence for how many scores anything is told where nothing looks at the ground.

    Examples
    --------
    >>> say_without_ground([Group("mean", Statement("mean", ""), ["crime"])], n_targets=1)
    'No LIDAR was asked. That anything else that was given beats the mean cannot be told.'
    """
    told = [target for group in groups if group.key != "mean" for target in group.targets]
    opening = "No LIDAR was asked."
    if not told:
        return f"{opening} That anything else that was given beats the mean cannot be told."
    if len(told) == n_targets:
        what = write_targets(told) if n_targets == 1 else f"all {n_targets} scores"
        return f"{opening} For {what}, what else was given beats the mean."
    return (
        f"{opening} For {len(told)} of {n_targets} scores, what else was given beats the "
        f"mean: {write_targets(told)}."
    )


def _say_rest(groups: Sequence[Group]) -> str:
    """Say for how many scores LIDAR is not worth having; nothing where there are none."""
    n_others = sum(len(group.targets) for group in groups if group.key in UNWORTHY)
    if not n_others:
        return ""
    return f" For the other {COUNTS.get(n_others, n_others)} that cannot be told."


def say_preference(record: Record, find_apart: Callable[[str, str], Sequence[str]]) -> str:
    """Say why a recipe is preferred, from its record in ``evaluate/preferred.json``.

    Parameters
    ----------
    find_apart
        Gives the codes of what sets two recipes apart: all of it stands in brackets.

    Examples
    --------
    >>> found = {"recipe": "vgg16", "reason": "simplest", "alike": ["dense"]}
    >>> found |= {"beaten": {"area-size": ["vgg16"]}}
    >>> def find_apart(one, other):
    ...     return [] if "dense" in (one, other) else ["heights", "size"]
    >>> say_preference(found, find_apart).split("; ")[1:]
    ['area-size is beaten by vgg16 [LIDAR, size]', 'dense [how it is used] cannot be told better']
    """

    def name(other: str, beside: str) -> str:
        return name_apart(other, find_apart(other, beside))

    clauses = [REASONS[record["reason"]]]
    for lost, winners in record["beaten"].items():
        clauses.append(f"{lost} is beaten by {' and '.join(name(each, lost) for each in winners)}")
    if alike := [name(each, record["recipe"]) for each in record["alike"]]:
        clauses.append(f"{' and '.join(alike)} cannot be told better")
    return "; ".join(clauses)
