"""What is to be known of an index that an office publishes; each has a page of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MADE_OF = re.compile(
    r"transformed|exponential|\b(?:rank|decile|quintile|percentile)", re.IGNORECASE
)
"""What headings say of columns that were made of scores and are none."""


@dataclass(frozen=True)
class PublishedIndex:
    """Tables of labels by small area that an office publishes, and what their headings mean."""

    name: str
    """What it is, and of whom: for the credits."""

    licence: str
    """Its Open Government Licence, as in ``v3.0``."""

    headings: Mapping[str, tuple[str, ...]]
    """By target how its column is headed: more than one where editions differ."""

    domains: tuple[str, ...] = ()
    """Which targets ``"all"`` stands for."""

    around_0: frozenset[str] = frozenset()
    """Targets that are published around 0; the others are shares, rates or scores not below it."""

    by_district: Mapping[str, str] = field(default_factory=dict)
    """Targets of whose indicators some are set for a whole district and shared by all its areas,
    with an example of such an indicator."""

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
        return [c for c in columns if c.lower().startswith(known) and not MADE_OF.search(c)]

    def find_made(self, columns: Sequence[str], target: str) -> str | None:
        """Find a column that was made of a target, as its rank is; None if there is none."""
        known = tuple(heading.lower() for heading in self.headings.get(target, ()))
        found = (c for c in columns if known and c.lower().startswith(known) and MADE_OF.search(c))
        return next(found, None)
