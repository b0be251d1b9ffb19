"""Files of crime with gaps, and with what looks like counts: unknown with a word, or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Place = Any
"""As in the conftest beside this file, which no test can import."""

CODES = [f"E01{k:06d}" for k in range(1, 101)]
BURGLARIES = np.array([1 + k % 2 for k in range(100)])
"""A month's, by area: 150 in all."""

Crime = tuple[str, str, str]
"""Month, area and kind."""


def months_of(*years: int) -> list[str]:
    return [f"{year}-{month:02d}" for year in years for month in range(1, 13)]


def list_crimes(months: list[str], kind: str = "Burglary") -> list[Crime]:
    return [
        (month, code, kind)
        for month in months
        for code, n in zip(CODES, BURGLARIES, strict=True)
        for _ in range(n)
    ]


def write_street(path: Path, crimes: list[Crime], ids: list[str] | None = None) -> None:
    """Write one crime a row, as police.uk does."""
    table = pd.DataFrame(crimes, columns=["Month", "LSOA code", "Crime type"])
    table.insert(0, "Crime ID", ids or [""] * len(table))
    table.assign(**{"Falls within": "Testshire", "LSOA name": "Testham 001A"}).to_csv(
        path, index=False
    )


def write_columns(path: Path, periods: list[str], counts: Any, *kinds: str) -> None:
    """Write a column a period: of a kind in each row, or of the file's own kind."""
    frames = [
        pd.DataFrame({"LSOA Code": CODES, "LSOA Name": "Testham 001A", "Major Category": kind})
        for kind in kinds or [""]
    ]
    table = pd.concat(frames, ignore_index=True)
    for at, period in enumerate(periods):
        table[period] = [counts(k % 100, at) for k in range(len(table))]
    if not kinds:
        table = table.rename(columns={"LSOA Code": "LSOA11CD"}).drop(columns="Major Category")
    table.to_csv(path, index=False)


def count_crime(place: Place, target: str = "burglary", people: Any = 1000) -> None:
    place.labels().assign(population=people).to_csv(place.folder / "labels.csv", index=False)
    place.configure(data={"crime": "counts*.csv", "targets": [target]})


def test_a_category_that_is_renamed_is_unknown_before(
    place: Place, noted: Callable[..., Any]
) -> None:
    months = months_of(2012, 2013, 2014)
    before = [month for month in months if month < "2013-05"]
    old = list_crimes(before, "Violent crime")
    new = list_crimes(months[len(before) :], "Violence and sexual offences")
    write_street(place.folder / "counts.csv", old + new)
    count_crime(place, "violence_and_sexual_offences")
    areas = noted("no 'violence_and_sexual_offences' in all areas in 2012-01 to 2013-04")
    # Of the years the one in which it is known all along.
    np.testing.assert_allclose(areas["violence_and_sexual_offences"], 12 * BURGLARIES)


@pytest.mark.parametrize("layout", ["columns", "rows"])
def test_a_category_that_a_year_s_file_lacks_is_unknown_in_it(
    place: Place, noted: Callable[..., Any], layout: str
) -> None:
    for year, kinds in ((2018, ("Theft", "Burglary")), (2019, ("Theft", "Robbery"))):
        path = place.folder / f"counts{year}.csv"
        periods = [month.replace("-", "") for month in months_of(year)]
        write_columns(path, periods, lambda k, _: BURGLARIES[k], *kinds)
        if layout == "rows":
            table = pd.read_csv(path).melt(["LSOA Code", "LSOA Name", "Major Category"])
            table["year"], table["month"] = table["variable"].str[:4], table["variable"].str[4:]
            table.drop(columns="variable").to_csv(path, index=False)
    count_crime(place)
    areas = noted("no 'burglary' in all areas in 2019-01 to 2019-12")
    np.testing.assert_allclose(areas["burglary"], 12 * BURGLARIES)


def test_a_category_that_one_district_lacks_is_unknown_there_alone(
    place: Place, noted: Callable[..., Any]
) -> None:
    crimes = list_crimes(months_of(2019)) + list_crimes(months_of(2019), "Robbery")
    is_gap = [m == "2019-06" and c > CODES[59] and t == "Robbery" for m, c, t in crimes]
    write_street(
        place.folder / "counts.csv", [c for c, gap in zip(crimes, is_gap, strict=True) if not gap]
    )
    table = pd.read_csv(place.folder / "counts.csv")
    table.loc[table["LSOA code"] > CODES[59], "LSOA name"] = "Southham 001A"
    table.to_csv(place.folder / "counts.csv", index=False)
    count_crime(place, "robbery")
    areas = noted("no 'robbery' in Southham in 2019-06, where a usual month has 60")
    assert areas["robbery"].isna().tolist() == [False] * 60 + [True] * 40


def test_a_rare_category_may_fail_to_occur(place: Place, noted: Callable[..., Any]) -> None:
    burglaries = list_crimes(months_of(2019))
    riot = [("2019-08", code, "Riot") for code in CODES[:40]]
    rare = [(month, CODES[0], "Arson") for month in months_of(2019)[::2] for _ in range(9)]
    write_street(place.folder / "counts.csv", burglaries + riot + rare)
    count_crime(place, "riot")
    areas = noted()
    assert areas["riot"].tolist() == [1.0] * 40 + [0.0] * 60
    assert (place.run / "chips" / "notes.json").read_text().strip() == "[]"


def test_a_month_that_was_cut_short_is_unknown(place: Place, noted: Callable[..., Any]) -> None:
    crimes = [c for c in list_crimes(months_of(2018, 2019)) if c[0] != "2019-06"]
    write_street(place.folder / "counts.csv", crimes + list_crimes(["2019-06"])[:2])
    count_crime(place)
    areas = noted("hardly a crime (2 at most) in all areas in 201906, where a usual month has 150")
    np.testing.assert_allclose(areas["burglary"], 12 * BURGLARIES)


def test_a_lockdown_s_month_is_no_gap(place: Place, noted: Callable[..., Any]) -> None:
    crimes = list_crimes(months_of(2019))
    april = [crime for crime in crimes if crime[0] == "2019-04"]
    # A third of the usual, as in the centre of a city.
    left = [crime for crime in crimes if crime[0] != "2019-04"] + april[::3]
    write_street(place.folder / "counts.csv", left)
    count_crime(place)
    assert noted()["burglary"].sum() == 11 * 150 + 50


def test_crimes_that_stand_twice_count_once(place: Place, noted: Callable[..., Any]) -> None:
    crimes = list_crimes(months_of(2019))
    ids = [hashlib.sha256(str(k).encode()).hexdigest() for k in range(len(crimes))]
    write_street(place.folder / "counts.csv", crimes + crimes[:900], ids + ids[:900])
    count_crime(place)
    areas = noted("900 of 2700 crimes stand there again, with the same Crime ID")
    np.testing.assert_allclose(areas["burglary"], 12 * BURGLARIES)


def without_areas(folder: Path) -> None:
    crimes = [(month, "", kind) for month, _, kind in list_crimes(months_of(2019))]
    write_street(folder / "counts.csv", crimes)


def crimes_to_come(folder: Path) -> None:
    write_street(folder / "counts.csv", list_crimes([*months_of(2019), "2099-01"]))


def headings_of_crimes(folder: Path) -> None:
    write_street(folder / "counts.csv", [])


def headings_of_years(folder: Path) -> None:
    (folder / "counts.csv").write_text("LSOA11CD,2018\n")


def headings_of_rows(folder: Path) -> None:
    (folder / "counts.csv").write_text("lsoa_code,major_category,value,year,month\n")


def a_month_to_come(folder: Path) -> None:
    """As a clock that is wrong writes it, in one of many rows."""
    write_street(
        folder / "counts.csv", [*list_crimes(months_of(2019)), ("2097-01", CODES[0], "Burglary")]
    )


def rows_of(names: str, *cells: str) -> Callable[[Path], None]:
    """Counts in rows, the same of every area: headings and cells behind the area's code."""

    def write(folder: Path) -> None:
        rows = [f"{code},{each}" for code in CODES for each in cells]
        (folder / "counts.csv").write_text("\n".join([f"LSOA Code,{names}", *rows]))

    return write


def a_blank_month(folder: Path) -> None:
    write_street(folder / "counts.csv", [*list_crimes(months_of(2019)), ("", CODES[0], "Burglary")])


def years_of(counts: Any, *years: str) -> Callable[[Path], None]:
    return lambda folder: write_columns(folder / "counts-major-burglary.csv", [*years], counts)


def added_up(folder: Path) -> None:
    periods = [month.replace("-", "") for month in months_of(2019)]
    write_columns(
        folder / "counts.csv", periods, lambda k, at: (at + 1) * BURGLARIES[k], "Burglary"
    )


def year_beside_months(folder: Path) -> None:
    years_of(lambda k, _: 12 * BURGLARIES[k] + (k == 7), "2019")(folder)
    periods = [month.replace("-", "") for month in months_of(2019)]
    write_columns(folder / "counts.csv", periods, lambda k, _: BURGLARIES[k], "Burglary")


def rolling(n_months: int) -> Callable[[Path], None]:
    """Sums of so many months each, given as counts of months."""
    months = [month.replace("-", "") for month in months_of(2018, 2019, 2022)]
    single = np.random.default_rng(0).poisson(4.0, (100, len(months) + n_months - 1))
    sums = np.lib.stride_tricks.sliding_window_view(single, n_months, axis=1).sum(axis=2)
    return lambda folder: write_columns(
        folder / "counts.csv", months, lambda k, at: sums[k, at], "Burglary"
    )


REFUSED: list[tuple[str, Callable[[Path], None], tuple[str, ...]]] = [
    ("no LSOA anywhere", without_areas, ("holds no count of any area",)),
    ("crimes to come", crimes_to_come, ("has counts of 2099-01", "still to come")),
    ("headings of crimes", headings_of_crimes, ("holds no count of any area",)),
    ("headings of years", headings_of_years, ("holds no count of any area",)),
    ("headings of rows", headings_of_rows, ("holds no count of any area",)),
    ("rates", years_of(lambda k, _: 12.5 + k, "2019"), ("'2019' must hold whole counts", "12.5")),
    ("percent", years_of(lambda k, _: f"{k % 7 + 1}%", "2019"), ("'2019' must hold", "1%")),
    ("years to come", years_of(lambda k, _: k, "2019", "2097"), ("2097, which is still to come",)),
    ("single crimes to come", a_month_to_come, ("counts of 2097-01, which is still to come",)),
    (
        "quarters",
        rows_of(
            "Major Category,Value,Year,Quarter",
            *(f"Burglary,{k},2019,{k}" for k in range(1, 5)),
        ),
        ("has a column 'Quarter' beside the year", "or by month"),
    ),
    (
        "days of a month",
        rows_of(
            "Major Category,Value,Year,Month,Day", "Burglary,3,2019,1,1", "Burglary,4,2019,1,2"
        ),
        ("rows must differ in one of 'LSOA Code', 'Major Category', 'period'", "201901"),
    ),
    (
        "a month left blank",
        rows_of("Major Category,Value,Year,Month", "Burglary,3,2019,1", "Burglary,4,2019,"),
        ("100 of 200 rows have no year, or no month where others have one",),
    ),
    (
        "a single crime without a month",
        a_blank_month,
        ("1 of 1801 rows have no year, or no month",),
    ),
    (
        "a month in words",
        rows_of("Major Category,Value,Month", "Burglary,3,Jan 2019"),
        ("'Jan 2019' is no year and month (2019-01)", "201901"),
    ),
    (
        "one category in small and large letters",
        rows_of("Major Category,Value,Year", "Burglary,3,2019", "BURGLARY ,3,2019"),
        ("rows must differ in one of", "E01000001, burglary, 2019 stands 2 times"),
    ),
    (
        "columns of one category in small and large letters",
        lambda folder: write_columns(
            folder / "counts.csv",
            [month.replace("-", "") for month in months_of(2019)],
            lambda k, _: BURGLARIES[k],
            *("Burglary", "BURGLARY"),
        ),
        ("rows must differ in one of", "E01000001, burglary stands 2 times"),
    ),
    ("sums of twelve months each", rolling(12), ("as crimes do by chance alone", "single months")),
    ("sums of three months each", rolling(3), ("as much as crimes do by chance alone",)),
    ("running totals", added_up, ("counts of 2019 never fall", "of single months")),
    (
        "a year that is not its months",
        year_beside_months,
        ("'burglary' of 2019 in E01000008 is 25 as a year and 24 in its months",),
    ),
]


@pytest.mark.parametrize(
    ("write", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_no_count_is_refused(
    place: Place,
    refused: Callable[..., None],
    write: Callable[[Path], None],
    says: tuple[str, ...],
) -> None:
    write(place.folder)
    count_crime(place)
    refused("data.crime", *says)


def test_people_in_thousands_are_refused(place: Place, refused: Callable[..., None]) -> None:
    years_of(lambda k, _: k, "2019")(place.folder)
    count_crime(place, people=[1.5 + k / 100 for k in range(100)])
    refused("data.labels", "'population'", "1.5 in E01000001", "write 1500, not 1.5")


def test_areas_without_people_are_named(place: Place, noted: Callable[..., Any]) -> None:
    years_of(lambda k, _: k, "2019")(place.folder)
    count_crime(place, people=[1000] * 94 + [0] * 3 + [np.nan] * 3)
    areas = noted("nobody is known to live in 6 of the 100 areas here (E01000095, E01000096")
    assert areas["burglary"].isna().sum() == 6


def test_more_crimes_than_people_get_a_word(place: Place, noted: Callable[..., Any]) -> None:
    years_of(lambda k, _: 3000 + k, "2019")(place.folder)
    count_crime(place)
    noted("half of the areas have 3,050 or more of 'burglary' per 1,000 people and year")


def test_years_that_never_fall_get_a_word(place: Place, noted: Callable[..., Any]) -> None:
    years_of(lambda k, at: (at + 1) * (k + 1), "2017", "2018", "2019")(place.folder)
    count_crime(place)
    assert noted("never fall from 2017 to 2019")["burglary"][1] == 4.0


def test_counts_that_differ_by_chance_are_taken(place: Place, noted: Callable[..., Any]) -> None:
    rolling(1)(place.folder)
    count_crime(place)
    assert noted()["burglary"].mean() == pytest.approx(12 * 4.0, rel=0.05)


def test_a_crime_that_is_copied_down_a_sheet_counts_once(
    place: Place, noted: Callable[..., Any]
) -> None:
    crimes = list_crimes(months_of(2018, 2019, 2022))
    ids = [hashlib.sha256(str(k).encode()).hexdigest() for k in range(len(crimes))]
    # As published, a few IDs stand twice, and count so.
    again = [0] * 500 + [1]
    write_street(
        place.folder / "counts.csv",
        crimes + [crimes[k] for k in again],
        ids + [ids[k] for k in again],
    )
    count_crime(place)
    areas = noted("501 of 5901 crimes stand there again", "more than 10 times are counted once")
    expected = 12.0 * BURGLARIES
    expected[1] += 1 / 3
    np.testing.assert_allclose(areas["burglary"], expected)


@pytest.mark.parametrize("months", [months_of(2019)[:3], months_of(2019)])
def test_a_second_force_counts_where_its_months_are_whole(
    place: Place, noted: Callable[..., Any], months: list[str]
) -> None:
    write_street(place.folder / "counts1.csv", list_crimes(months_of(2019)))
    write_street(
        place.folder / "counts2.csv",
        [(month, c, "Burglary") for month in months for c in CODES[:50]],
    )
    second = pd.read_csv(place.folder / "counts2.csv", dtype=str)
    second.assign(**{"Falls within": "Railway Police"}).to_csv(
        place.folder / "counts2.csv", index=False
    )
    count_crime(place)
    is_whole = len(months) == 12
    says = (
        "150 crimes that Railway Police recorded in 50 areas of Testshire are left out: its files "
        "have none of 2019-04, 2019-05, 2019-06, 2019-07, 2019-08 and 4 more"
    )
    areas = noted(*[] if is_whole else [says])
    expected = 12 * BURGLARIES + 12 * is_whole * (np.arange(100) < 50)
    np.testing.assert_allclose(areas["burglary"], expected)


def test_years_are_those_of_the_place_and_not_of_areas_beside_it(
    place: Place, noted: Callable[..., Any]
) -> None:
    here = list_crimes(months_of(2018, 2019))
    beside = [
        (month, f"E01{k:06d}", "Burglary") for month in months_of(2018) for k in range(500, 900)
    ]
    write_street(place.folder / "counts.csv", here + beside)
    # Of the place itself most areas have no tile.
    values = place.heights()
    place.write_raster("a.tif", values[:100, :100])
    place.write_raster("b.tif", values[-50:, -50:], west=530_900.0, north=180_100.0)
    lacking = set(CODES) - {f"E01{k:06d}" for k in (1, 2, 3, 11, 12, 13, 21, 22, 23, 100)}
    table = pd.read_csv(place.folder / "counts.csv")
    is_out = table["LSOA code"].isin(lacking) & table["Month"].str.startswith("2019")
    table[~is_out].assign(**{"Falls within": table["LSOA code"]}).to_csv(
        place.folder / "counts.csv", index=False
    )
    count_crime(place)
    place.configure(data={"dsm": "[ab].tif"})
    areas = noted()
    assert areas.loc[areas["is_used"], "label_year"].eq(2019).all()
