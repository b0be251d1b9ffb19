"""The words that the usual sources of data ask for beside anything derived from them."""

from __future__ import annotations

from collections.abc import Iterable

from basrelief.config import Settings
from basrelief.sources.census import COUNTRY_BY_LETTER
from basrelief.sources.countries import OPEN_GOVERNMENT, ORDNANCE_SURVEY, find_letters
from basrelief.sources.england import ENGLAND, ENVIRONMENT_AGENCY

__all__ = ["ENVIRONMENT_AGENCY", "OPEN_GOVERNMENT", "ORDNANCE_SURVEY", "list_credits"]

# The Metropolitan Police publishes its counts under the older version of the licence.
CRIMES = (
    "Recorded crimes by area of the Metropolitan Police",
    f"{OPEN_GOVERNMENT} v2.0.",
)


def list_credits(settings: Settings, area_ids: Iterable[str]) -> list[tuple[str, str]]:
    """List what was usually used, and the words to set beside what is derived from it.

    Parameters
    ----------
    area_ids
        Codes of the run's areas: their first letters tell whose data they usually are.
    """
    # Whose the files are was not checked: these are the words of those that they usually are of.
    known = [str(code) for code in area_ids if isinstance(code, str)]
    letters = find_letters(known)
    found = [country for letter, country in COUNTRY_BY_LETTER.items() if letter in letters]
    # A page that shows no area has no code to tell by; then all are credited and none forgotten.
    found = found or ([ENGLAND] if known else list(COUNTRY_BY_LETTER.values()))
    listed = [each for country in found for each in country.credits]
    return [*dict.fromkeys(listed), *([CRIMES] if settings.data.crime else [])]
