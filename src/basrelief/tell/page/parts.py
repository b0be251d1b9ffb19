"""What each part brings: LIDAR, place, and both together, held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from basrelief.judge.baselines import PLACE_ALONE
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.knowledge import LIDAR, find_eyes, sees_lidar
from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.gains import find_gain, say_difference
from basrelief.tell.intervals import say_intervals, write_range
from basrelief.tell.page.chart import Chart, Statement, choose_axis, show_skills
from basrelief.tell.senses import tell_comparison
from basrelief.tell.words import (
    format_number,
    format_percent,
    join_words,
    name_known,
    name_recipe,
    name_scheme,
    name_target,
    write_targets,
)

ALWAYS = 0.995
"""A share that is written as 100 %."""


UNTOLD = (0.25, 0.75)
"""Between these a probability that was one half before any label says nothing worth a mention: the
labels are less than three times as likely one way as the other (Kass and Raftery 1995)."""


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather what each part brings to every recipe that was asked for and has several.

    Such recipes join LIDAR with place (a kriged recipe) or several recipes (a stack). None where
    none was asked for, or no mean over targets may be told.
    """
    # The page shows the first and folds the others.
    order = [facts.shown_scheme, *(s for s in facts.schemes if s != facts.shown_scheme)]
    shown = []
    for name in facts.asked:
        parts = name_components(facts, name)
        found = [_show_scheme(facts, name, parts, scheme) for scheme in order] if parts else []
        schemes = [scheme for scheme in found if scheme]
        if schemes:
            joins = name in facts.joining
            shown.append({"recipe": name, "joins_place": joins, "schemes": schemes})
    means = [r for r in facts.judged.over_targets if r["unit"] == "area"]
    return {"parts": shown, "intervals": say_intervals(means)} if shown else None


def name_components(facts: Facts, name: str) -> dict[str, str]:
    """Name the parts of a recipe, by the recipe that speaks for each; none for most.

    Returns
    -------
    Labels by recipe, the whole last.
    """
    # With other eyes than LIDAR a recipe is told of by eye.
    if set(find_eyes(facts.judged.knows.get(name, ()))) - set(LIDAR):
        return {}
    without = {other: name_recipe(other) for other in (PLACE_ALONE, _find_yardstick(facts, name))}
    # Every skill is over the mean already: a row of its own would say 0.
    without.pop(MEAN, None)
    if name in facts.joining:
        lidar = facts.joining[name]
        # Where none was scored that speaks for LIDAR alone, place and both are left to compare.
        parts = {lidar: "LIDAR alone"} if lidar else {}
        return parts | without | {name: "both"}
    members = {
        m for record in select(facts.judged.member_weights, recipe=name) for m in record["members"]
    }
    # Most recipes weigh nothing, or nothing but themselves.
    if members <= {name}:
        return {}
    alone = {member: f"{member} alone" for member in facts.recipes if member in members}
    return alone | without | {name: "together"}


def _find_yardstick(facts: Facts, name: str) -> str:
    """Find what differs from a recipe in LIDAR alone."""
    return facts.judged.yardsticks.get(name, MEAN)


def say_joined(facts: Facts) -> list[tuple[str, str]]:
    """Say of each recipe that joins LIDAR and place what LIDAR adds in it, for the verdict.

    Returns
    -------
    Names, and what is said of them in sentences.
    """
    sentences = []
    # Chips at random hold no ground out.
    schemes = [scheme for scheme in facts.schemes if scheme != "random"]
    for name in facts.joining:
        parts = [part for scheme in schemes if (part := _say_beaten(facts, name, scheme))]
        if parts:
            sentences.append((name, " ".join(parts)))
    return sentences


def _say_beaten(facts: Facts, name: str, scheme: str) -> str:
    """Say for which targets a recipe beats its yardstick, and what it adds to it over all."""
    key = {"recipe": name, "scheme": scheme, "unit": "area"}
    yardstick = _find_yardstick(facts, name)
    against = select(facts.judged.comparisons, versus=yardstick, **key)
    if not against:
        return ""
    won = write_targets([r["target"] for r in against if tell_comparison(r) == "better"])
    held_out = name_scheme(scheme, facts.settings)
    other = name_recipe(yardstick)
    # That it beats none is not known: it cannot be told.
    found = f"it beats {other} for {won}" if won else f"that it beats {other} cannot be told"
    sentence = f"With {held_out} {found}"
    means = select(facts.judged.over_targets, **key)
    apart = _say_apart(means[0]) if means and len(against) > 1 else ""
    return f"{sentence}; over all {len(against)} scores {apart}." if apart else f"{sentence}."


def _say_apart(record: Record) -> str:
    """Say how far two recipes' skills are apart; nothing where there is no interval."""
    difference, low, high = (record.get(key) for key in ("difference", "low", "high"))
    if difference is None or low is None or high is None:
        return ""
    if tell_comparison(record) == "even":
        amount = f"{format_number(difference)} {write_range(low, high, record)}"
        return f"the two cannot be told apart: {amount}"
    # Without their signs and the smaller first: "lower" has said which way.
    least, most = sorted((abs(low), abs(high)))
    ends = write_range(least, most, record)
    word = "higher" if low > 0 else "lower"
    return f"its skill is {format_number(abs(difference))} {ends} {word}"


def say_kept(record: Record | None, joins_place: bool, adds: bool = False) -> str:
    """Say how far the parts are trusted, and how often nothing was learnt.

    Parameters
    ----------
    adds
        Whether it is told of the recipe that LIDAR adds to it, for this target and scheme.

    Examples
    --------
    >>> record = {"members": {"dense-vgg16": 0.3}, "fallback_share": 0.54, "weighed_by": "stacking"}
    >>> say_kept(record, joins_place=True)
    'Inner folds kept 30% of what LIDAR says; in 54% of the folds it returns the mean.'
    >>> say_kept(record | {"fallback_share": 1.0}, joins_place=True)
    'Nothing could be learnt from LIDAR: it returns the mean.'
    >>> say_kept(record | {"weighed_by": "posterior"}, joins_place=True)
    'Whether LIDAR adds anything beside place cannot be told.'
    >>> record |= {"weighed_by": "posterior", "members": {"a": 0.9}}
    >>> say_kept(record, joins_place=True, adds=True)
    'By the labels learnt from, it is 90% likely that LIDAR says something beside place.'
    """
    if record is None:
        return ""
    # One process of place and LIDAR has no inner folds: it weighs by how likely each is.
    if record["weighed_by"] == "posterior":
        # Beside a gain that may be chance, a likelihood would pass for a claim of the same.
        if not adds:
            return "Whether LIDAR adds anything beside place cannot be told."
        return " ".join(say_posterior(record["members"]))
    nothing = record["fallback_share"]
    subject = "LIDAR" if joins_place else "its members"
    if nothing >= ALWAYS:
        return f"Nothing could be learnt from {subject}: it returns the mean."
    members = record["members"]
    if len(members) == 1:
        (weight,) = members.values()
        kept = f"{format_percent(weight)} of what LIDAR says"
    else:
        kept = join_words([f"{format_percent(w)} of {name}" for name, w in members.items()])
    rest = f"; in {format_percent(nothing)} of the folds it returns the mean" if nothing else ""
    return f"Inner folds kept {kept}{rest}."


def say_posterior(
    members: dict[str, float], beside: str = "place", says: str = "says"
) -> Iterator[str]:
    """Say of each feature set how likely it says something; it was one half before any label.

    ``says`` is the verb behind its name, which may be in the plural.
    """
    for name, share in members.items():
        is_lidar = len(members) == 1 and beside == "place"
        who = "LIDAR says something" if is_lidar else f"{name} {says} something"
        if UNTOLD[0] <= share <= UNTOLD[1]:
            yield f"The labels learnt from do not tell whether {who} beside {beside}."
            continue
        likely = "over 99%" if share >= ALWAYS else format_percent(share)
        yield f"By the labels learnt from, it is {likely} likely that {who} beside {beside}."


def show_together(
    facts: Facts,
    whole: str,
    parts: dict[str, str],
    scheme: str,
    charts: Iterable[Chart],
    *,
    names_recipes: bool = False,
) -> dict[str, Any] | None:
    """Gather what is held against each other in one scheme, over all targets and by target.

    Parameters
    ----------
    parts
        Labels by recipe, the whole last.
    charts
        By target; those without a row are left out.

    Returns
    -------
    None where there is no mean over targets to open with, or no chart.
    """
    means, shown = find_means(facts, parts, scheme), [chart for chart in charts if chart.rows]
    if whole not in means or not shown:
        return None
    rows = show_skills(list(means.values()), parts, whole, names_recipes=names_recipes)
    scored = select(facts.scores, scheme=scheme, unit="area")
    return {
        "held_out": name_scheme(scheme, facts.settings),
        "n_targets": means[whole]["n_targets"],
        "n": max(record["n"] for record in scored if record["recipe"] in parts),
        "axis": choose_axis([*rows, *(row for chart in shown for row in chart.rows)]),
        "rows": rows,
        "charts": shown,
    }


def find_means(facts: Facts, recipes: Iterable[str], scheme: str) -> dict[str, Record]:
    """Find the means over targets of areas in one scheme, by recipe, in their order."""
    means = {r["recipe"]: r for r in select(facts.judged.over_targets, scheme=scheme, unit="area")}
    return {recipe: means[recipe] for recipe in recipes if recipe in means}


def list_scores(facts: Facts, recipes: Iterable[str], target: str, scheme: str) -> list[Record]:
    """List the scores of areas for one target in one scheme, in the recipes' order."""
    wanted = {"target": target, "scheme": scheme, "unit": "area"}
    return [r for recipe in recipes for r in select(facts.scores, recipe=recipe, **wanted)]


def _show_scheme(
    facts: Facts, name: str, parts: dict[str, str], scheme: str
) -> dict[str, Any] | None:
    """Gather one scheme: the mean over targets, and each target."""
    charts = [_show_target(facts, name, parts, scheme, t) for t in facts.samples.targets]
    found = show_together(facts, name, parts, scheme, charts)
    return found and found | {
        "gains": _say_gains(find_means(facts, parts, scheme), parts, name),
        "others": _say_others(facts, name, parts, scheme),
    }


def _show_target(facts: Facts, name: str, parts: dict[str, str], scheme: str, target: str) -> Chart:
    """Gather one target's skills, gain from LIDAR, and trust."""
    against = find_gain(facts, name, target, scheme)
    said = say_difference(against, name_recipe(against["versus"])) if against else None
    gain = Statement(*said) if said else None
    kept = select(facts.judged.member_weights, recipe=name, target=target, scheme=scheme)
    adds = gain is not None and gain.sense == "better"
    trust = say_kept(kept[0] if kept else None, name in facts.joining, adds)
    return Chart(
        title=name_target(target),
        rows=show_skills(list_scores(facts, parts, target, scheme), parts, name),
        statement=gain,
        because=f". {trust}" if gain else trust,
    )


def _say_gains(records: dict[str, Record], parts: dict[str, str], name: str) -> list[Statement]:
    """Say what LIDAR adds over all targets, in the whole and alone; whole first."""
    gains = []
    for recipe in [name, *(part for part in parts if part != name)]:
        # What sees no LIDAR has a row among the skills.
        if recipe not in records or not sees_lidar(records[recipe]["differs_in"]):
            continue
        if found := say_difference(records[recipe], name_recipe(records[recipe]["versus"])):
            sense, words = found
            gains.append(Statement(sense, f"{recipe} {words}"))
    return gains


def _say_others(facts: Facts, name: str, parts: dict[str, str], scheme: str) -> str:
    """Say for which targets the whole beats LIDAR, or members, alone, and what sets them apart."""
    sentences = []
    for part in parts:
        versus = {"recipe": name, "versus": part, "scheme": scheme, "unit": "area"}
        against = select(facts.judged.comparisons, **versus)
        if not sees_lidar(facts.judged.knows.get(part, ())) or not against:
            continue
        won = [name_target(r["target"]) for r in against if tell_comparison(r) == "better"]
        more = name_known(facts.judged.find_apart(name, part))
        by = f" by what it knows of {more}" if more else " by how it uses what both know"
        beats = f"t beats {parts[part]}{by}"
        sentences.append(
            f"I{beats} for {join_words(won)}." if won else f"That i{beats} cannot be told."
        )
    return " ".join(sentences)
