"""What is to be known of a country: its small areas, its index, and whose its data usually are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from basrelief.sources.licences import Credit
from basrelief.sources.published import PublishedIndex


@dataclass(frozen=True)
class Country:
    """A country whose offices publish areas, an index and LIDAR; each has a page of its own."""

    name: str
    letter: str
    """Begins the codes of its areas (Government Statistical Service)."""

    levels: tuple[str, str, str]
    """What its small areas are called, what these make up, and what those make up: the levels at
    which whole groups are held out."""

    residents: Mapping[str, int]
    """Fewest residents that areas are drawn to hold, by how their codes begin."""

    index: PublishedIndex
    lidar: Credit
    """Whose it usually is; likewise below."""

    boundaries: Credit


def find_letters(codes: Iterable[str]) -> frozenset[str]:
    """Find the letters that codes begin with.

    >>> sorted(find_letters(["E01000001", "S01006506", "s01006507"]))
    ['E', 'S']
    """
    return frozenset(str(code)[:1].upper() for code in codes)
