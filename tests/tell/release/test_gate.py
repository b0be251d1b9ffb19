from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basrelief.stage_settings import PublishSettings
from basrelief.tell.release.gate import MIN_BEHIND, decide_release, may_average

TABLES = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 3000)),
        st.one_of(st.just(float("nan")), st.floats(0, 1)),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


def tabulate(rows: list[tuple[int | None, float, bool]]) -> pd.DataFrame:
    people, ground, used = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "area_id": [f"X{i:03}" for i in range(len(rows))],
            "population": pd.array(people, dtype="Float64").to_numpy(np.float64, na_value=np.nan),
            "ground_covered": ground,
            "is_used": used,
        }
    )


def make_areas(n: int, code: str = "X") -> pd.DataFrame:
    ids = [f"{code}{i:05}" for i in range(n)]
    return pd.DataFrame({"area_id": ids, "ground_covered": 1.0, "is_used": True})


@given(TABLES, st.integers(0, 3000), st.floats(0, 1))
def test_whoever_is_shown_is_above_both_bounds(
    rows: list[tuple[int | None, float, bool]], people: int, ground: float
) -> None:
    areas = tabulate(rows)
    publish = PublishSettings(min_population=people, min_ground_covered=ground)
    release = decide_release(areas, publish)
    shown = areas[areas["area_id"].isin(release.shown)]
    assert shown["is_used"].all()
    assert people == 0 or (shown["population"] >= people).all()
    assert ground == 0 or (shown["ground_covered"] >= ground).all()
    assert release.shown | release.hidden == set(areas.loc[areas["is_used"], "area_id"])
    assert not release.shown & release.hidden


@given(TABLES, st.integers(0, 3000), st.floats(0, 1))
def test_what_is_withheld_is_never_left_alone_by_subtraction(
    rows: list[tuple[int | None, float, bool]], people: int, ground: float
) -> None:
    areas = tabulate(rows)
    publish = PublishSettings(min_population=people, min_ground_covered=ground)
    release = decide_release(areas, publish)
    n_used, n_hidden = int(areas["is_used"].sum()), len(release.hidden)
    assert n_used < MIN_BEHIND or n_hidden == 0 or n_hidden >= MIN_BEHIND
    assert may_average(n_used, n_hidden) == (n_used >= MIN_BEHIND)
    assert sum(entry.count or 0 for entry in release.withheld) == n_hidden


@given(TABLES)
def test_without_bounds_everything_is_shown(rows: list[tuple[int | None, float, bool]]) -> None:
    release = decide_release(
        tabulate(rows), PublishSettings(min_population=0, min_ground_covered=0.0)
    )
    assert not release.hidden


def test_an_area_on_the_bound_is_shown() -> None:
    areas = make_areas(12).assign(population=100.0, ground_covered=0.5)
    assert len(decide_release(areas, PublishSettings()).shown) == 12


def test_one_small_area_takes_the_nine_next_smallest_with_it() -> None:
    areas = make_areas(30).assign(population=np.arange(30) * 10 + 95.0)
    release = decide_release(areas, PublishSettings())
    assert release.hidden == {f"X{i:05}" for i in range(10)}
    reasons = {entry.reason: entry.count for entry in release.withheld}
    assert reasons["fewer than 100 people"] == 1
    assert sum(n for reason, n in reasons.items() if n and "subtraction" in reason) == 9


def test_without_a_count_census_areas_hold_what_they_are_drawn_for() -> None:
    release = decide_release(make_areas(20, "E01"), PublishSettings(min_population=1000))
    assert len(release.shown) == 20
    assert "20 of 20 areas have codes of census areas" in release.population
    assert not decide_release(make_areas(20, "E00"), PublishSettings(min_population=101)).shown


def test_areas_of_unknown_people_are_withheld_and_it_is_said() -> None:
    release = decide_release(make_areas(20), PublishSettings())
    assert release.small == release.hidden
    assert len(release.hidden) == 20
    assert release.withheld[0].reason == "how many people live there is not known"
    assert "min_population = 0 shows areas" in release.population


def test_pictures_show_an_unknown_share_of_an_area() -> None:
    areas = make_areas(20, "E01").assign(ground_covered=np.nan)
    release = decide_release(areas, PublishSettings())
    assert not release.shown
    assert not release.small
    assert release.withheld[0].reason == "how much of the ground is shown is not known"


@pytest.mark.parametrize(("n", "n_hidden", "may"), [(9, 9, False), (10, 10, True), (30, 9, False)])
def test_averages_rest_on_ten_areas_and_leave_ten(n: int, n_hidden: int, may: bool) -> None:
    assert may_average(n, n_hidden) is may
