"""What is to be known of an index that an office publishes; each has a page of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from basrelief.sources.licences import Credit

UNIT = r"(?:[ ,:-]*\((?:score|rate(?: per [^()]*)?|proportion(?: of [^()]*)?)\))?"
TAIL = re.compile(UNIT + r"(?:[ ,:-]*\(?(?:imd ?|iod ?)?20[0-9]{2}\)?)?" + UNIT, re.IGNORECASE)
"""What may stand behind a heading: its unit in brackets, and the year of an edition."""

CUT_AT = 80
"""Letters after which some copies of published tables cut their headings off."""


@dataclass(frozen=True)
class PublishedIndex:
    """Tables of labels by small area that an office publishes, and what their headings mean."""

    credit: Credit
    """What it is, of whom, and the words that they ask for."""

    headings: Mapping[str, tuple[str, ...]]
    """By target how its column is headed: more than one where editions differ."""

    domains: tuple[str, ...] = ()
    """Which targets ``"all"`` stands for."""

    around_0: frozenset[str] = frozenset()
    """Targets that are published around 0; the others are shares, rates or scores not below it."""

    by_district: Mapping[str, str] = field(default_factory=dict)
    """Targets of whose indicators some are set for a whole district and shared by all its areas,
    with an example of such an indicator."""

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By target the least and the largest that it can be as it is published."""

    are_beginnings: bool = False
    """Whether headings only begin so: a unit follows, or the file cuts them off."""

    def find(self, columns: Sequence[str], target: str) -> str | None:
        """Find the column of a target, None if there is none; case does not count."""
        return next(iter(self.find_all(columns, target)), None)

    def find_all(self, columns: Sequence[str], target: str) -> list[str]:
        """List the columns that may be a target's: the one whose heading is whole, else all."""
        known = tuple(heading.lower() for heading in self.headings.get(target, ()))
        whole = [c for c in columns if c.strip().lower() in known]
        # A whole heading: other columns of another office's table may begin like it.
        if whole or not self.are_beginnings or not known:
            return whole[:1]
        return [c for c in columns if any(_goes_on(c, heading) for heading in known)]

    def find_other(self, columns: Sequence[str], target: str) -> str | None:
        """Find a column that begins as a target's and is another, as its rank is; else None."""
        known = tuple(heading.lower() for heading in self.headings.get(target, ()))
        meant = self.find_all(columns, target)
        # A whole word: "Theftless" says nothing of theft.
        found = (
            c
            for c in columns
            if c not in meant and any(re.match(re.escape(k) + r"\b", c.lower()) for k in known)
        )
        return next(found, None)


def _goes_on(column: str, heading: str) -> bool:
    """Whether a column is headed so, with nothing behind it but a unit or an edition's year."""
    text = column.strip()
    if not text.lower().startswith(heading):
        return False
    rest = text[len(heading) :]
    inside = rest.partition("(")[2].lower()
    if len(text) >= CUT_AT and inside and ")" not in inside:
        return "rate per ".startswith(inside[: len("rate per ")])
    return TAIL.fullmatch(rest) is not None
