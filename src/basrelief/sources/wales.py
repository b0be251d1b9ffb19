"""Wales: its small areas, its index, and whose its data usually are."""

from __future__ import annotations

from basrelief.sources.countries import Country
from basrelief.sources.england import ONS_WORDS
from basrelief.sources.published import PublishedIndex
from basrelief.sources.ranks import SUFFIX

WIMD_DOMAINS = (
    *("imd", "income", "employment", "health", "education", "access", "housing", "crime"),
    "physical_environment",
)

WIMD = PublishedIndex(
    name="Welsh Index of Multiple Deprivation (Welsh Government)",
    licence="v3.0",
    # Made of ranks when it is fetched: its own scores are ranks too, spread exponentially.
    headings={f"{name}{SUFFIX}": (f"{name}{SUFFIX}",) for name in WIMD_DOMAINS},
    domains=tuple(f"{name}{SUFFIX}" for name in WIMD_DOMAINS),
    around_0=frozenset(f"{name}{SUFFIX}" for name in WIMD_DOMAINS),
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
