"""Tables by area that cannot serve as eyes: one line each, or a note of what is not known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from basrelief.chips.stage import make_chips
from basrelief.config import load_settings
from basrelief.run import Run, read_json
from basrelief.sources.eye_tables import measure_sum

from .conftest import Place

CODE = "LSOA code (2011)"
Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def give(place: Place, table: pd.DataFrame, **keys: Any) -> None:
    """Give the place a table ``census`` of its areas."""
    table.to_csv(place.folder / "census.csv", index=False)
    census = {"file": "census.csv", "columns": ["rent", "rooms"]} | keys
    tables = {name: value for name, value in census.items() if value is not None}
    place.configure(data={"tables": {"census": tables}})


def people(place: Place) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    codes = place.areas().iloc[:, 0].astype(str)
    values = {
        "rent": rng.uniform(size=len(codes)).round(3),
        "rooms": rng.integers(1, 6, len(codes)),
    }
    return pd.DataFrame(
        {CODE: codes} | values | {"crime": place.labels()["crime"].iloc[: len(codes)]}
    )


def read(place: Place) -> tuple[pd.DataFrame, list[str]]:
    """The table as the chips stage keeps it, and what was noted."""
    settings = load_settings(place.config)
    run = Run(place.run, quiet=True)
    make_chips(settings, run)
    return pd.read_parquet(run.chips / "tables" / "census.parquet"), read_json(
        run.chips / "notes.json"
    )


def made_of_target(make: Callable[[pd.Series], Any]) -> Spoil:
    """Put a column that is made of the place's labels in the place of one of the table's own."""
    return lambda table: table.assign(rent=make(table["crime"]))


ANSWER = ("data.tables.census.columns: 'rent'", "tells 'crime' of every area", "Take it out")

SPOILT: dict[str, tuple[Spoil, dict[str, Any], tuple[str, ...]]] = {
    "the target itself": (made_of_target(lambda crime: crime), {}, ANSWER),
    "the target in another unit": (made_of_target(lambda crime: 10 - 100 * crime), {}, ANSWER),
    "the target, rounded": (made_of_target(lambda crime: crime.round(1)), {}, ANSWER),
    "the target's rank": (made_of_target(lambda crime: crime.rank()), {}, ANSWER),
    "the target's decile, 1 the most deprived": (
        made_of_target(lambda crime: pd.qcut(-crime, 10, labels=False) + 1),
        {},
        ANSWER,
    ),
    "the target's fifths": (
        made_of_target(lambda crime: pd.qcut(crime, 5, labels=False)),
        {},
        ANSWER,
    ),
    "the target where it is known": (
        made_of_target(lambda crime: crime.where(crime.index % 2 == 0)),
        {},
        ANSWER,
    ),
    "the target, but for one area": (
        made_of_target(lambda crime: crime.where(crime.index != 3, crime[3] + 0.02)),
        {},
        ANSWER,
    ),
    "the last release, which is this one": (
        lambda table: table.rename(columns={"crime": "Crime Score"}),
        {"columns": None, "role": "last_release"},
        ("data.tables.census.columns: 'crime'", "tells 'crime' of every area"),
    ),
    "columns of which the target is a sum": (
        lambda table: table.assign(rooms=3 * table["crime"] - table["rent"]),
        {},
        ("census.columns: the 2 columns", "together tell 'crime' of every area", "a sum of theirs"),
    ),
    "columns of other scales of which it is a sum": (
        lambda table: table.assign(rooms=50_000 - 9_000 * (table["crime"] + table["rent"])),
        {},
        ("together tell 'crime' of every area",),
    ),
    "misspelt column": (
        lambda table: table,
        {"columns": ["rennt"]},
        ("data.tables.census.columns", "no column 'rennt'", "Did you mean rent?"),
    ),
    "no columns named": (lambda table: table, {"columns": None}, ("columns missing", "tables")),
    "repeated codes": (
        lambda table: pd.concat([table, table.iloc[:2]]),
        {},
        ("data.tables.census.file", "must be unique", "stands 2 times", "area_column"),
    ),
    "text for numbers": (
        lambda table: table.assign(rent="many"),
        {},
        ("data.tables.census.columns", "'rent'", "'many'"),
    ),
    "none of the areas": (
        lambda table: table.assign(**{CODE: [f"E0199{k:04d}" for k in range(len(table))]}),
        {},
        ("data.tables.census.file", "none of its area codes", "'E01990000'"),
    ),
    "another census": (
        lambda table: table.rename(columns={CODE: "LSOA21CD"}),
        {},
        ("LSOAs of 2021", "data.tables.census.by_code = true"),
    ),
    "nothing but blanks": (
        lambda table: table.assign(rent="", rooms="n/a"),
        {},
        ("data.tables.census.columns", "has no number of any area of the place"),
    ),
    "a pattern": (
        lambda table: table,
        {"file": "cens*.csv"},
        ("no such file", "A pattern stands for no single file: write census.csv."),
    ),
    "a link to itself": (
        lambda table: table,
        {"file": "loop.csv"},
        ("'loop.csv': is a link that leads nowhere, and no file. Paths are relative",),
    ),
    "no such file": (lambda table: table, {"file": "people.csv"}, ("census.file", "no such file")),
    "no such code column": (
        lambda table: table,
        {"area_column": "LSOA code"},
        ("data.tables.census.area_column", "no such column"),
    ),
    "codes for a column": (lambda table: table, {"columns": [CODE]}, ("holds the area codes",)),
    "a key misspelt": (lambda table: table, {"colums": ["rent"]}, ("colums", "columns")),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_table_that_cannot_serve_gets_one_line(
    place: Place, expect_line: Callable[..., None], case: str
) -> None:
    spoil, keys, says = SPOILT[case]
    (place.folder / "loop.csv").symlink_to("loop.csv")
    give(place, spoil(people(place)), **keys)
    expect_line(place.config, *says, command="check")


@pytest.mark.parametrize("name", ["place", "heights", "stack", "place_and_district"])
def test_no_table_is_called_as_something_else(
    place: Place, expect_line: Callable[..., None], name: str
) -> None:
    people(place).to_csv(place.folder / "census.csv", index=False)
    table = {"file": "census.csv", "columns": ["rent"]}
    place.configure(data={"tables": {name: table}})
    expect_line(place.config, name.replace("_", "-"), "name", command="check")


def test_a_table_in_use_beside_pictures_is_refused(
    tmp_path: Path, expect_line: Callable[..., None]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        '[data]\nimages = "a"\ntable = "b"\n[data.tables.census]\nfile = "c"\ncolumns = ["d"]\n'
    )
    expect_line(config, "tables are of areas", command="check")


def test_what_a_table_does_not_know_is_kept_unknown_and_told(place: Place) -> None:
    table = people(place)
    table.loc[3, "rent"] = np.nan
    give(place, table.iloc[:-5])
    found, notes = read(place)
    assert len(found) == len(place.areas())
    assert found.iloc[-5:].isna().all(axis=None)
    assert found["rent"].isna().sum() == 6
    assert any("knows nothing of 5 of the" in note for note in notes)
    assert any("'rent' in 1" in note for note in notes)


def test_columns_that_nearly_make_up_the_target_are_told(place: Place) -> None:
    table, rng = people(place), np.random.default_rng(3)
    spread = table["crime"].std()
    # As an index is told by its domains: each of them alone is another thing.
    half = table["crime"] / 2 + rng.normal(0, spread, len(table))
    rest = table["crime"] - half + rng.normal(0, 0.1 * spread, len(table))
    give(place, table.assign(rent=half, rooms=rest))
    _, notes = read(place)
    assert any("of the variance of 'crime'" in note for note in notes)
    give(place, people(place))
    assert not any("of the variance" in note for note in read(place)[1])


def test_too_many_columns_for_the_areas_are_told(place: Place) -> None:
    table = people(place)
    names = [f"c{k}" for k in range(20)]
    table[names] = np.random.default_rng(1).normal(size=(len(table), 20))
    give(place, table, columns=names)
    _, notes = read(place)
    assert any("20 columns for" in note for note in notes)


def test_a_column_that_is_anothers_copy_is_told(place: Place) -> None:
    table = people(place)
    give(place, table.assign(rooms=table["rent"]))
    _, notes = read(place)
    assert any("'rooms' holds the very numbers of another column" in note for note in notes)
    give(place, table.assign(rooms=1, rent=1.5))
    assert not any("very numbers" in note for note in read(place)[1])


def test_of_another_census_areas_that_kept_their_code_are_taken_where_that_is_asked(
    place: Place,
) -> None:
    table = people(place).rename(columns={CODE: "lsoa01_code"})
    give(place, table.iloc[2:], by_code=True)
    found, notes = read(place)
    assert found["rent"].isna().sum() == 2
    assert any("knows nothing of 2 of the" in note for note in notes)


def test_a_table_of_another_census_is_carried_over_as_labels_are(place: Place) -> None:
    table = people(place)
    codes = table[CODE].tolist()
    # The first two areas became one, and all others stayed.
    merged = "E01035000"
    lookup = pd.DataFrame({"LSOA11CD": codes, "LSOA21CD": [merged, merged, *codes[2:]]})
    lookup["CHGIND"] = ["M", "M", *["U"] * (len(codes) - 2)]
    lookup.to_csv(place.folder / "lookup.csv", index=False)
    newer = table.iloc[1:].rename(columns={CODE: "LSOA21CD"})
    newer["LSOA21CD"] = lookup["LSOA21CD"].iloc[1:]
    give(place, newer)
    place.configure(data={"lookup": "lookup.csv"})
    found, notes = read(place)
    expected = table.set_index(CODE)["rent"]
    assert found["rent"].iloc[2:].tolist() == expected.iloc[2:].tolist()
    # What is known of the whole is known of both its parts.
    assert found["rent"].iloc[:2].tolist() == [expected.iloc[1]] * 2
    assert any("LSOAs of 2021 carried to those of 2011" in note for note in notes)


def test_more_tables_than_can_be_told_apart_are_refused_before_anything_is_cut(
    place: Place, expect_line: Callable[..., None]
) -> None:
    people(place).to_csv(place.folder / "census.csv", index=False)
    table = {"file": "census.csv", "columns": ["rent"]}
    place.configure(data={"tables": {f"t{k}": table for k in range(6)}})
    expect_line(place.config, "joins 7 feature sets", "at most 6", command="check")


def test_a_column_beside_the_labels_is_taken_with_a_note(place: Place) -> None:
    rent = people(place)["rent"]
    place.labels().assign(rent=rent).to_csv(place.folder / "labels.csv", index=False)
    place.configure(
        data={"tables": {"census": {"file": "labels.csv", "columns": ["rent"]}}},
    )
    found, notes = read(place)
    np.testing.assert_array_equal(found["rent"], rent)
    assert any("is the table of labels itself" in note for note in notes)


@pytest.mark.parametrize("n_areas", [8, 100])
def test_what_goes_with_a_target_is_no_answer(place: Place, n_areas: int) -> None:
    place.write_areas(place.areas().iloc[:n_areas])
    rng = np.random.default_rng(2)
    table = people(place).iloc[:n_areas].drop(columns="rent")
    # As close as one release of an index to the next.
    table["rent"] = table["crime"] + 0.1 * rng.normal(size=n_areas)
    table["rooms"] = table["crime"] > table["crime"].median()
    give(place, table.astype({"rooms": int}))
    found, _ = read(place)
    assert len(found) == n_areas


@pytest.mark.parametrize("ground", ["-5", "many", "inf"])
def test_a_lookup_of_ground_that_is_none_is_refused(
    place: Place, expect_line: Callable[..., None], ground: str
) -> None:
    codes = people(place)[CODE].tolist()
    lookup = pd.DataFrame({"LSOA11CD": codes, "LSOA21CD": codes, "CHGIND": "U", "shared_m2": "1"})
    lookup.loc[3, "shared_m2"] = ground
    lookup.to_csv(place.folder / "lookup.csv", index=False)
    place.configure(data={"lookup": "lookup.csv"})
    says = ("data.lookup", "E01000004 and E01000004 share", repr(ground), "no ground")
    expect_line(place.config, *says, command="check")


def test_columns_that_tell_one_odd_area_alone_are_no_sum() -> None:
    rng = np.random.default_rng(0)
    columns, labels = rng.normal(50, 10, (100, 3)), rng.normal(80, 40, 100)
    # As the centre of a capital among its suburbs: its shops and its thefts by who lives there.
    columns[7, 1], labels[7] = 50 + 10 * 2000, 80 + 40 * 2000
    assert np.corrcoef(columns[:, 1], labels)[0, 1] > 0.999
    assert measure_sum(columns, labels) < 0.5
    assert measure_sum(columns, columns @ [1.0, 2.0, -1.0]) > 0.9999
