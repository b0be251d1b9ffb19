"""Tiers: how much a person may see, each as much as those below it and more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

TierName = Literal["public", "analyst", "custodian"]


class Tier(IntEnum):
    """How much a person may see; each sees what those below it see."""

    PUBLIC = 0
    """What the gate released."""

    ANALYST = 1
    """All of areas, and the report."""

    CUSTODIAN = 2
    """What is finer than areas, too."""

    @classmethod
    def named(cls, name: TierName) -> Tier:
        """Find a tier by the name that people type."""
        return cls[name.upper()]


@dataclass(frozen=True)
class Person:
    """Who asks, as far as it is known."""

    name: str
    tier: Tier


NOBODY = Person("", Tier.PUBLIC)
"""Who says nothing of themselves."""
