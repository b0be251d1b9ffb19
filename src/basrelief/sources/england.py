"""England: its small areas, its index, and whose its data usually are."""

from __future__ import annotations

from basrelief.sources.countries import Country
from basrelief.sources.iod import IOD
from basrelief.sources.licences import (
    OGL,
    OPEN_GOVERNMENT,
    ORDNANCE_SURVEY,
    YEAR,
    Credit,
    credit_open,
)

ENVIRONMENT_AGENCY = f"© Environment Agency copyright and/or database right {YEAR}."

# Of England and Wales; its directories of districts and of names cover Great Britain.
ONS = Credit(
    source="Office for National Statistics",
    licence="OGL v3",
    statement=(
        "Source: Office for National Statistics licensed under the Open Government Licence v3.0. "
        f"{ORDNANCE_SURVEY} {YEAR}."
    ),
    url="https://www.ons.gov.uk/methodology/geography/licences",
)

# Of England, Wales and Northern Ireland.
POLICE_UK = credit_open(
    "police.uk (Single Online Home National Digital Team)", "https://data.police.uk/about/"
)

# The Metropolitan Police publishes its counts under the older version of the licence.
METROPOLITAN_POLICE = credit_open(
    "Recorded crimes by area of the Metropolitan Police",
    "https://data.london.gov.uk/dataset/recorded_crime_summary",
    "v2.0",
)

ENGLAND = Country(
    name="England",
    letter="E",
    levels=("LSOA", "MSOA", "district"),
    # ONS, 2011 census geographies: output areas, and super output areas of both layers.
    residents={"E00": 100, "E01": 1000, "E02": 5000},
    index=IOD,
    lidar=Credit(
        source="LIDAR of the Environment Agency",
        licence="OGL v3",
        statement=f"{ENVIRONMENT_AGENCY} {OPEN_GOVERNMENT} v3.0.",
        url=OGL,
    ),
    boundaries=ONS,
)
