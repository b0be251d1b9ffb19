"""Wales: its small areas, its index, and whose its data usually are."""

from __future__ import annotations

from basrelief.sources.countries import Country
from basrelief.sources.england import ONS
from basrelief.sources.licences import OGL, Credit, credit_open
from basrelief.sources.ranks import describe_ranked

WIMD_DOMAINS = (
    *("imd", "income", "employment", "health", "education", "access", "housing", "crime"),
    "physical_environment",
)

# Its own scores are ranks too, spread exponentially.
WIMD = describe_ranked(
    credit_open(
        "Welsh Index of Multiple Deprivation (Welsh Government)",
        "https://www.gov.wales/welsh-index-multiple-deprivation",
    ),
    WIMD_DOMAINS,
)

# Of its archive of older surveys; the words stand on the catalogue's page.
NATURAL_RESOURCES_WALES = Credit(
    source="LIDAR archive of Natural Resources Wales",
    licence="OGL v3",
    statement=(
        "Contains Natural Resources Wales information © Natural Resources Wales and Database "
        "Right. All rights Reserved."
    ),
    url=OGL,
)

WALES = Country(
    name="Wales",
    letter="W",
    levels=("LSOA", "MSOA", "district"),
    # ONS, 2011 census geographies: as in England.
    residents={"W00": 100, "W01": 1000, "W02": 5000},
    index=WIMD,
    lidar=Credit(
        source="LIDAR of the Welsh Government",
        licence="OGL v3",
        # The catalogue's own field says "Not Specified"; the terms stand on its page.
        statement=(
            "Contains Welsh Government information licensed under the Open Government Licence v3.0."
        ),
        url="https://datamap.gov.wales/maps/lidar-data-download/",
    ),
    boundaries=ONS,
)
