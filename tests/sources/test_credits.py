"""Whose the inputs are: what was kept of fetched files, and the usual words for all others."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import Settings, load_settings
from basrelief.sources.credits import find_credits
from basrelief.sources.england import ENGLAND, METROPOLITAN_POLICE, ONS
from basrelief.sources.licences import Credit
from basrelief.sources.scotland import SCOTLAND
from basrelief.sources.wales import WALES

FREE = Credit("Survey of Tests", "OGL v3", "© Survey of Tests 2022.", "https://a.example")
CLOSED = Credit("Phase 2", "Non-Commercial Licence", "© Phase 2.", "https://b.example", True)
OFFICE = Credit("Office of Tests", "OGL v3", "Contains tests.", "https://c.example")

FILES = {
    "lidar/dsm/a_dsm.tif": FREE,
    "lidar/dsm/b_dsm.tif": CLOSED,
    "boundaries/areas.gpkg": OFFICE,
    "labels/imd.csv": OFFICE,
    "not/used.csv": Credit("Nobody", "none", "none", "none"),
}


def make_place(folder: Path, data: str = "") -> Settings:
    """Lay a fetched place into a folder, with a configuration."""
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"1234")
    listed = [{"file": n, "n_bytes": 4, "credit": asdict(c)} for n, c in FILES.items()]
    (folder / "credits.json").write_text(json.dumps(listed))
    (folder / "basrelief.toml").write_text(
        '[data]\ndsm = "lidar/dsm/*.tif"\nareas = "boundaries/areas.gpkg"\n'
        f'labels = "labels/imd.csv"\n{data}'
    )
    return load_settings(folder / "basrelief.toml")


def test_what_was_fetched_is_credited_as_it_was_kept_each_publisher_once(tmp_path: Path) -> None:
    found = find_credits(make_place(tmp_path), ["E01000001"])
    assert found.known == (FREE, CLOSED, OFFICE)
    assert found.usual == ()
    assert dict(found.words) == {
        "Survey of Tests": "© Survey of Tests 2022.",
        "Phase 2": "© Phase 2. Non-Commercial Licence: for no commercial use.",
        "Office of Tests": "Contains tests.",
    }


def test_tables_by_area_are_credited_as_other_files_are(tmp_path: Path) -> None:
    table = 'tables.census = { file = "not/used.csv", columns = ["rent"] }\n'
    settings = make_place(tmp_path, table)
    assert find_credits(settings, ["E01000001"]).known[3:] == (FILES["not/used.csv"],)


def test_credits_lie_beside_the_inputs_wherever_the_configuration_is(tmp_path: Path) -> None:
    make_place(tmp_path / "place")
    (tmp_path / "own").mkdir()
    text = (tmp_path / "place" / "basrelief.toml").read_text()
    config = tmp_path / "own" / "mine.toml"
    config.write_text(text.replace(' = "', ' = "../place/'))
    assert find_credits(load_settings(config), ["E01000001"]).known == (FREE, CLOSED, OFFICE)


@pytest.mark.parametrize(
    ("add", "usual"),
    [
        # A tile of the user's own among those that were fetched.
        (("lidar/dsm/mine.tif", b"1234"), [ENGLAND.lidar]),
        # Another file under the name of one that was fetched.
        (("labels/imd.csv", b"mine, and longer"), [ENGLAND.index.credit]),
        (("boundaries/areas.gpkg", b"mine, and longer"), [ONS]),
        (("credits.json", b'["of another program"]'), None),
        (("credits.json", b"{"), None),
        (("credits.json", b'[{"file": "a", "credit": {"odd": 1}, "n_bytes": null}]'), None),
    ],
)
def test_files_of_which_nothing_was_kept_get_the_usual_words(
    tmp_path: Path, add: tuple[str, bytes], usual: list[Credit] | None
) -> None:
    settings = make_place(tmp_path)
    (tmp_path / add[0]).write_bytes(add[1])
    found = find_credits(settings, ["E01000001"])
    every = [ENGLAND.lidar, ENGLAND.index.credit, ENGLAND.boundaries]
    assert list(found.usual) == (every if usual is None else usual)


@pytest.mark.parametrize(("codes", "country"), [(["W01000001"], WALES), (["S01006506"], SCOTLAND)])
def test_the_usual_makers_are_those_of_the_country(
    tmp_path: Path, codes: list[Any], country: Any
) -> None:
    settings = make_place(tmp_path, 'crime = "crime/*.csv"\n')
    (tmp_path / "credits.json").unlink()
    usual = [country.lidar, country.index.credit, country.boundaries]
    assert list(find_credits(settings, codes).usual) == [*usual, METROPOLITAN_POLICE]


def test_the_words_name_the_year_of_the_data() -> None:
    assert ENGLAND.lidar.in_year(2022).statement.startswith(
        "© Environment Agency copyright and/or database right 2022."
    )
    assert "[year]" in ENGLAND.lidar.statement


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("S2A_30UXC_20210612_0_L2A.tif", "Contains modified Copernicus Sentinel data 2021."),
        ("T30UXC_20190701T110621_TCI.tif", "Contains modified Copernicus Sentinel data 2019."),
        ("aerial.tif", None),
    ],
)
def test_a_photo_is_credited_where_its_name_says_whose_it_is(
    tmp_path: Path, name: str, words: str | None
) -> None:
    photo = '[data.photo]\nfiles = "photo/*.tif"\nbands = ["red", "green", "blue"]\n'
    settings = make_place(tmp_path, photo)
    (tmp_path / "photo").mkdir()
    (tmp_path / "photo" / name).write_bytes(b"1234")
    found = find_credits(settings, ["E01000001"])
    assert [credit.words for credit in found.usual] == ([] if words is None else [words])
