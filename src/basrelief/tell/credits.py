"""The words that the sources of a run's data ask for beside anything derived from them."""

from __future__ import annotations

from collections.abc import Iterable

from basrelief.config import Settings
from basrelief.sources.credits import find_credits
from basrelief.sources.england import ENVIRONMENT_AGENCY
from basrelief.sources.licences import OPEN_GOVERNMENT, ORDNANCE_SURVEY

__all__ = ["ENVIRONMENT_AGENCY", "OPEN_GOVERNMENT", "ORDNANCE_SURVEY", "list_credits"]


def list_credits(settings: Settings, area_ids: Iterable[str | None]) -> list[tuple[str, str]]:
    """List what was used, or usually is, and the words to set beside what is derived from it.

    Parameters
    ----------
    area_ids
        Codes of the run's areas: their first letters tell whose data they usually are.
    """
    return find_credits(settings, area_ids).words
