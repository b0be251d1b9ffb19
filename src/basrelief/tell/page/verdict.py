"""The verdict: which recipe is worth having for which score, however ground is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from basrelief.judge.baselines import DISTRICT, PLACE, SIZE
from basrelief.judge.compare import MEAN
from basrelief.run import Record
from basrelief.tell.facts import Facts, choose_unit, select
from basrelief.tell.findings import (
    THE_MEAN,
    Finding,
    group_findings,
    say_errors,
    say_headline,
    warn_of_few,
    warn_of_leak,
)
from basrelief.tell.page.chart import Row, Statement, choose_axis, plot_skill
from basrelief.tell.page.parts import say_joined
from basrelief.tell.words import format_length, name_scheme, name_target, name_targets

REASONS = {
    "no_intervals": "too few places for intervals: nothing can be told from the mean",
    "none_better": f"nothing can be told from {THE_MEAN}",
    "simplest": "the simplest that beats the mean and that nothing beats",
    "most_skill": "the one with most skill of those that beat the mean, each beaten by another",
}
"""Why a recipe is preferred, by the code in ``evaluate/preferred.json``."""


KINDS = ("lidar", "both", "plain", "mean")
"""What a preferred recipe can rest on, as the legend tells it."""

COUNTS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}

SHORT = {"random": "chips at random", "area": "areas", "msoa": "MSOAs", "lad": "districts"}


@dataclass(frozen=True)
class Choice:
    """The preferred recipe for one target and scheme."""

    recipe: str
    reason: str
    skill: float | None
    joins_place: bool = False
    """Whether it joins LIDAR and place."""

    @property
    def kind(self) -> str:
        """What it rests on: lidar, both, plain (place, district or size), or the mean."""
        if self.joins_place:
            return "both"
        if self.recipe == MEAN:
            return "mean"
        return "plain" if self.recipe in (DISTRICT, SIZE, PLACE) else "lidar"


@dataclass(frozen=True)
class Group:
    """Targets whose preferred recipes rest on the same."""

    key: str
    statement: Statement
    targets: list[str]

    @property
    def named(self) -> str:
        """Its targets, as a sentence names them."""
        return name_targets(self.targets)


def gather(facts: Facts) -> dict[str, Any]:
    """Gather what the page says first: what to use, or what each recipe is worth."""
    findings, settings = facts.findings, facts.settings
    found = show_verdict(facts)
    rows = [] if found else [_show_finding(finding) for finding in findings]
    axis = choose_axis(rows)
    asked = [record for record in facts.scores if record["recipe"] in facts.asked]
    return {
        "headline": found["headline"] if found else say_headline(findings, settings),
        "verdict": found,
        "joined": say_joined(facts) if found else [],
        "groups": _list_groups(found, findings),
        "rows": rows,
        "axis": axis,
        "is_cut": axis.cuts(rows),
        "errors": say_errors(findings),
        "by_district": [note for t in facts.samples.targets if (note := facts.say_by_district(t))],
        "few": warn_of_few(findings),
        "warning": warn_of_leak(asked, facts.leakage, settings),
        "is_random": facts.schemes == ["random"],
        "publication": facts.publication,
    }


def _show_finding(finding: Finding) -> Row:
    """Show one skill where nothing could be preferred."""
    n = f"{finding.record['n']} held-out {finding.record['unit']}s"
    return Row(
        label=f"{name_target(finding.target)}, {finding.recipe}",
        points=(plot_skill(finding),),
        note=n,
        statement=Statement(finding.sense, finding.words),
    )


def _list_groups(
    found: dict[str, Any] | None, findings: Sequence[Finding]
) -> list[tuple[Statement, str]]:
    """List what is alike, with what it is alike in; nothing where the headline has said it."""
    if found:
        groups = [(group.statement, group.named) for group in found["groups"]]
        return groups if len(groups) > 1 or len(found["grid"]) > 1 else []
    alike = group_findings(findings)
    groups = [(Statement(finding.sense, finding.words), named) for finding, named in alike]
    return groups if len(groups) > 1 else []


def find_choices(facts: Facts, target: str) -> dict[str, Choice]:
    """Find the preferred recipe by scheme: of areas, or of chips where no area was scored."""
    found = {}
    for scheme in facts.schemes:
        unit = choose_unit(facts.scores, target, scheme)
        wanted = {"target": target, "scheme": scheme, "unit": unit}
        for record in select(facts.judged.preferred, **wanted):
            scored = select(facts.scores, recipe=record["recipe"], **wanted)
            skill = scored[0]["skill"] if scored else None
            joins = record["recipe"] in facts.joining
            found[scheme] = Choice(record["recipe"], say_preference(record), skill, joins)
    return found


def show_verdict(facts: Facts) -> dict[str, Any] | None:
    """Gather the headline and the grid of preferred recipes; None where nothing was preferred.

    Chips at random hold out no ground and are left to the audit.
    """
    schemes = [scheme for scheme in facts.schemes if scheme != "random"]
    rows = {target: find_choices(facts, target) for target in facts.samples.targets}
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
    groups = group_targets(grid, how if len(schemes) == 1 else "however ground is held out")
    shown = {choice.kind for row in grid.values() for choice in row.values()}
    return {
        "headline": say_worth(groups, len(grid)),
        "groups": groups,
        "schemes": [(scheme, name_column(scheme, facts)) for scheme in schemes],
        "grid": grid,
        "kinds": [kind for kind in KINDS if kind != "both" or kind in shown],
        "n_tests": sum(len(row) for row in grid.values()),
    }


def name_column(scheme: str, facts: Facts) -> str:
    """Name a scheme in as few words as head a column."""
    if scheme == "block":
        return f"{format_length(facts.settings.split.block_m)} blocks"
    return SHORT[scheme]


def group_targets(grid: dict[str, dict[str, Choice]], how: str) -> list[Group]:
    """Group targets by what their preferred recipes rest on, LIDAR first."""
    members: dict[str, list[str]] = {"always": [], "sometimes": [], "plain": [], "mean": []}
    for target, row in grid.items():
        kinds = {choice.kind for choice in row.values()}
        if kinds <= {"lidar", "both"}:
            members["always"].append(target)
        elif kinds & {"lidar", "both"}:
            members["sometimes"].append(target)
        else:
            members["plain" if "plain" in kinds else "mean"].append(target)
    statements = {
        "always": Statement("lidar", f"LIDAR is worth having {how}"),
        "sometimes": Statement("lidar", "LIDAR is worth having in some of the tests"),
        "plain": Statement("plain", "no LIDAR recipe beats the best of place, district and size"),
        "mean": Statement("mean", "nothing can be told from always predicting the mean"),
    }
    return [
        Group(key, statement, members[key]) for key, statement in statements.items() if members[key]
    ]


def say_worth(groups: Sequence[Group], n_targets: int) -> str:
    """Say in a sentence whether LIDAR is worth having.

    Examples
    --------
    >>> say_worth([Group("mean", Statement("mean", ""), ["crime", "health"])], n_targets=2)
    'LIDAR is worth having for none of the 2 scores.'
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
    return f"LIDAR is worth having for none of the {n_targets} scores."


def _say_rest(groups: Sequence[Group]) -> str:
    """Say for how many scores LIDAR is not worth having; nothing where there are none."""
    n_others = sum(len(group.targets) for group in groups if group.key in ("plain", "mean"))
    if not n_others:
        return ""
    return f" For the other {COUNTS.get(n_others, n_others)} it is not."


def say_preference(record: Record) -> str:
    """Say why a recipe is preferred, from its record in ``evaluate/preferred.json``.

    Examples
    --------
    >>> found = {"reason": "simplest", "beaten": {"area-size": ["vgg16"]}, "alike": ["dense"]}
    >>> say_preference(found).split("; ")[1:]
    ['area-size is beaten by vgg16', 'dense cannot be told better']
    """
    clauses = [REASONS[record["reason"]]]
    clauses += [f"{name} is beaten by {' and '.join(by)}" for name, by in record["beaten"].items()]
    if record["alike"]:
        clauses.append(f"{' and '.join(record['alike'])} cannot be told better")
    return "; ".join(clauses)
