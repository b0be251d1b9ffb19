"""Which recipe to use for a target: the simplest that nothing is known to beat."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record


def list_ahead(comparisons: Iterable[Record]) -> set[tuple[str, str]]:
    """List which recipe has more skill than which other on the items that both predict.

    Examples
    --------
    >>> sorted(list_ahead([{"recipe": "a", "versus": "b", "difference": -0.1}]))
    [('b', 'a')]
    """
    ahead = set()
    for record in comparisons:
        pair = (record["recipe"], record["versus"])
        if record["difference"]:
            ahead.add(pair if record["difference"] > 0 else pair[::-1])
    return ahead


def prefer_recipe(
    records: list[Record],
    skills: dict[str, Record],
    order: list[str],
    able: list[str],
    adding: Collection[str] = (),
    blind: Collection[str] = (),
) -> Record:
    """Choose the simplest recipe that beats the mean and that nothing else beats.

    What beats nothing is not preferred for not being beaten: it is the mean, with more work. Where
    LIDAR is known to add something, the choice is among the recipes with that gain: what sees
    none would be preferred for being simple alone. Where it is not, a recipe of LIDAR gives way to
    one without that has more skill: it would be preferred for no pair being sure.

    Parameters
    ----------
    records
        Comparisons of one target, scheme and unit, between all recipes: each pair once.
    skills
        The recipes' records of ``scores.json``, by name.
    order
        Recipes from the simplest on, without the mean.
    able
        Those of them that are better than the mean, and not for what others know too.
    adding
        Those whose gain from LIDAR alone is no chance, and whose skill nothing without LIDAR has.
    blind
        Those that see no LIDAR.

    Returns
    -------
    recipe
    reason
        ``no_intervals`` (too few groups, so it is the mean), ``none_better`` (none beats the
        mean, so it is the mean), ``lidar_adds`` (the simplest of ``adding`` that nothing beats),
        ``more_without_lidar`` (the simplest of those of ``blind`` that nothing beats and that have
        more skill than what would be ``simplest``, which sees LIDAR), ``simplest``, or
        ``most_skill`` (each that beats the mean is beaten by another: the one that
        has more skill than most others on what both predict).
    beaten
        The simpler ones that beat the mean, each with what beats it.
    alike
        The others that beat the mean and that nothing beats.
    """
    # What may be the mean is not preferred to it.
    if not able:
        has_none = all(skills[name]["skill_low"] is None for name in order)
        reason = "no_intervals" if has_none else "none_better"
        return {"recipe": MEAN, "reason": reason, "beaten": {}, "alike": []}
    beaten_by: dict[str, list[str]] = {name: [] for name in order}
    for record in records:
        if record["beats"]:
            beaten_by[record["versus"]].append(record["recipe"])
        if record["is_beaten"]:
            beaten_by[record["recipe"]].append(record["versus"])
    unbeaten = [name for name in able if not beaten_by[name]]
    reason = "simplest" if unbeaten else "most_skill"
    with_gain = [name for name in unbeaten if name in adding]
    ahead = list_ahead(records)
    better_blind = [name for name in unbeaten if name in blind and (name, unbeaten[0]) in ahead]
    if with_gain and with_gain[0] != unbeaten[0]:
        unbeaten, reason = with_gain, "lidar_adds"
    elif better_blind and unbeaten[0] not in blind:
        rest = [name for name in unbeaten if name != better_blind[0]]
        unbeaten, reason = [better_blind[0], *rest], "more_without_lidar"
    # Beating is not transitive: each may be beaten by another.
    chosen = (
        unbeaten[0]
        if unbeaten
        else max(able, key=lambda name: sum(one == name for one, _ in ahead))
    )
    return {
        "recipe": chosen,
        "reason": reason,
        "beaten": {name: beaten_by[name] for name in able[: able.index(chosen)] if beaten_by[name]},
        "alike": [name for name in unbeaten if name != chosen],
    }
