"""What the range beside a figure is: how often it holds what is to be expected, and why."""

from __future__ import annotations

from collections.abc import Iterable

from basrelief.run import Record
from basrelief.tell.words import format_number

LEVELS = {
    "refitted": "95%",
    # A level is earned on simulated labels: these held too little to be called by one number.
    "few_districts": "76 to 100%",
    "drawn_in": "80 to 96%",
    "resampled": "models held fixed",
}
"""How often a range holds what is to be expected, by its kind in ``scores.json``."""

REFITTED = frozenset(LEVELS) - {"resampled"}
"""Kinds of range that come from fitting anew."""

REASONS = {"few_districts": "few districts", "drawn_in": "lower end by chance"}
"""Why a range has no level of 95 %, where its level does not say it."""

HELD_FIXED = (
    "the range is over the tested blocks or areas drawn again, with models held fixed, and "
    "narrower than what is to be expected"
)
"""What a range is where nothing was fitted anew."""


def name_interval(kind: str | None) -> str:
    """Name what a range is, for a cell of a table.

    Examples
    --------
    >>> name_interval("refitted"), name_interval("few_districts"), name_interval(None)
    ('95%', '76 to 100%: few districts', '–')
    """
    if kind is None:
        return "–"
    return ": ".join(filter(None, (LEVELS[kind], REASONS.get(kind))))


def name_level(record: Record) -> str:
    """Name how often a figure's range holds what is to be expected; empty without a range."""
    kind = record.get("interval")
    return LEVELS[kind] if kind else ""


def write_range(low: float, high: float, record: Record) -> str:
    """Write the range of a figure, and what it is: no range stands without that.

    Examples
    --------
    >>> write_range(0.12, 0.25, {"interval": "drawn_in"})
    '(0.12 to 0.25; 80 to 96%)'
    """
    level = name_level(record)
    ends = f"{format_number(low)} to {format_number(high)}"
    return f"({ends}; {level})" if level else f"({ends})"


def say_intervals(records: Iterable[Record]) -> str:
    """Say what the ranges of some records are, and which of them are no 95 % interval.

    Examples
    --------
    >>> say_intervals([{"interval": "resampled"}]).split(":")[0]
    'No 95% interval can be given'
    >>> say_intervals([{"interval": None}])
    ''
    """
    kinds = {record["interval"] for record in records} - {None}
    if kinds == {"resampled"}:
        return f"No 95% interval can be given: {HELD_FIXED}."
    sentences = []
    if kinds & REFITTED:
        sentences.append(
            "For these ranges every fold was fitted anew to labels drawn for the same areas."
        )
    if "refitted" in kinds:
        sentences.append(
            "Those marked 95% hold the skill to be expected so often: so they did on simulated "
            "labels of 99 areas."
        )
    if "drawn_in" in kinds:
        sentences.append(
            "Where a gain is told from chance, the lower end is the gain from which chance could "
            "just reach the one observed: marked 80 to 96%, such ranges held what is to be "
            "expected so often on simulated labels of 99 areas, of which LIDAR knew a part."
        )
    if "few_districts" in kinds:
        sentences.append(
            "What knows places or districts has no 95% interval here, for there are fewer than ten "
            "districts: on simulated labels of 99 areas in four districts such a range held what "
            "is to be expected 76 to 100 times in a hundred, the less often the more districts "
            "share."
        )
    if "resampled" in kinds:
        # Networks by area as well: none of them is fitted hundreds of times.
        sentences.append(
            "Of networks, and of whatever is tested by chip, no 95% interval can be given: "
            f"{HELD_FIXED}."
        )
    return " ".join(sentences)
