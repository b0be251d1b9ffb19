"""What a run's own figures, and its training, warn of: the card's list, as the page's banners."""

from __future__ import annotations

from collections.abc import Sequence

from basrelief.run import Record
from basrelief.tell.facts import Facts, select
from basrelief.tell.findings import THE_MEAN, warn_of_few, warn_of_leak, warn_of_random
from basrelief.tell.training import say_shortfalls
from basrelief.tell.words import join_words, name_target


def list_caveats(narrowed: Facts) -> list[str]:
    """List what this run's own figures warn of, and what its training fell short of.

    Parameters
    ----------
    narrowed
        What `narrow_facts` leaves: a warning told from a withheld score would give it away.
    """
    # Baselines are there to be beaten: what they lack is no caveat of the model.
    asked = [record for record in narrowed.scores if record["recipe"] in narrowed.asked]
    # In the order in which they weigh: what was not done, what was not shown, what is odd.
    warnings = [
        *say_shortfalls(narrowed.trainings),
        _warn_of_nothing_told(asked),
        _warn_of_claims(narrowed, asked),
        warn_of_random(narrowed.schemes),
        warn_of_few(narrowed.findings),
        warn_of_leak(asked, narrowed.leakage, narrowed.settings),
        *_warn_of_failing(narrowed),
        *_warn_of_outside(narrowed),
        *(narrowed.say_by_district(target) for target in narrowed.samples.targets),
    ]
    caveats = [warning for warning in warnings if warning]
    return caveats or ["This run's own figures warn of nothing; that is no proof that all is well."]


def say_no_ranges(scores: Sequence[Record]) -> str:
    """Say why no score of a card has a range."""
    if not scores:
        return "none: no score may be shown."
    return "none: too few blocks or areas were tested."


def _warn_of_nothing_told(scores: Sequence[Record]) -> str:
    """Warn where no score may be told, so that nothing speaks for the models."""
    if scores:
        return ""
    return (
        "No score of these models may be told here, so nothing shows that any of them does better "
        f"than {THE_MEAN}. Until its owner shows otherwise, take it that none does."
    )


def _warn_of_claims(narrowed: Facts, scores: Sequence[Record]) -> str:
    """Warn where nothing that was asked for survives chance over the whole report."""
    claims = [c for c in narrowed.judged.claims if c["recipe"] in narrowed.asked]
    # Without a score that has been said already.
    if not scores or select(claims, holds=True):
        return ""
    if not select(claims, is_tested=True):
        return "No gain of these models could be held against chance, so none is claimed."
    return "No gain of these models survives chance over the whole report, so none is claimed."


def _warn_of_failing(narrowed: Facts) -> list[str]:
    """Name the scores that each recipe cannot be told to predict."""
    # Together: a sentence a target would say the same up to eight times.
    failing: dict[str, list[str]] = {}
    for finding in narrowed.findings:
        if finding.sense != "better":
            failing.setdefault(finding.named, []).append(name_target(finding.target))
    return [
        f"{recipe} cannot be told better than {THE_MEAN} for {join_words(targets)}."
        for recipe, targets in failing.items()
    ]


def _warn_of_outside(narrowed: Facts) -> list[str]:
    """Count the areas that are unlike anything that the recipe shown learnt from."""
    outside: dict[tuple[str, int], list[str]] = {}
    for target, recipe in narrowed.shown.items():
        n = len(narrowed.find_outside(recipe, target))
        outside.setdefault((recipe, n), []).append(name_target(target))
    return [
        f"{n} {'area lies' if n == 1 else 'areas lie'} outside what {recipe} was made for "
        f"({join_words(targets)})."
        for (recipe, n), targets in outside.items()
        if n
    ]
