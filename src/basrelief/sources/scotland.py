"""Scotland: its small areas, its index, and whose its data usually are."""

from __future__ import annotations

from basrelief.sources.countries import Country
from basrelief.sources.licences import (
    OGL,
    OPEN_GOVERNMENT,
    YEAR,
    Credit,
    credit_open,
)
from basrelief.sources.ranks import describe_ranked

SIMD_DOMAINS = (
    *("imd", "income", "employment", "health", "education", "access", "crime"),
    "housing",
)

SIMD = describe_ranked(
    credit_open(
        "Scottish Index of Multiple Deprivation (Scottish Government)",
        "https://www.gov.scot/collections/scottish-index-of-multiple-deprivation-2020/",
    ),
    SIMD_DOMAINS,
)

SCOTLAND = Country(
    name="Scotland",
    letter="S",
    levels=("data zone", "intermediate zone", "council area"),
    # National Records of Scotland, 2011 census: output areas of 20 households or more; data
    # zones of 500 to 1,000 residents, intermediate zones of 2,500 to 6,000.
    residents={"S00": 50, "S01": 500, "S02": 2500},
    index=SIMD,
    lidar=Credit(
        source="LIDAR of the Scottish Public Sector",
        licence="OGL v3, in parts the Non-Commercial Government Licence",
        statement="© Crown copyright Scottish Government, SEPA and Scottish Water. "
        f"{OPEN_GOVERNMENT} v3.0; phase 2 and the sets of Historic Environment Scotland are under "
        "the Non-Commercial Government Licence.",
        url=OGL,
    ),
    boundaries=Credit(
        source="Boundaries of the Scottish Government",
        licence="OGL v3",
        statement=(
            "Copyright Scottish Government, contains OS data © Crown copyright and database right "
            f"{YEAR}. {OPEN_GOVERNMENT} v3.0."
        ),
        url="https://www.data.gov.uk/dataset/ab9f1f20-3b7f-4efa-9bd2-239acf63b540",
    ),
)
