"""England: its small areas, its index, and whose its data usually are."""

from __future__ import annotations

from basrelief.sources.countries import OPEN_GOVERNMENT, ORDNANCE_SURVEY, Country
from basrelief.sources.iod import IOD

ENVIRONMENT_AGENCY = "© Environment Agency copyright and/or database right."

ONS_WORDS = (
    "Source: Office for National Statistics licensed under the Open Government Licence v3.0. "
    f"{ORDNANCE_SURVEY} [year]."
)

ENGLAND = Country(
    name="England",
    letter="E",
    levels=("LSOA", "MSOA", "district"),
    # ONS, 2011 census geographies: output areas, and super output areas of both layers.
    residents={"E00": 100, "E01": 1000, "E02": 5000},
    index=IOD,
    lidar=("LIDAR of the Environment Agency", f"{ENVIRONMENT_AGENCY} {OPEN_GOVERNMENT} v3.0."),
    boundaries=("Boundaries", ONS_WORDS),
)
