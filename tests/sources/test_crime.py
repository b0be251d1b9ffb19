"""Counts of crime are read in both published layouts, and what is unknown stays unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basrelief.config import InputError
from basrelief.run import Notes, Run
from basrelief.sources.crime import CrimeCounts, count_by_borough, find_rates, read_crime
from basrelief.typed import Typed

YEARLY = "LSOA11CD,LSOA11NM,LAD11CD,LAD11NM,2017,2018,2019,2020\n"
POLICE = "LSOA Code,LSOA Name,Borough,Major Category,Minor Category"


def read(folder: Path, years: list[int] | None = None) -> CrimeCounts:
    notes = Notes(Run(folder, quiet=True))
    crime = read_crime(Typed("crime", "*.csv", folder / "*.csv"), years, notes)
    assert notes.lines == []
    return crime


def write_yearly(folder: Path, category: str, *rows: str) -> None:
    text = YEARLY + "".join(f"{row}\n" for row in rows)
    (folder / f"london-2017-2020-major-{category}.csv").write_text(text)


def write_police(path: Path, months: list[str], rows: dict[str, list[float]]) -> None:
    """Write counts by ``area/major/minor``, in one borough."""
    lines = [",".join([POLICE, *months])]
    for name, counts in rows.items():
        area, major, minor = name.split("/")
        cells = [area, f"Camden 00{area[-1]}A", "Camden", major, minor, *map(str, counts)]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def months_of(*years: int) -> list[str]:
    return [f"{year}{month:02d}" for year in years for month in range(1, 13)]


def test_yearly_files_give_a_category_each(tmp_path: Path) -> None:
    write_yearly(tmp_path, "theft-all", "E1,Camden 001A,E09,Camden,3,4.0,5,90")
    write_yearly(tmp_path, "public-order", "E1,Camden 001A,E09,Camden,1,1,2,0")
    crime = read(tmp_path)
    assert crime.categories == ("public_order", "theft")
    assert crime.years == (2017, 2018, 2019)
    assert crime.counts.loc["E1"].to_dict() == {"public_order": 4.0, "theft": 12.0}


def test_lockdown_years_are_taken_only_when_asked_for(tmp_path: Path) -> None:
    write_yearly(tmp_path, "theft", "E1,Camden 001A,E09,Camden,3,4,5,90")
    assert read(tmp_path, [2020]).counts.loc["E1", "theft"] == 90
    with pytest.raises(InputError, match=r"crime_years: .* of 2021\. .*: 2017, 2018, 2019, 2020"):
        read(tmp_path, [2019, 2021])


def test_police_months_are_added_up_by_major_and_minor_category(tmp_path: Path) -> None:
    rows: dict[str, list[float]] = {
        "E1/Theft/Bicycle Theft": [1] * 12,
        "E1/Theft/Shoplifting": [2] * 12,
        "E2/Burglary/Burglary": [0, 1] * 6,
    }
    write_police(tmp_path / "a.csv", months_of(2018), rows)
    crime = read(tmp_path)
    assert crime.categories == ("theft", "burglary")
    assert crime.counts["theft"].to_dict() == {"E1": 36.0, "E2": 0.0}
    assert crime.counts["bicycle_theft"]["E1"] == 12.0
    assert crime.counts["burglary"].to_dict() == {"E1": 0.0, "E2": 6.0}


def test_a_year_without_all_its_months_is_not_complete(tmp_path: Path) -> None:
    months = months_of(2018, 2019)[:-1]
    write_police(tmp_path / "a.csv", months, {"E1/Theft/Other": [1] * 23})
    assert read(tmp_path).years == (2018,)
    with pytest.raises(InputError, match="no complete counts of 2019"):
        read(tmp_path, [2019])


def test_a_year_may_be_spread_over_files_but_counted_once(tmp_path: Path) -> None:
    write_police(tmp_path / "a.csv", months_of(2018)[:6], {"E1/Theft/Other": [1] * 6})
    write_police(tmp_path / "b.csv", months_of(2018)[6:], {"E2/Theft/Other": [2] * 6})
    assert read(tmp_path).counts["theft"].to_dict() == {"E1": 6.0, "E2": 12.0}
    write_police(tmp_path / "c.csv", months_of(2018)[5:], {"E1/Theft/Other": [2] * 7})
    with pytest.raises(InputError, match=r"two files count 'other' of 201806 in E1"):
        read(tmp_path)


@given(
    counts=st.lists(st.integers(0, 500), min_size=3, max_size=3),
    people=st.one_of(st.just(np.nan), st.integers(0, 9000)),
)
def test_rates_are_crimes_a_year_per_thousand_people(counts: list[int], people: float) -> None:
    table = pd.DataFrame({"theft": [float(sum(counts))]}, index=["E1"])
    crime = CrimeCounts(table, ("theft",), (2017, 2018, 2019), pd.Series(dtype=object), None)
    rates = find_rates(crime, pd.Series([people, 1000.0], ["E1", "city"]))["theft"]
    expected = np.mean(counts) / people * 1000 if people > 0 else np.nan
    assert rates["E1"] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(rates["city"])


def test_boroughs_add_up_with_leap_days(tmp_path: Path) -> None:
    rows = ("E1,Camden 001A,E09,Camden,3,4,5,6", "E2,Brent 001A,E08,Brent,1,1,1,1")
    write_yearly(tmp_path, "theft", *rows)
    sums = count_by_borough(read(tmp_path, [2019, 2020]))
    assert sums["borough"].tolist() == ["Brent", "Camden"]
    assert sums["n_crimes"].tolist() == [2.0, 11.0]
    assert sums["n_days"].tolist() == [731, 731]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", YEARLY + "E1,A,B,C,1,2,x,4\n", r"column '2019' must hold counts .* 'x'"),
        ("a.csv", YEARLY + "E1,A,B,C,1,2,-3,4\n", r"counts of 0 or more, found '-3'"),
        ("a.csv", YEARLY + "E1,A,B,C,1,2,3,4\n" * 2, r"E1 stands 2 times"),
        ("a.csv", "LSOA11CD,total\nE1,2\n", "no columns of years or months"),
        ("a.csv", "ward,2019\nE1,2\n", "no column of LSOA codes"),
        ("a.csv", "", r"a\.csv: the file is empty"),
        ("a.csv", POLICE + ",201901\nE1,Camden 001A,Camden,Theft,Other,1\n", "no complete year"),
        ("a.txt", YEARLY, "matches no file"),
    ],
)
def test_files_that_are_no_counts_are_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path)


@pytest.mark.real
def test_the_published_counts_have_no_city_of_london(shared_data: Path) -> None:
    notes = Notes(Run(shared_data, quiet=True))
    typed = Typed("crime", "crime/*.csv", shared_data / "crime" / "*.csv")
    crime = read_crime(typed, None, notes)
    assert notes.lines == []
    assert len(crime.categories) == 8
    assert crime.years == (2017, 2018, 2019)
    assert crime.counts.shape == (4829, 8)
    assert crime.counts["burglary"].sum() == 75986 + 80293 + 80371
    boroughs = set(crime.boroughs)
    assert len(boroughs) == 32
    assert "City of London" not in boroughs
