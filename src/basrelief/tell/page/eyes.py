"""What each eye adds: every eye alone, all together, and all without each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from basrelief.chips.since import SINCE, list_releases
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.knowledge import HEIGHTS, find_eyes, order_codes
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.gains import PLURAL, find_whole, name_sets, say_difference, word_eye
from basrelief.tell.intervals import say_intervals
from basrelief.tell.page.chart import Chart, Statement, show_skills
from basrelief.tell.page.parts import find_means, list_scores, say_posterior, show_together
from basrelief.tell.senses import tell_comparison
from basrelief.tell.words import (
    join_words,
    name_each,
    name_known,
    name_scheme,
    name_target,
    open_sentence,
    write_targets,
)

BESIDE_EYES = "where areas lie"
"""What every recipe of several eyes knows besides: place and, where it counts, district."""


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
        "release": [*say_release(facts, whole), *say_changes(facts)],
        "intervals": say_intervals(means),
    }


def name_parts(facts: Facts, whole: str) -> dict[str, str]:
    """Name what is held against each other, by the recipe that speaks for it; the whole last."""
    knows, eyes = facts.judged.knows, facts.judged.list_eyes()
    twins = _find_twins(facts, whole)
    speakers = name_sets(facts, whole)
    parts = {
        name: f"{name_known([eye])} alone"
        for eye in eyes
        for name, own in speakers.items()
        if own == eye
    }
    # Without any eye: what knows as much of where areas are, and no more.
    where = set(knows[whole]) - set(eyes)
    blind = next((name for name, known in knows.items() if set(known) == where), None)
    parts |= {blind: f"no eye: {name_known(order_codes(where))}"} if blind else {}
    parts |= {
        twin: f"all but {name_known([eye])}"
        for eye, twin in twins.items()
        # All but the only eye is no eye, which has its row already.
        if twin not in parts and twin != MEAN
    }
    return parts | {whole: "all eyes"}


def say_changes(facts: Facts) -> list[str]:
    """Say what a change since the last release is, and what of it its release tells by itself.

    A sentence where there is such a target; empty elsewhere.
    """
    changes = [target for target in facts.samples.targets if target.endswith(SINCE)]
    releases = list_releases(facts.settings)
    if not changes or not releases:
        return []
    return [
        f"{open_sentence(write_targets(changes))}: scores of two releases are on no common scale, "
        "so a change is the normal score of an area's rank now less the one of its rank then, "
        "among the areas that both know; 1 is a standard deviation, and above 0 the score rose "
        "past others. By construction such a change goes against the last release: what was "
        "high then by chance is less so now (regression to the mean). What "
        f"{join_words(name_each(releases))} tells of it is first of all that, and no foresight."
    ]


def say_release(facts: Facts, whole: str) -> list[str]:
    """Say plainly where it cannot be told that LIDAR adds to a release that one has.

    A sentence for schemes that say the same; empty where no table is the last release.
    """
    releases = list_releases(facts.settings)
    twin = _find_twins(facts, whole).get(HEIGHTS)
    if not releases or twin is None:
        return []
    others = [eye for eye in find_eyes(facts.judged.knows.get(twin, ())) if eye not in releases]
    given = join_words([*name_each([*releases, *others]), BESIDE_EYES])
    schemes_of: dict[tuple[str, ...], list[str]] = {}
    for scheme in facts.schemes:
        key = {"scheme": scheme, "unit": "area"}
        records = select(facts.judged.comparisons, recipe=whole, versus=twin, **key)
        nothing = tuple(r["target"] for r in records if tell_comparison(r) != "better")
        if nothing:
            schemes_of.setdefault(nothing, []).append(name_scheme(scheme, facts.settings))
    return [
        f"With {' and with '.join(schemes)}, that LIDAR adds to {given} for "
        f"{write_targets(nothing)} cannot be told. Where that release is at hand, LIDAR is "
        "not known to be needed."
        for nothing, schemes in schemes_of.items()
    ]


def _find_twins(facts: Facts, whole: str) -> dict[str, str]:
    """Find by eye what differs from the recipe of all eyes in that eye alone."""
    (record,) = select(facts.judged.recipes, recipe=whole)
    twins: dict[str, str] = record["yardsticks"]
    return twins


def _show_scheme(
    facts: Facts, whole: str, parts: dict[str, str], scheme: str
) -> dict[str, Any] | None:
    """Gather one scheme: the mean over targets, and each target; None without the whole."""
    charts = [_show_target(facts, whole, parts, scheme, t) for t in facts.samples.targets]
    found = show_together(facts, whole, parts, scheme, charts, names_recipes=True)
    if found is None:
        return None
    (mean,) = find_means(facts, [whole], scheme).values()
    over = {versus: gain | {"versus": versus} for versus, gain in mean["over"].items()}
    return found | {"gains": _say_gains(facts, whole, over)}


def _show_target(
    facts: Facts, whole: str, parts: dict[str, str], scheme: str, target: str
) -> Chart:
    """Gather one target's skills, and under the whole's what each eye adds to all others."""
    key = {"target": target, "scheme": scheme}
    against = select(facts.judged.comparisons, recipe=whole, unit="area", **key)
    over = {record["versus"]: record for record in against}
    gains = tuple(_say_gains(facts, whole, over))
    records = list_scores(facts, parts, target, scheme)
    rows = show_skills(records, parts, whole, names_recipes=True)
    return Chart(
        title=name_target(target),
        rows=[replace(row, versus=gains) if row.is_asked else row for row in rows],
        because=_say_evidence(facts, whole, over, key),
    )


def _say_evidence(facts: Facts, whole: str, over: dict[str, Record], key: dict[str, str]) -> str:
    """Say how likely each eye whose gain is told says something beside the others."""
    twins, sentences = _find_twins(facts, whole), list[str]()
    names = {eye: name for name, eye in name_sets(facts, whole).items()}
    for record in select(facts.judged.member_weights, recipe=whole, **key):
        for eye, twin in twins.items():
            # Beside a gain that may be chance, a likelihood would pass for a claim of the same.
            is_told = twin in over and tell_comparison(over[twin]) == "better"
            share = record["members"].get(names.get(eye, ""))
            if is_told and share is not None and record["weighed_by"] == "posterior":
                says = "say" if eye in PLURAL else "says"
                likely = {name_known([eye]): share}
                sentences += say_posterior(likely, "the others and place", says)
    return " ".join(sentences)


def _say_gains(facts: Facts, whole: str, over: dict[str, Record]) -> list[Statement]:
    """Say what each eye adds to all others, from the whole's comparisons by the other recipe."""
    gains = []
    for eye, twin in _find_twins(facts, whole).items():
        others = [each for each in find_eyes(facts.judged.knows.get(whole, ())) if each != eye]
        named = join_words([*name_each(others), BESIDE_EYES])
        found = say_difference(over[twin], named, word_eye(eye)) if twin in over else None
        if found:
            gains.append(Statement(found[0], f"{name_known([eye])} {found[1]}"))
    return gains
