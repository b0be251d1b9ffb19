"""The layers of the Office for National Statistics that are asked for, by what they are."""

from __future__ import annotations

from basrelief.sources.fetch.features import FeatureLayer

LSOA = {
    2011: FeatureLayer(
        "LSOA_Dec_2011_Boundaries_Generalised_Clipped_BGC_EW_V3",
        ("LSOA11CD",),
        ("LSOA11CD", "LSOA11NM"),
    ),
    2021: FeatureLayer(
        "Lower_layer_Super_Output_Areas_December_2021_Boundaries_EW_BGC_V5",
        ("LSOA21CD",),
        ("LSOA21CD", "LSOA21NM"),
    ),
}
"""By census. Of one degree of generalisation with the layers below: borders that were simplified
apart would cross."""

MSOA = {
    2011: FeatureLayer(
        "MSOA_Dec_2011_Boundaries_Generalised_Clipped_BGC_EW_V3_2022",
        ("MSOA11CD",),
        ("MSOA11CD", "MSOA11NM"),
    ),
    2021: FeatureLayer(
        "Middle_layer_Super_Output_Areas_December_2021_Boundaries_EW_BGC_V3",
        ("MSOA21CD",),
        ("MSOA21CD", "MSOA21NM"),
    ),
}

LAD = FeatureLayer("LAD_MAY_2025_UK_BGC_V2", ("LAD25CD",), ("LAD25CD", "LAD25NM"))

WARD = FeatureLayer(
    "WD_MAY_2025_UK_BGC_V2", ("WD25CD",), ("WD25CD", "WD25NM", "LAD25CD", "LAD25NM")
)

CHANGES = FeatureLayer(
    "LSOA11_LSOA21_LAD22_EW_LU_v5",
    ("LSOA11CD", "LSOA21CD"),
    ("LSOA11CD", "LSOA21CD", "CHGIND", "LAD22CD"),
)
"""Which LSOA of 2011 became which of 2021; the older edition calls its key otherwise."""
