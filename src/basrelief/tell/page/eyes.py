"""What each eye adds: each alone, all together, and all without each, held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from basrelief.config import name_eye
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.knowledge import HEIGHTS, PLACE, find_eyes
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.findings import Finding, say_r2
from basrelief.tell.gains import say_difference
from basrelief.tell.intervals import say_intervals
from basrelief.tell.page.chart import Chart, Row, Statement, choose_axis, plot_skill
from basrelief.tell.page.parts import say_posterior
from basrelief.tell.senses import tell_comparison
from basrelief.tell.words import (
    join_words,
    name_each,
    name_known,
    name_recipe,
    name_scheme,
    name_target,
    write_targets,
)


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather what each eye adds to all others; None where LIDAR is the only eye, or none is told.

    Everything is of areas. A gain is of the recipe of all eyes, with place and district, over the
    one of all but that eye: the two differ in it alone.
    """
    whole = find_whole(facts)
    if whole is None:
        return None
    parts = name_parts(facts, whole)
    order = [facts.shown_scheme, *(s for s in facts.schemes if s != facts.shown_scheme)]
    schemes = [found for scheme in order if (found := _show_scheme(facts, whole, parts, scheme))]
    if not schemes:
        return None
    means = [r for r in facts.judged.over_targets if r["unit"] == "area" and r["recipe"] in parts]
    return {
        "eyes": name_each(facts.judged.list_eyes()),
        "schemes": schemes,
        "release": say_release(facts, whole),
        "intervals": say_intervals(means),
    }


def find_whole(facts: Facts) -> str | None:
    """Find the recipe of all eyes with place; None where LIDAR is the only eye."""
    eyes = set(facts.judged.list_eyes())
    for record in facts.judged.recipes:
        if eyes and eyes <= set(record["knows"]) and PLACE in record["knows"]:
            # One that a user made of all eyes may lack the twins that the gains are over.
            if set(record["yardsticks"]) >= eyes:
                return str(record["recipe"])
    return None


def name_parts(facts: Facts, whole: str) -> dict[str, str]:
    """Name what is held against each other, by the recipe that speaks for it; the whole last."""
    knows, eyes = facts.judged.knows, facts.judged.list_eyes()
    twins = _find_twins(facts, whole)
    members = {
        m for record in select(facts.judged.member_weights, recipe=whole) for m in record["members"]
    }
    parts = {
        name: f"{name_known(known)} alone"
        for eye in eyes
        for name, known in knows.items()
        if list(known) == [eye] and name in members
    }
    # Without any eye: what knows as much of where areas are, and no more.
    where = set(knows[whole]) - set(eyes)
    blind = next((name for name, known in knows.items() if set(known) == where), None)
    parts |= {blind: name_recipe(blind)} if blind else {}
    parts |= {
        twin: f"all but {name_known([eye])}"
        for eye, twin in twins.items()
        if twin not in parts and twin != MEAN
    }
    return parts | {whole: "all eyes"}


def say_release(facts: Facts, whole: str) -> list[str]:
    """Say plainly where LIDAR adds nothing that can be told to a release that one has.

    A sentence a scheme; empty where no table is the last release.
    """
    tables = facts.settings.data.tables
    releases = [name_eye(key) for key, table in tables.items() if table.role == "last_release"]
    twin = _find_twins(facts, whole).get(HEIGHTS)
    if not releases or twin is None:
        return []
    known = [eye for eye in find_eyes(facts.judged.knows.get(twin, ())) if eye not in releases]
    given = f"{name_known(releases)}{f', {name_known(known)}' if known else ''} and where areas lie"
    sentences = []
    for scheme in facts.schemes:
        records = select(
            facts.judged.comparisons, recipe=whole, versus=twin, scheme=scheme, unit="area"
        )
        nothing = [r["target"] for r in records if tell_comparison(r) != "better"]
        if nothing:
            sentences.append(
                f"With {name_scheme(scheme, facts.settings)}, LIDAR adds nothing that can be told "
                f"to {given} for {write_targets(nothing)}: whoever has that release needs no LIDAR "
                "to predict it again."
            )
    return sentences


def _find_twins(facts: Facts, whole: str) -> dict[str, str]:
    """Find by eye what differs from the recipe of all eyes in that eye alone."""
    (record,) = select(facts.judged.recipes, recipe=whole)
    twins: dict[str, str] = record["yardsticks"]
    return twins


def _show_scheme(
    facts: Facts, whole: str, parts: dict[str, str], scheme: str
) -> dict[str, Any] | None:
    """Gather one scheme: the mean over targets, and each target; None without the whole."""
    means = {
        record["recipe"]: record
        for part in parts
        for record in select(facts.judged.over_targets, recipe=part, scheme=scheme, unit="area")
    }
    charts = [
        chart
        for target in facts.samples.targets
        if (chart := _show_target(facts, whole, parts, scheme, target)).rows
    ]
    if whole not in means or not charts:
        return None
    rows = _show_skills([means[part] for part in parts if part in means], parts, whole)
    scored = select(facts.scores, scheme=scheme, unit="area", recipe=whole)
    over = {versus: gain | {"versus": versus} for versus, gain in means[whole]["over"].items()}
    return {
        "held_out": name_scheme(scheme, facts.settings),
        "n_targets": means[whole]["n_targets"],
        "n": max(record["n"] for record in scored),
        "axis": choose_axis([*rows, *(row for chart in charts for row in chart.rows)]),
        "rows": rows,
        "gains": _say_gains(facts, whole, over),
        "charts": charts,
    }


def _show_skills(records: Sequence[Record], parts: dict[str, str], whole: str) -> list[Row]:
    """Make a row of each record with a skill; the whole stands out."""
    return [
        Row(
            label=parts[record["recipe"]],
            points=(plot_skill(Finding(record)),),
            note=f"{record['recipe']}, {say_r2(record)}",
            is_asked=record["recipe"] == whole,
        )
        for record in records
        if record["skill"] is not None
    ]


def _show_target(
    facts: Facts, whole: str, parts: dict[str, str], scheme: str, target: str
) -> Chart:
    """Gather one target's skills, what each eye adds, and how likely it says anything."""
    key = {"target": target, "scheme": scheme}
    records = [
        record for part in parts for record in select(facts.scores, recipe=part, unit="area", **key)
    ]
    against = select(facts.judged.comparisons, recipe=whole, unit="area", **key)
    gains = _say_gains(facts, whole, {record["versus"]: record for record in against})
    told = {statement.words: statement.sense for statement in gains}
    kept = select(facts.judged.member_weights, recipe=whole, **key)
    evidence = [
        sentence
        for record in kept
        if record["weighed_by"] == "posterior"
        for sentence in say_posterior(record["members"])
    ]
    # The words of all gains, and the sign of the best: a chart has one line of them.
    best = next((s for s in ("better", "even", "worse") if s in told.values()), None)
    return Chart(
        title=name_target(target),
        rows=_show_skills(records, parts, whole),
        statement=Statement(best, "; ".join(told)) if best else None,
        because=f". {' '.join(evidence)}" if best else " ".join(evidence),
    )


def _say_gains(facts: Facts, whole: str, over: dict[str, Record]) -> list[Statement]:
    """Say what each eye adds to all others, from the whole's comparisons by what it is held against."""
    gains = []
    for eye, twin in _find_twins(facts, whole).items():
        others = [each for each in find_eyes(facts.judged.knows.get(whole, ())) if each != eye]
        named = join_words([*name_each(others), "where areas lie"])
        found = say_difference(over[twin], named) if twin in over else None
        if found:
            gains.append(Statement(found[0], f"{name_known([eye])} {found[1]}"))
    return gains
