"""Scotland: its small areas, its index, and whose its data usually are."""

from __future__ import annotations

from basrelief.sources.countries import OPEN_GOVERNMENT, ORDNANCE_SURVEY, Country
from basrelief.sources.ranks import describe_ranked

SIMD_DOMAINS = (
    *("imd", "income", "employment", "health", "education", "access", "crime"),
    "housing",
)

SIMD = describe_ranked(
    "Scottish Index of Multiple Deprivation (Scottish Government)", "v3.0", SIMD_DOMAINS
)

SCOTLAND = Country(
    name="Scotland",
    letter="S",
    levels=("data zone", "intermediate zone", "council area"),
    # National Records of Scotland, 2011 census: output areas of 20 households or more; data
    # zones of 500 to 1,000 residents, intermediate zones of 2,500 to 6,000.
    residents={"S00": 50, "S01": 500, "S02": 2500},
    index=SIMD,
    lidar=(
        "LIDAR of the Scottish Public Sector",
        "© Crown copyright Scottish Government, SEPA and Scottish Water. "
        f"{OPEN_GOVERNMENT} v3.0; phase 2 and the sets of Historic Environment Scotland are under "
        "the Non-Commercial Government Licence.",
    ),
    boundaries=(
        "Boundaries of the Scottish Government",
        f"Copyright Scottish Government, {ORDNANCE_SURVEY[0].lower()}{ORDNANCE_SURVEY[1:]} [year]. "
        f"{OPEN_GOVERNMENT} v3.0.",
    ),
)
