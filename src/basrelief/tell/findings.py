"""What scores say: each recipe's main score beside the mean, and the sentences on all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from basrelief.config import Settings
from basrelief.judge.scores import name_worth
from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record
from basrelief.stage_settings import SCHEMES
from basrelief.tell.senses import SENSES
from basrelief.tell.words import (
    format_number,
    is_lidar_alone,
    join_words,
    name_known,
    name_scheme,
    name_target,
    open_sentence,
    write_targets,
)

THE_MEAN = "always predicting the mean"

# `SCHEMES` begins with the one that leaks most.
STRICT_FIRST = tuple(reversed(SCHEMES))
"""Schemes from the one that leaks least."""

UNTESTED = "neighbours of what is tested were learnt from, or no other labels were drawn"
"""Why a score can be left without a test against chance."""

FEW = 30
"""Fewer held-out areas or chips than this make a range rough itself."""


@dataclass(frozen=True)
class Finding:
    """What one score says, in words."""

    record: Record
    """As in ``scores.json``; a mean over targets has no target."""

    knows: tuple[str, ...] = ()
    """Codes of what the recipe knows; empty where that is not told."""

    @property
    def recipe(self) -> str:
        """The recipe that was scored."""
        return str(self.record["recipe"])

    @property
    def named(self) -> str:
        """The recipe and, where it knows more than LIDAR, all that it knows.

        Beside the mean, which knows nothing, it may not pass for LIDAR alone.
        """
        is_plain = not self.knows or is_lidar_alone(self.knows)
        return self.recipe if is_plain else f"{self.recipe} ({name_known(self.knows)})"

    @property
    def target(self) -> str:
        """What it predicts."""
        return str(self.record["target"])

    @property
    def scheme(self) -> str:
        """How ground was held out."""
        return str(self.record["scheme"])

    @property
    def words(self) -> str:
        """Better or worse than the mean, or that it cannot be told from it and why."""
        return say_worth(self.record)

    @property
    def sense(self) -> str:
        """Which side of the mean it lies on, as far as chance lets it be told: one of `SENSES`."""
        worth = name_worth(self.record)
        # Without an interval nobody knows whether it is luck.
        return worth if worth in ("better", "worse") else "even"


def say_worth(record: Record) -> str:
    """Say what a record of ``scores.json`` is worth beside the mean.

    Examples
    --------
    >>> say_worth({"skill": 0.31, "worth": "better"})
    'better than always predicting the mean'
    >>> say_worth({"skill": -0.11, "worth": "unsure"})
    'cannot be told from always predicting the mean (the range includes 0)'
    """
    # Nothing found is no proof of nothing: whatever shows no gain cannot be told, with why.
    fixed = "further off on what was tested, with the model held fixed"
    many = "among so many scores, one like it is chance"
    return {
        "better": f"better than {THE_MEAN}",
        "worse": f"worse than {THE_MEAN}",
        "not told": f"cannot be told from {THE_MEAN} ({fixed})",
        "no better": f"cannot be told from {THE_MEAN} (a skill so near 0 is not claimed)",
        "by chance": f"cannot be told from {THE_MEAN} ({many})",
        "untested": f"cannot be told from {THE_MEAN} (not held against chance: {UNTESTED})",
        "unsure": f"cannot be told from {THE_MEAN} (the range includes 0)",
        "no interval": f"cannot be told from {THE_MEAN} (too few blocks or areas for a range)",
        "unknown": "cannot be judged: what was observed does not vary",
    }[name_worth(record)]


def say_r2(record: Record) -> str:
    """Say R², which stands beside every skill: its mean is that of what is tested itself.

    Under a buffer the training fold's mean misses by more, and flatters a skill.

    Examples
    --------
    >>> say_r2({"r2": 0.284}), say_r2({"r2": None})
    ('R² 0.28', 'R² –')
    """
    return f"R² {format_number(record['r2'])}"


def beats_mean(record: Record) -> bool:
    """Whether a record of ``scores.json`` was judged better than always predicting the mean.

    What was not may be luck: no order and no map of areas is handed out on its strength.
    """
    return bool(record["worth"] == "better")


def say_unshown(targets_of: Mapping[str, Sequence[str]]) -> list[str]:
    """Say of which targets nothing is shown by area, and why, a sentence a recipe.

    Parameters
    ----------
    targets_of
        By recipe the targets for which it cannot be told better than the mean.

    Examples
    --------
    >>> say_unshown({"vgg16": ["health", "imd"]})[0].split(":")[0]
    'Not shown for health and multiple deprivation'
    """
    return [
        f"Not shown for {write_targets(targets)}: {recipe} cannot be told better than {THE_MEAN} "
        "here, so that an order or a map of areas by it would show chance."
        for recipe, targets in targets_of.items()
    ]


def name_preferred(recipe: str) -> str:
    """Name a preferred recipe, which can be none at all."""
    return "always the mean" if recipe == MEAN else recipe


def find_strictest(scores: Sequence[Record]) -> str | None:
    """Name the scheme that leaks least among those that were scored."""
    scored = {record["scheme"] for record in scores}
    return next((scheme for scheme in STRICT_FIRST if scheme in scored), None)


def find_findings(
    scores: Sequence[Record], scheme: str, knows: Mapping[str, Collection[str]] | None = None
) -> list[Finding]:
    """Put each recipe's main skill in a scheme into words.

    The main skill is per area, as areas are what a map would show; per chip where the
    scheme holds out chips, or no area has a score. ``knows`` has, by recipe, the codes of what
    it knows.
    """
    preferred = "chip" if scheme == "random" else "area"
    main: dict[tuple[str, str], Record] = {}
    for record in scores:
        # Without a skill nothing varied, and there is nothing to be better than.
        if record["scheme"] != scheme or record["skill"] is None:
            continue
        key = (record["target"], record["recipe"])
        if key not in main or record["unit"] == preferred:
            main[key] = record
    targets = list(dict.fromkeys(record["target"] for record in scores))
    return [
        Finding(record, tuple((knows or {}).get(record["recipe"], ())))
        for _, record in sorted(main.items(), key=lambda item: targets.index(item[0][0]))
    ]


def group_findings(findings: Sequence[Finding]) -> list[tuple[Finding, str]]:
    """Gather findings by verdict, best first: one of each, and all of them named."""
    # The legend begins with what is better than the mean, and ends with what is worse.
    order = list(SENSES)
    groups: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: order.index(finding.sense)):
        groups.setdefault(finding.words, []).append(finding)
    gathered = []
    for group in groups.values():
        by_recipe: dict[str, list[str]] = {}
        for finding in group:
            by_recipe.setdefault(finding.named, []).append(name_target(finding.target))
        named = [f"{recipe} for {join_words(names)}" for recipe, names in by_recipe.items()]
        gathered.append((group[0], "; ".join(named)))
    return gathered


def say_headline(findings: Sequence[Finding], settings: Settings) -> str:
    """Say the whole result in one sentence, without asking the reader to know a metric."""
    if not findings:
        return "Nothing was scored in this run, so there is nothing to conclude from it."
    held_out = f"with {name_scheme(findings[0].scheme, settings)}"
    targets = list(dict.fromkeys(finding.target for finding in findings))
    recipes = list(dict.fromkeys(finding.named for finding in findings))
    named = write_targets(targets)
    if len({finding.words for finding in findings}) == 1:
        found = say_is(findings[0].words, len(recipes))
        return f"For {named}, {held_out}, {join_words(recipes)} {found}."
    if len(targets) == 1:
        # Why each cannot be told stands below: here one clause for all of them.
        by_words: dict[str, list[str]] = {}
        for finding in findings:
            words = finding.words.split(" (")[0]
            by_words.setdefault(words, []).append(finding.named)
        parts = [f"{join_words(n)} {say_is(words, len(n))}" for words, n in by_words.items()]
        return f"For {named}, {held_out}, {'; '.join(parts)}."
    # By sense and not by words: better without an interval may be luck, and is not counted.
    better = {finding.target for finding in findings if finding.sense == "better"}
    opening = open_sentence(held_out)
    if not better:
        return f"{opening}, that any recipe beats {THE_MEAN} cannot be told, for any score."
    found = write_targets([target for target in targets if target in better])
    return (
        f"{opening}, {len(better)} of {len(targets)} scores can be told better than by always "
        f"predicting the mean: {found}."
    )


def say_is(words: str, n: int) -> str:
    """Put the verb before what a score is worth, for one recipe or several.

    Examples
    --------
    >>> say_is("better than the mean", 2), say_is("cannot be told from the mean", 2)
    ('are better than the mean', 'cannot be told from the mean')
    """
    if words.startswith("cannot"):
        return words
    return f"{'is' if n == 1 else 'are'} {words}"


def say_errors(findings: Sequence[Finding]) -> str | None:
    """Say a single target's mean squared errors beside those of the mean; a bare one misleads."""
    # Errors of several targets are in units of their own, and mean nothing side by side.
    if not findings or len({finding.target for finding in findings}) > 1:
        return None
    by_mean: dict[str, list[str]] = {}
    for finding in findings:
        mean = format_number(finding.record["mse_mean"], 3)
        error = f"{finding.named} {format_number(finding.record['mse'], 3)}"
        by_mean.setdefault(mean, []).append(error)
    parts = [f"{', '.join(errors)}, {THE_MEAN} {mean}" for mean, errors in by_mean.items()]
    return f"Mean squared error: {'; '.join(parts)}."


def warn_of_few(findings: Sequence[Finding]) -> str | None:
    """Warn where a verdict rests on so few that its range is rough itself."""
    fewest = min(findings, key=lambda finding: finding.record["n"], default=None)
    if fewest is None or fewest.record["n"] >= FEW:
        return None
    return (
        f"{fewest.recipe} was judged on only {fewest.record['n']} held-out "
        f"{fewest.record['unit']}s. With so few, the range is itself uncertain, and one odd "
        f"{fewest.record['unit']} can turn a verdict round: take it as a hint."
    )


def warn_of_random(schemes: Sequence[str]) -> str | None:
    """Warn where a random split is all that was scored."""
    if list(schemes) != ["random"]:
        return None
    return (
        "Only a random split was run. It cannot tell knowing a place from recognising its "
        "neighbours, so this verdict says nothing about new places."
    )


def warn_of_leak(
    scores: Sequence[Record], leakage: Sequence[Record], settings: Settings
) -> str | None:
    """Warn where the random split makes a recipe look better than the strictest scheme does."""
    strictest = find_strictest(scores)
    skill = {
        (record["recipe"], record["target"], record["scheme"]): record["skill"]
        for record in scores
        # By chip, the one unit that the random split and the others have in common.
        if record["unit"] == "chip" and record["skill"] is not None
    }
    pairs = [
        (skill[recipe, target, scheme], skill[recipe, target, strictest], recipe, target)
        for recipe, target, scheme in skill
        if scheme == "random" != strictest and (recipe, target, strictest) in skill
    ]
    # What is worse than the mean even there flatters nobody.
    pairs = [pair for pair in pairs if pair[0] > max(0.0, pair[1] + 0.05)]
    if not pairs or strictest is None:
        return None
    flattered, honest, recipe, target = max(pairs, key=lambda pair: pair[0] - pair[1])
    shared = [record["share_same_label"] for record in leakage if record["scheme"] == "random"]
    why = (
        f" There, {shared[0]:.0%} of the test chips carry exactly the labels of some training chip."
        if shared and shared[0]
        else ""
    )
    return (
        f"Do not quote the random split. Per chip it gives {recipe} a skill of "
        f"{format_number(flattered)} for {name_target(target)}; with "
        f"{name_scheme(strictest, settings)} the same recipe has {format_number(honest)}.{why}"
    )
