"""What the public version says of itself: what it is drawn from, and what is withheld from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Withheld:
    """Something that is not handed out."""

    item: str
    count: int | None
    """How many of them; None where that says nothing."""

    reason: str


@dataclass(frozen=True)
class Basis:
    """What the public version is drawn from, so that nothing in it can tell a withheld label."""

    kind: Literal["run", "refit", "nothing"]
    """``run``: the run never saw a withheld label; ``refit``: everything was fitted anew without
    them; ``nothing``: that could not be done, and no figure that was learnt or averaged is told."""

    n_without: int = 0
    """Areas, or pictures of no known area, whose labels had to be left out."""

    why: str = ""
    """Why there is nothing, for the analyst alone."""


@dataclass(frozen=True)
class Publication:
    """What the public page says of itself: sentences and counts, no codes of areas."""

    basis: Basis
    is_whole: bool
    """Whether every area that was used is shown: the seed is told then, and only then."""

    bounds: str
    """Whose figures are shown, in a sentence."""

    population: str
    """How the bound on people could be applied, in a sentence."""

    withheld: tuple[Withheld, ...]
