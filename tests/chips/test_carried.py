"""A town of twelve squares that two censuses draw differently, its truth known square by square."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import CRS

from basrelief.chips.carried import carry_tables, open_lookup
from basrelief.chips.labelled import read_labels_without
from basrelief.config import InputError, load_settings
from basrelief.run import Notes, Run
from basrelief.sources.areas import read_areas
from basrelief.sources.crime import read_crime
from basrelief.sources.labels import read_labels

# Which area each square of a kilometre lies in: A stays, B and E are split, C and D are merged.
# As the office does, whatever changes has a new code.
OLD = {
    2011: "A" * 2 + "B" * 3 + "C" * 2 + "D" * 1 + "E" * 4,
    2021: "A" * 2 + "XYY" + "ZZZ" + "GGFF",
}
CODES = {
    **{"A": "E01000001", "B": "E01000002", "C": "E01000005", "D": "E01000006", "E": "E01000008"},
    **{"X": "E01033770", "Y": "E01033771", "Z": "E01033772"},
    **{"G": "E01033773", "F": "E01033774"},
}
CHANGES = [("A", "A", "U"), ("B", "X", "S"), ("B", "Y", "S"), ("C", "Z", "M"), ("D", "Z", "M")]
CHANGES += [("E", "G", "S"), ("E", "F", "S")]
LOOKUP = [(CODES[old], CODES[new], change) for old, new, change in CHANGES]
PEOPLE = np.arange(100.0, 1300.0, 100.0)
"""By square."""


def draw(year: int) -> gpd.GeoDataFrame:
    squares = gpd.GeoDataFrame(
        {f"LSOA{year % 100}CD": [CODES[each] for each in OLD[year]]},
        geometry=[shapely.box(1000 * k, 0, 1000 * k + 1000, 1000) for k in range(12)],
        crs=27700,
    )
    return squares.dissolve(f"LSOA{year % 100}CD").reset_index()


def add_up(year: int, values: np.ndarray) -> pd.Series[float]:
    return pd.Series(values).groupby([CODES[each] for each in OLD[year]]).sum()


@pytest.fixture
def carry(tmp_path: Path) -> Callable[..., Any]:
    """Lay boundaries of one census and labels of the other; give what is made of the labels."""
    (tmp_path / "dsm.tif").touch()

    def carry_one(
        labels: pd.DataFrame,
        drawn: int,
        rows: list[tuple[str, str, str]] = LOOKUP,
        crime: pd.DataFrame | None = None,
    ) -> Any:
        draw(drawn).to_file(tmp_path / "areas.gpkg")
        labels.to_csv(tmp_path / "labels.csv")
        lookup = pd.DataFrame(rows, columns=["LSOA11CD", "LSOA21CD", "CHGIND"])
        lookup.to_csv(tmp_path / "lookup.csv", index=False)
        data = 'dsm = "dsm.tif"\nareas = "areas.gpkg"\nlabels = "labels.csv"\ntargets = ["score"]\n'
        data += 'lookup = "lookup.csv"\n'
        if crime is not None:
            crime.to_csv(tmp_path / "2018-street.csv", index=False)
            data += 'crime = "*-street.csv"\n'
        (tmp_path / "c.toml").write_text(f"[data]\n{data}")
        settings = load_settings(tmp_path / "c.toml")
        notes = Notes(Run(tmp_path / "run", quiet=True))
        areas = read_areas(
            settings.typed("areas"),
            column=None,
            crs=draw(drawn).crs,
            # The place ends within an area that was split: its other part lies outside.
            bounds=(0, 0, 9999, 1000),
            notes=notes,
        )
        own = read_labels(settings.typed("labels"), ["score"], None, notes)
        counts = None if crime is None else read_crime(settings.typed("crime"), None, notes)
        carried = carry_tables(settings, notes, open_lookup(settings, areas), own, counts)
        return *carried, notes

    return carry_one


def make_labels(year: int, score: str = "score") -> pd.DataFrame:
    people = add_up(year, PEOPLE)
    scores = pd.Series(np.arange(1.0, len(people) + 1), people.index)
    table = pd.DataFrame({score: scores, "population": people})
    return table.rename_axis(f"LSOA{year % 100}CD")


def test_labels_of_2011_are_read_on_boundaries_of_2021(carry: Callable[..., Any]) -> None:
    labels = make_labels(2011)
    found, _, notes = carry(labels, 2021)
    old = {name: labels["score"][CODES[name]] for name in "ABCDE"}
    n = labels["population"]
    joined = (old["C"] * n[CODES["C"]] + old["D"] * n[CODES["D"]]) / (n[CODES["C"]] + n[CODES["D"]])
    wanted = {"A": old["A"], "X": old["B"], "Y": old["B"], "Z": joined, "G": old["E"]}
    assert found["score"].to_dict() == pytest.approx({CODES[k]: v for k, v in wanted.items()})
    # People of a split area by the ground of its parts: one square of three has X.
    assert found["population"][CODES["X"]] == pytest.approx(n[CODES["B"]] / 3)
    assert found["population"][CODES["G"]] == pytest.approx(n[CODES["E"]] / 2)
    assert "LSOAs of 2011 carried to those of 2021" in notes.lines[-1]
    assert "1 unchanged, 3 split, 1 merged; parts weighed by people" in notes.lines[-1]


def test_labels_of_2021_are_read_on_boundaries_of_2011(carry: Callable[..., Any]) -> None:
    labels = make_labels(2021)
    found, _, notes = carry(labels, 2011)
    score, n = labels["score"], labels["population"]
    parts = [CODES["X"], CODES["Y"]]
    assert found["score"][CODES["B"]] == pytest.approx((score * n)[parts].sum() / n[parts].sum())
    assert found["score"][CODES["C"]] == found["score"][CODES["D"]] == score[CODES["Z"]]
    assert found["population"][CODES["B"]] == n[parts].sum()
    assert found["population"][[CODES["C"], CODES["D"]]].tolist() == pytest.approx(
        [n[CODES["Z"]] * 2 / 3, n[CODES["Z"]] / 3]
    )
    assert "LSOAs of 2021 carried to those of 2011" in notes.lines[-1]


def test_labels_of_the_boundaries_own_census_are_left_as_they_are(
    carry: Callable[..., Any],
) -> None:
    labels = make_labels(2021)
    found, _, notes = carry(labels, 2021)
    pd.testing.assert_series_equal(found["score"], labels["score"], check_names=False)
    assert notes.lines == []


def test_crimes_counted_by_codes_of_both_are_added_up(carry: Callable[..., Any]) -> None:
    # The police took the codes of 2011 until June, and those of 2021 from July on.
    rows = [
        (f"2018-{month:02d}", CODES[OLD[2011 if month < 7 else 2021][k]])
        for month in range(1, 13)
        for k in range(12)
        for _ in range(10)
    ]
    crime = pd.DataFrame(rows, columns=["Month", "LSOA code"]).assign(
        **{"Crime type": "Burglary", "Falls within": "Testshire", "LSOA name": "Testham 001A"}
    )
    # As many people in each square as crimes, so that each part's share is known.
    labels = make_labels(2021).assign(population=add_up(2021, np.full(12, 1000.0)))
    _, found, notes = carry(labels, 2021, crime=crime)
    wanted = add_up(2021, np.full(12, 120.0)).drop(CODES["F"])
    assert found.counts["burglary"].to_dict() == pytest.approx(wanted.to_dict())
    assert any("data.crime" in line and "3 split, 1 merged" in line for line in notes.lines)


def test_a_lookup_of_another_place_is_refused(carry: Callable[..., Any]) -> None:
    lookup = [("E01099998", "E01099998", "U")]
    with pytest.raises(InputError, match=r"data.lookup = 'lookup.csv': knows none of the areas"):
        carry(make_labels(2011), 2021, lookup)


def test_a_part_of_what_was_split_is_withheld_with_the_other(
    carry: Callable[..., Any], tmp_path: Path
) -> None:
    carry(make_labels(2011), 2021)
    areas = draw(2021).rename(columns={"LSOA21CD": "area_id"})
    settings = load_settings(tmp_path / "c.toml")
    found = read_labels_without(settings, ["score"], {CODES["X"]}, areas)["score"]
    # Both have the score of the area that they were: whoever has one has the other.
    assert found.reindex([CODES["X"], CODES["Y"]]).isna().all()
    assert found.reindex([CODES[each] for each in "AZGF"]).notna().all()


@pytest.mark.real
@pytest.mark.slow
def test_the_people_of_london_are_all_found_again(tmp_path: Path, shared_data: Path) -> None:
    (tmp_path / "c.toml").write_text(
        f'[data]\ndsm = "x.tif"\ntargets = ["crime"]\n'
        f'areas = "{shared_data}/areas/london-2021-lsoa-gen20.shp"\n'
        f'labels = "{shared_data}/labels/ID 2019 for London.xlsx"\n'
        f'lookup = "{shared_data}/lookups/lsoa11_lsoa21_lad22.csv"\n'
    )
    settings = load_settings(tmp_path / "c.toml")
    notes = Notes(Run(tmp_path / "run", quiet=True))
    areas = read_areas(
        settings.typed("areas"),
        column=None,
        crs=CRS.from_epsg(27700),
        bounds=(500_000, 150_000, 565_000, 205_000),
        notes=notes,
    )
    labels = read_labels(settings.typed("labels"), ["crime"], None, notes)
    found, _ = carry_tables(settings, notes, open_lookup(settings, areas), labels, None)
    # As the office counts them: no area of London changed in both ways.
    assert "4659 unchanged, 313 split, 22 merged; parts weighed by people" in notes.lines[-1]
    assert (len(labels), len(found)) == (4835, 4994)
    assert found["population"].sum() == pytest.approx(labels["population"].sum())
    assert found["crime"].notna().all()
    parts = found.loc[["E01035651", "E01035652"], "crime"]
    assert (parts == labels.loc["E01002731", "crime"]).all()
