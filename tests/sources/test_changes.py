from __future__ import annotations

from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from basrelief.config import InputError
from basrelief.sources.changes import (
    People,
    carry_over,
    measure_ground,
    read_changes,
    tell_census,
    tidy_changes,
    turn_round,
)
from basrelief.typed import Typed

# Ground of 12 columns of 1 km: which old and which new area each lies in.
OLD = list("aabbbccddeee")
NEW = list("aaxyyzzzzeff")
CHANGES = {"a": "U", "x": "S", "y": "S", "z": "M"}
PEOPLE = np.array([5, 7, 2, 4, 6, 1, 3, 9, 8, 2, 2, 2.0])


def draw(names: list[str]) -> gpd.GeoDataFrame:
    codes = sorted(set(names))
    shapes = [
        shapely.union_all([shapely.box(k, 0, k + 1, 1) for k, n in enumerate(names) if n == code])
        for code in codes
    ]
    return gpd.GeoDataFrame({"area_id": codes}, geometry=shapes, crs=27700)


def add_up(names: list[str], values: np.ndarray) -> pd.Series[float]:
    return pd.Series(values, dtype=float).groupby(np.array(names)).sum()


@pytest.fixture
def pairs() -> pd.DataFrame:
    """Splits, a merger, and a border that moved between e and f, of which f had none before."""
    rows = sorted(set(zip(OLD, NEW, strict=True)))
    table = pd.DataFrame(rows, columns=["old", "new"])
    table["change"] = table["new"].map(CHANGES).fillna("S")
    return tidy_changes(table, "here")


def with_ground(pairs: pd.DataFrame, old: list[str] = OLD, new: list[str] = NEW) -> pd.DataFrame:
    shapes = [draw(names).set_index("area_id").geometry for names in (old, new)]
    return pairs.assign(shared_m2=measure_ground(pairs, *shapes))


def test_counts_go_where_people_went(pairs: pd.DataFrame) -> None:
    # One crime a head: whatever is shared out by people has to come out as people.
    weights = People(new=add_up(NEW, PEOPLE))
    table = pd.DataFrame({"n": add_up(OLD, PEOPLE)})
    carried = carry_over(table, pairs, "sum", weights)
    pd.testing.assert_series_equal(carried.table["n"], add_up(NEW, PEOPLE), check_names=False)
    assert carried.n_by_kind == {"unchanged": 1, "split": 4, "merged": 1}
    assert carried.unknown == ()


def test_counts_of_split_areas_are_shared_by_ground_or_are_unknown(pairs: pd.DataFrame) -> None:
    table = pd.DataFrame({"n": [12.0]}, index=["b"])
    by_ground = carry_over(table, with_ground(pairs), "sum")
    assert by_ground.table["n"].to_dict() == pytest.approx({"x": 4.0, "y": 8.0})
    unknown = carry_over(table, pairs, "sum")
    assert unknown.table["n"].isna().all()
    assert unknown.unknown == ("x", "y")
    assert "2 unknown (x, y)" in unknown.describe()


def test_scores_are_kept_by_parts_and_averaged_by_people(pairs: pd.DataFrame) -> None:
    scores = pd.DataFrame({"s": [1.0, 2.0, 10.0, 40.0, 5.0]}, index=list("abcde"))
    people = carry_over(scores, pairs, "mean", People(old=add_up(OLD, PEOPLE)))
    # z is of c with 4 people and of d with 17.
    wanted = {"a": 1.0, "x": 2.0, "y": 2.0, "z": (4 * 10 + 17 * 40) / 21, "e": 5.0, "f": 5.0}
    assert people.table["s"].to_dict() == pytest.approx(wanted)
    assert people.weight == "people"
    ground = carry_over(scores, with_ground(pairs), "mean")
    assert ground.table.loc["z", "s"] == pytest.approx((2 * 10 + 2 * 40) / 4)
    assert "parts weighed by ground" in ground.describe()
    assert carry_over(scores, pairs, "mean").table.loc["z", "s"] == 25.0


def test_an_unknown_part_makes_the_whole_unknown(pairs: pd.DataFrame) -> None:
    scores = pd.DataFrame({"s": [np.nan, 40.0], "t": [1.0, 1.0]}, index=["c", "d"])
    kinds: tuple[Literal["mean", "sum"], ...] = ("mean", "sum")
    for kind in kinds:
        carried = carry_over(scores, pairs, kind)
        assert carried.table.loc[["z"], "s"].isna().all()
        assert carried.table.loc[["z"], "t"].notna().all()


def test_half_of_a_merged_area_does_not_stand_for_the_whole(pairs: pd.DataFrame) -> None:
    scores = pd.DataFrame({"s": [10.0, 3.0]}, index=["c", "stranger"])
    carried = carry_over(scores, pairs, "mean")
    assert carried.unknown == ("z",)
    assert "1 codes are in no lookup and left out (stranger)" in carried.describe()


def test_moved_borders_are_measured() -> None:
    # p keeps three quarters of its ground and gives one to q, which had none of it before.
    old, new = list("ppppqqqq"), list("pppqqqqq")
    pairs = pd.DataFrame({"old": ["p", "p", "q"], "new": ["p", "q", "q"], "change": "X"})
    pairs = tidy_changes(pairs, "here")
    drawn = with_ground(pairs, old, new)
    table = pd.DataFrame({"n": [8.0, 20.0]}, index=["p", "q"])
    counts = carry_over(table, drawn, "sum")
    assert counts.table["n"].to_dict() == pytest.approx({"p": 6.0, "q": 22.0})
    means = carry_over(table, drawn, "mean")
    assert means.table["n"].to_dict() == pytest.approx({"p": 8.0, "q": (1 * 8 + 4 * 20) / 5})
    assert carry_over(table, pairs, "mean").unknown == ("p", "q")
    assert counts.n_by_kind == {"irregular": 2}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "b", "S")], "a became b by code 'S'"),
        ([("a", "b", "U"), ("a", "c", "U")], "a became b by code 'U'"),
        ([("a", "b", "M")], "by code 'M'"),
        ([("a", "b", "Q")], "by code 'Q'"),
    ],
)
def test_a_lookup_that_was_cut_is_refused(rows: list[tuple[str, ...]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tidy_changes(pd.DataFrame(rows, columns=["old", "new", "change"]), "lookup")


def test_the_lookup_of_the_ons_is_read_as_published(tmp_path: Path) -> None:
    path = tmp_path / "lookup.csv"
    path.write_text("F_LSOA11CD,LSOA21CD,CHGIND\ne01000001,E01000001,u\n")
    found = read_changes(Typed("lookup", "lookup.csv", path))
    assert found.iloc[0, :3].tolist() == ["E01000001", "E01000001", "U"]
    # As it is fetched it tells the ground that two areas share, too.
    path.write_text("LSOA11CD,LSOA21CD,CHGIND,shared_m2\na,b,S,100.5\na,c,S,\n")
    found = read_changes(Typed("lookup", "lookup.csv", path))
    assert found["shared_m2"].fillna(-1).tolist() == [100.5, -1]
    path.write_text("LSOA11CD,LSOA21CD\nE01000001,E01000001\n")
    with pytest.raises(InputError, match="has no column CHGIND"):
        read_changes(Typed("lookup", "lookup.csv", path))


@pytest.mark.real
@pytest.mark.slow
def test_the_real_lookup_carries_england_and_wales(shared_data: Path) -> None:
    path = shared_data / "lookups" / "lsoa11_lsoa21_lad22.csv"
    pairs = read_changes(Typed("lookup", path.name, path))
    ones = pd.DataFrame({"n": 1.0}, index=sorted(set(pairs["old"])))
    people = pd.Series(1500.0, sorted(set(pairs["new"])))
    carried = carry_over(ones, pairs, "sum", People(new=people))
    assert (len(ones), len(carried.table)) == (34_753, 35_672)
    kept = 34_753 - len(set(pairs.loc[pairs["change"] == "X", "old"]))
    assert carried.table["n"].sum() == pytest.approx(kept)
    assert carried.n_by_kind["unchanged"] == 33_647
    assert set(carried.unknown) == set(pairs.loc[pairs["change"] == "X", "new"])


def test_a_table_of_2021_goes_back_to_the_areas_of_2011(pairs: pd.DataFrame) -> None:
    back = turn_round(pairs)
    people = People(old=add_up(NEW, PEOPLE), new=add_up(OLD, PEOPLE))
    counts = carry_over(pd.DataFrame({"n": add_up(NEW, PEOPLE)}), back, "sum", people)
    pd.testing.assert_series_equal(counts.table["n"], add_up(OLD, PEOPLE), check_names=False)
    scores = pd.DataFrame({"s": [3.0, 6.0, 9.0]}, index=["x", "y", "z"])
    means = carry_over(scores, back, "mean", people, wanted=["b", "c", "d"])
    # b became x with 2 people and y with 10; c and d have the score of what they were merged to.
    wanted = {"b": (2 * 3 + 10 * 6) / 12, "c": 9.0, "d": 9.0}
    assert means.table["s"].to_dict() == pytest.approx(wanted)
    assert means.n_by_kind == {"split": 2, "merged": 1}


def test_the_census_is_told_by_codes_of_one_alone(pairs: pd.DataFrame) -> None:
    assert tell_census(["a", "b"], pairs) == 2011
    assert tell_census(["a", "x"], pairs) == 2021
    # All that did not change, and months of before and after a change.
    assert tell_census(["a", "e"], pairs) is None
    assert tell_census(["b", "x"], pairs) is None
