"""Street pictures of a place, from services that answer as the real ones do."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image
from pyproj import Transformer

from basrelief.config import DataSettings, InputError, Settings
from basrelief.eyes import StreetSettings
from basrelief.run import Notes, Run
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch import street, street_services
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.fetch.street import fetch_street, lay_cells
from basrelief.sources.fetch.street_services import SERVICES, Pace
from basrelief.sources.street import read_street

TOKEN = "MLY|4711|abcdef"
ENVIRONMENT = {"BASRELIEF_MAPILLARY_TOKEN": TOKEN, "BASRELIEF_GEOGRAPH_KEY": TOKEN}
N_PICTURES = 144
HOSTS = {
    "graph.mapillary.com": "graph",
    "api.openstreetcam.org": "karta",
    "api.geograph.org.uk": "geo",
    "pictures.test": "pictures",
}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, service in SERVICES.items():
        monkeypatch.setitem(street_services.SERVICES, name, replace(service, pause_s=0.0))


@pytest.fixture
def place() -> NamedPlace:
    """All of the pictures' ground; the first column of them lies a little outside."""
    to_grid = Transformer.from_crs(4326, 27700, always_xy=True)
    west, south = to_grid.transform(-0.1405, 51.4995)
    east, north = to_grid.transform(-0.1328, 51.5072)
    return NamedPlace("Testham", shapely.box(west, south, east, north), ENGLAND)


@pytest.fixture
def ask(
    start: Callable[..., str], make_client: Callable[..., Client]
) -> Callable[..., tuple[Client, str]]:
    """Make a client of a service that behaves in a way; give its address too."""
    address = start("street", TOKEN)

    def make(way: str = "plain") -> tuple[Client, str]:
        mirrors = {host: f"{address}/{way}/{service}" for host, service in HOSTS.items()}
        return make_client(mirrors), address

    return make


def read_log(address: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{address}/log") as answer:
        found: list[dict[str, Any]] = json.loads(answer.read())
    return found


def count_pictures(address: str) -> int:
    return sum("/pictures/" in each["path"] for each in read_log(address))


def read_brought(folder: Path) -> pd.DataFrame:
    """What was brought, as a run reads it."""
    asked = StreetSettings(folder="street", table="street.csv")
    settings = Settings(data=DataSettings(dsm="a", areas="b", labels="c", street=asked))
    settings._folder = folder
    return read_street(settings, Notes(Run(folder / "run", quiet=True)))


@pytest.mark.parametrize(
    ("name", "licence", "authors"),
    [
        ("mapillary", "CC BY-SA 4.0", {f"walker {k}" for k in range(5)}),
        ("kartaview", "CC BY-SA 4.0", {"Grab and KartaView Contributors"}),
        ("geograph", "CC BY-SA 2.0", {f"walker {k}" for k in range(5)}),
    ],
)
def test_pictures_of_a_place_are_brought_with_whose_they_are(
    name: str,
    licence: str,
    authors: set[str],
    ask: Callable[..., tuple[Client, str]],
    place: NamedPlace,
    tmp_path: Path,
) -> None:
    client, _ = ask()
    out = tmp_path / "out"
    assert fetch_street(client, place, name, out, ENVIRONMENT) == N_PICTURES
    brought = read_brought(out)
    # Of the two at a place the newer one, whose number is even.
    expected = {f"{name}-{1000 + 2 * k}" for k in range(N_PICTURES)}
    assert set(brought.index) == expected
    assert set(brought["licence"]) == {licence}
    assert set(brought["author"]) == authors
    assert set(brought["captured"]) == {"2019-05-31"}
    first = brought.loc[[f"{name}-1000"], ["x", "y"]].to_numpy(np.float64)
    np.testing.assert_allclose(first, [[-0.14, 51.5]])
    (credit,) = json.loads((out / "credits.json").read_text())
    assert (credit["file"], credit["credit"]["licence"]) == ("street.csv", licence)


def test_nothing_but_pixels_is_kept_of_a_picture(
    ask: Callable[..., tuple[Client, str]],
    place: NamedPlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Both of each place, of which every second one is turned.
    monkeypatch.setattr(street, "SPACING_M", 0.05)
    out = tmp_path / "out"
    assert fetch_street(ask()[0], place, "kartaview", out, {}) == 2 * N_PICTURES
    paths = sorted((out / "street").glob("*.jpg"))
    assert len(paths) == 2 * N_PICTURES
    for path in paths:
        data = path.read_bytes()
        assert b"Miller" not in data
        assert b"4711" not in data
    with Image.open(out / "street" / "kartaview-1000.jpg") as kept:
        assert kept.size == (32, 24)
        assert not kept.getexif()
    with Image.open(out / "street" / "kartaview-1001.jpg") as turned:
        assert turned.size == (24, 32)


@pytest.mark.parametrize("name", ["mapillary", "geograph"])
@pytest.mark.parametrize("way", ["plain", "busy-5", "regrets"])
def test_a_token_is_sent_and_stands_nowhere(
    name: str,
    way: str,
    ask: Callable[..., tuple[Client, str]],
    place: NamedPlace,
    tmp_path: Path,
    lines: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client, address = ask(way)
    said = ""
    with caplog.at_level(logging.DEBUG):
        try:
            fetch_street(client, place, name, tmp_path / "out", ENVIRONMENT)
        except InputError as error:
            said = f"{error} {error!r} {error.__cause__}"
    asked = read_log(address)
    assert any(TOKEN in str(each["authorization"]) or "4711" in each["path"] for each in asked)
    assert (way == "plain") == (said == "")
    for word in ("4711", "abcdef"):
        assert word not in said + "".join(lines) + caplog.text
        for path in tmp_path.rglob("*"):
            assert word not in path.name
            assert not path.is_file() or word.encode() not in path.read_bytes()


@pytest.mark.parametrize("name", ["mapillary", "geograph"])
def test_a_token_that_is_not_known_is_said_by_its_variable(
    name: str,
    ask: Callable[..., tuple[Client, str]],
    place: NamedPlace,
    tmp_path: Path,
) -> None:
    wrong = dict.fromkeys(ENVIRONMENT, "MLY|wrong")
    variable = SERVICES[name].variable
    assert variable is not None
    with pytest.raises(ServiceError, match=variable) as refused:
        fetch_street(ask()[0], place, name, tmp_path / "out", wrong)
    assert "wrong" not in str(refused.value)


def test_a_token_that_is_missing_is_asked_for_before_anything_is_fetched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("BASRELIEF_MAPILLARY_TOKEN", raising=False)
    monkeypatch.setenv("BASRELIEF_MIRRORS", "services1.arcgis.com=http://127.0.0.1:1")
    out = tmp_path / "out"
    words = ("--place", "Testham", "--out", str(out), "--street", "mapillary")
    assert run_command("fetch", *words, "--cache", str(tmp_path / "cache")) == 2
    assert "set BASRELIEF_MAPILLARY_TOKEN in the environment" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("name", list(SERVICES))
def test_what_was_begun_goes_on_and_nothing_is_brought_twice(
    name: str, ask: Callable[..., tuple[Client, str]], place: NamedPlace, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    client, address = ask("busy-30")
    with pytest.raises(ServiceError, match="503"):
        fetch_street(client, place, name, out, ENVIRONMENT)
    n_there = len(list((out / "street").glob("*.jpg")))
    n_before = count_pictures(address)
    assert 25 <= n_there <= 30
    assert not (out / "street.csv").exists()
    client, _ = ask()
    assert fetch_street(client, place, name, out, ENVIRONMENT) == N_PICTURES
    assert count_pictures(address) - n_before == N_PICTURES - n_there
    n_asked = len(read_log(address))
    assert fetch_street(client, place, name, out, ENVIRONMENT) == N_PICTURES
    assert len(read_log(address)) == n_asked


def test_a_square_with_more_than_is_told_is_asked_for_in_quarters(
    ask: Callable[..., tuple[Client, str]],
    place: NamedPlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(street_services, "MAPILLARY_LIMIT", 20)
    client, address = ask()
    assert fetch_street(client, place, "mapillary", tmp_path / "out", ENVIRONMENT) == N_PICTURES
    n_searches = sum("/graph/" in each["path"] for each in read_log(address))
    assert n_searches > len(lay_cells(place))


def test_pictures_that_were_taken_down_are_left_out_and_counted(
    ask: Callable[..., tuple[Client, str]],
    place: NamedPlace,
    tmp_path: Path,
    lines: list[str],
) -> None:
    out = tmp_path / "out"
    n = fetch_street(ask("gone")[0], place, "mapillary", out, ENVIRONMENT)
    assert n == N_PICTURES - 2
    assert "Mapillary: 2 pictures did not come, or are none: left out" in lines


def test_pictures_of_two_services_lie_beside_each_other(
    ask: Callable[..., tuple[Client, str]], place: NamedPlace, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    fetch_street(ask()[0], place, "mapillary", out, ENVIRONMENT)
    assert fetch_street(ask()[0], place, "kartaview", out, {}) == 2 * N_PICTURES


def test_a_service_is_asked_no_faster_than_it_bears() -> None:
    from threading import Event
    from time import monotonic

    pace, begun = Pace(0.05), monotonic()
    for _ in range(5):
        pace.wait(Event())
    assert monotonic() - begun >= 0.2


def test_squares_cover_a_place_and_are_the_same_in_every_call(place: NamedPlace) -> None:
    cells = lay_cells(place)
    part = NamedPlace("part", place.polygon.buffer(-200), ENGLAND)
    assert {cell.name for cell in lay_cells(part)} <= {cell.name for cell in cells}
    assert all(cell.side < 0.01 for cell in cells)
    ground = shapely.union_all(
        [shapely.box(c.west, c.south, c.west + c.side, c.south + c.side) for c in cells]
    )
    to_degrees = Transformer.from_crs(27700, 4326, always_xy=True)
    xy = np.array(place.polygon.exterior.coords)  # type: ignore[attr-defined]
    for lon, lat in zip(*to_degrees.transform(*xy.T), strict=True):
        assert ground.buffer(1e-9).intersects(shapely.Point(lon, lat))


def test_a_place_is_fetched_with_its_street_pictures_and_a_configuration(
    ask: Callable[..., tuple[Client, str]],
    place: NamedPlace,
    tmp_path: Path,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from basrelief.sources.fetch import stage

    monkeypatch.setattr(stage, "_find_place", lambda *_: place)
    monkeypatch.setattr(stage, "find_offers", lambda *_: [])
    out = tmp_path / "out"
    wanted = stage.Wanted(place="Testham", street="kartaview")
    stage.fetch_place(ask()[0], wanted, out, lambda _: True)
    said = f"{N_PICTURES} street pictures lie in {out / 'street'}, at most one a square of 25 m"
    assert any(line.startswith(said) for line in lines)
    assert (out / "street.csv").is_file()
    # The folder is a fetched one, so that the same command goes on there.
    stage.fetch_place(ask()[0], wanted, out, lambda _: True)
