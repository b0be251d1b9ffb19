from __future__ import annotations

from datetime import date

import pytest

from basrelief.sources.products import TileName, read_name, tell_flight, tell_product

# What the name is | kind | returns | cell in metres | square | first day | last day or "edition".
# Real names first (as published since 1998), then such as were made from their patterns.
GOLDEN = """
tq2585_DSM_2M.asc                                   surface - 2 TQ2585 - -
tq2985_DSM_2M.asc                                   surface - 2 TQ2985 - -
su4419_DSM_1M.asc                                   surface - 1 SU4419 - -
LIDAR-DSM-1M-SP40ne.zip                             surface - 1 SP40NE - -
2017-LIDAR-DSM-1M-SD72se.zip                        surface - 1 SD72SE 20170101 20171231
TQ37ne_FZ_DSM_1m.tif                                surface first 1 TQ37NE - -
TQ37ne_DTM_1m.tif                                   terrain - 1 TQ37NE - -
SP52sw-DTM-1m.tif                                   terrain - 1 SP52SW - -
DSM_TQ3080_P_12151_20201212_20201212.tif            surface - - TQ3080 20201212 20201212
NewcastleCentreDEM_2m.img                           - - 2 - - -
dsm_barb_1m_tif.tif                                 surface - 1 - - -
dem_barb_1m_tif.tif                                 - - 1 - - -
lidar_composite_dtm-2022-1-TQ28NE.zip               terrain - 1 TQ28NE - edition2022
lidar_composite_first_return_dsm-2022-1-SU12NE.zip  surface first 1 SU12NE - edition2022
lidar_composite_last_return_dsm-2022-2-SU12ne.zip   surface last 2 SU12NE - edition2022
lidar_composite_dtm-2022-10-SU12ne.zip              terrain - 10 SU12NE - edition2022
national_lidar_programme_dsm-2019-1-TQ28ne.zip      surface - 1 TQ28NE 20190101 20191231
national_lidar_programme_first_return_dsm-2021-1-ST57nw.zip surface first 1 ST57NW 20210101 20211231
national_lidar_programme_intensity-2020-1-ST57nw.zip intensity - 1 ST57NW 20200101 20201231
national_lidar_programme_point_cloud-2020-NaN-ST57nw.zip points - - ST57NW 20200101 20201231
national_lidar_programme_vom-2022-1-TQ28ne.zip      vegetation - 1 TQ28NE 20220101 20221231
lidar_tiles_dsm-1998-2-TQ38sw.zip                   surface - 2 TQ38SW 19980101 19981231
lidar_tiles_dtm-2016-0.25-TQ38sw.zip                terrain - 0.25 TQ38SW 20160101 20161231
lidar_point_cloud-2018-NaN-TQ38sw.zip               points - - TQ38SW 20180101 20181231
vertical_aerial_photography_tiles_rgb-2014-0.2-TQ38sw.zip photograph - 0.2 TQ38SW 20140101 20141231
wales_dsm_32bit_cog.tif                             surface - - - - -
wales_dtm_32bit_cog.tif                             terrain - - - - -
LIDAR-DTM-2M-TQ28.zip                               terrain - 2 TQ28 - -
LIDAR-DSM-25CM-TQ38sw.zip                           surface - 0.25 TQ38SW - -
LIDAR-DTM-50CM-NZ26nw.zip                           terrain - 0.5 NZ26NW - -
LIDAR-DSM-TIMESERIES-1M-2014-SD72se.zip             surface - 1 SD72SE 20140101 20141231
tq3785_DSM_50CM.asc                                 surface - 0.5 TQ3785 - -
tq3785_dtm_25cm.asc                                 terrain - 0.25 TQ3785 - -
TQ28NE_LZ_DSM_1m.tif                                surface last 1 TQ28NE - -
TQ28ne_DTM_10m.tif                                  terrain - 10 TQ28NE - -
TQ3080_VOM_1m.tif                                   vegetation - 1 TQ3080 - -
DTM_NZ2464_P_10755_20180312_20190420.tif            terrain - - NZ2464 20180312 20190420
FZ_DSM_SK3587_P_11350_20191102_20191205.tif         surface first - SK3587 20191102 20191205
TQ3080_P_12151_20201212_20201212.laz                points - - TQ3080 20201212 20201212
INTENSITY_TQ3080_P_12151_20201212_20201212.tif      intensity - - TQ3080 20201212 20201212
tq3080_hillshade.tif                                hillshade - - TQ3080 - -
TQ28NE_FZ_DSM_1m_hillshade.tif                      hillshade first 1 TQ28NE - -
SO2142_DSM_1m.tif                                   surface - 1 SO2142 - -
so2142_dtm_32bit.tif                                terrain - - SO2142 - -
sh55_dsm_1m_res.zip                                 surface - 1 SH55 - -
NS56_1M_DSM_PHASE1.tif                              surface - 1 NS56 - -
NT27NW_50CM_DTM_PHASE5.tif                          terrain - 0.5 NT27NW - -
nj90_nw_50cm_dsm_phase6.tif                         surface - 0.5 NJ90NW - -
lidar/2017-LIDAR-DSM-1M-SD72se.zip/sd7020_DSM_1M.asc surface - 1 SD7020 20170101 20171231
lidar_composite_dtm-2022-1-TQ28NE.zip/TQ28ne_DTM_1m.tif terrain - 1 TQ28NE - edition2022
dsm_2019/DTM_SU44_20200131.tif                      terrain - - SU44 20200131 20200131
tq28ne_dsm_2012-2015_1m.tif                         surface - 1 TQ28NE 20120101 20151231
tq28ne_dsm_2020-03-04_0.5m.tif                      surface - 0.5 TQ28NE 20200304 20200304
tq28ne_dsm_20200231.tif                             surface - - TQ28NE - -
tq2010_DSM_2M.asc                                   surface - 2 TQ2010 - -
xx2010_dsm_1m.asc                                   surface - 1 - - -
dsm1m_tq2585.asc                                    surface - 1 TQ2585 - -
dsm_1m_2m_tq2585.asc                                surface - - TQ2585 - -
TQ28_TQ2585_dsm.tif                                 surface - - TQ2585 - -
first-return-dsm_hu40_25cm_20110914.tif             surface first 0.25 HU40 20110914 20110914
dsm_dtm_SV9110.tif                                  - - - SV9110 - -
dom1_33_381_5820_2021.tif                           surface - - - 20210101 20211231
"""


def read_day(text: str) -> date | None:
    return None if text == "-" else date.fromisoformat(text)


@pytest.mark.parametrize("line", GOLDEN.strip().splitlines(), ids=lambda line: line.split()[0])
def test_every_era_of_names_is_read(line: str) -> None:
    name, kind, returns, cell, square, first, last = line.split()
    edition = int(last.removeprefix("edition")) if last.startswith("edition") else None
    expected = TileName(
        kind=None if kind == "-" else kind,  # type: ignore[arg-type]
        returns=None if returns == "-" else returns,  # type: ignore[arg-type]
        cell_m=None if cell == "-" else float(cell),
        square=None if square == "-" else square,
        flown_from=read_day(first),
        flown_to=None if edition else read_day(last),
        edition=edition,
    )
    assert read_name(name) == expected


def test_the_table_has_sixty_names() -> None:
    assert len(GOLDEN.strip().splitlines()) >= 60


@pytest.mark.parametrize("line", GOLDEN.strip().splitlines(), ids=lambda line: line.split()[0])
def test_short_answers_agree_with_long_ones(line: str) -> None:
    name = line.split()[0]
    long = read_name(name)
    last = long.flown_to or (date(long.edition, 12, 31) if long.edition else None)
    assert tell_flight(name) == (int(f"{last:%Y%m%d}") if last else None)
    if long.kind in ("surface", "terrain"):
        assert tell_product(name) == long.kind
