"""The words that the usual sources of data ask for beside anything derived from them."""

from __future__ import annotations

from basrelief.config import Settings
from basrelief.sources.targets import INDICES

OPEN_GOVERNMENT = "Contains public sector information licensed under the Open Government Licence"

ENVIRONMENT_AGENCY = "© Environment Agency copyright and/or database right."
ORDNANCE_SURVEY = "Contains OS data © Crown copyright and database right"

CREDITS = (
    ("LIDAR of the Environment Agency", f"{ENVIRONMENT_AGENCY} {OPEN_GOVERNMENT} v3.0."),
    *((index.name, f"{OPEN_GOVERNMENT} {index.licence}.") for index in INDICES),
    (
        "Boundaries",
        "Source: Office for National Statistics licensed under the Open Government Licence v3.0. "
        f"{ORDNANCE_SURVEY} [year].",
    ),
)
# The Metropolitan Police publishes its counts under the older version of the licence.
CRIMES = (
    "Recorded crimes by area of the Metropolitan Police",
    f"{OPEN_GOVERNMENT} v2.0.",
)


def list_credits(settings: Settings) -> list[tuple[str, str]]:
    """List what was usually used, and the words to set beside what is derived from it."""
    # Whose the files are was not checked: these are the words of those that they usually are of.
    return [*CREDITS, *([CRIMES] if settings.data.crime else [])]
