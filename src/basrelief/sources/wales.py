"""Wales: its small areas, its index, and whose its data usually are."""

from __future__ import annotations

from basrelief.sources.countries import Country
from basrelief.sources.england import ONS_WORDS
from basrelief.sources.ranks import describe_ranked

WIMD_DOMAINS = (
    *("imd", "income", "employment", "health", "education", "access", "housing", "crime"),
    "physical_environment",
)

# Its own scores are ranks too, spread exponentially.
WIMD = describe_ranked(
    "Welsh Index of Multiple Deprivation (Welsh Government)", "v3.0", WIMD_DOMAINS
)

WALES = Country(
    name="Wales",
    letter="W",
    levels=("LSOA", "MSOA", "district"),
    # ONS, 2011 census geographies: as in England.
    residents={"W00": 100, "W01": 1000, "W02": 5000},
    index=WIMD,
    lidar=(
        "LIDAR of the Welsh Government",
        "Contains Welsh Government information licensed under the Open Government Licence v3.0.",
    ),
    boundaries=("Boundaries", ONS_WORDS),
)
