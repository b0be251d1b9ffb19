"""A place is brought into one folder, and what is written there runs."""

from __future__ import annotations

import errno
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import shapely

from basrelief.config import InputError, load_settings
from basrelief.run import read_json

pytest.importorskip("basrelief.sources.fetch.england", reason="the services' own parts are absent")

from basrelief.sources.credits import find_credits
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch import stage
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.offers import Offer
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.licences import Credit

CREDIT = Credit("Office of Tests", "OGL v3", "Contains tests.", "https://tests.example")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def client(tmp_path: Path, said: list[str]) -> Client:
    return Client(tmp_path / "cache", said.append)


@pytest.fixture
def offers(town: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Offer]]:
    """The town as services would offer it; what a test changes in here is offered changed."""

    def offer(path: Path, name: str, **more: Any) -> Offer:
        def make(client: Client, part: Path) -> None:
            shutil.copyfile(path, part)

        url, n_bytes = f"https://tests.example/{path.name}", path.stat().st_size
        said: dict[str, Any] = {
            "what": name,
            "year": 2020,
            "n_bytes": n_bytes,
            "credit": CREDIT,
        } | more
        return Offer(url=url, name=name, make=make, **said)

    source = town.parent
    lidar = [
        offer(path, f"lidar/{path.name[:3].lower()}/{path.name}")
        for path in sorted((source / "lidar").glob("*.tif"))
    ]
    found = {
        "lidar": lidar,
        "boundaries": [offer(source / "areas.gpkg", "boundaries/areas.gpkg")],
        "labels": [offer(source / "labels.csv", "labels/iod.csv", year=2019)],
        "crimes": [],
    }
    ground = NamedPlace("Testham", shapely.box(520_000, 100_000, 523_000, 103_000), ENGLAND)
    monkeypatch.setattr(stage, "find_place", lambda *asked: ground)
    service = SimpleNamespace(find_lidar=lambda *asked: found["lidar"])
    monkeypatch.setitem(stage.LIDAR, "England", service)
    monkeypatch.setattr(stage, "find_boundaries", lambda *asked: found["boundaries"])
    monkeypatch.setattr(stage, "find_labels", lambda *asked: found["labels"])
    monkeypatch.setattr(stage, "find_crimes", lambda *asked: found["crimes"])
    monkeypatch.setattr(stage, "find_lookup", lambda *asked: [])
    monkeypatch.setattr(stage, "try_labels", lambda *asked: found["labels"])
    monkeypatch.setattr(stage, "write_tiles", lambda files, folder: None)
    return found


def never(question: str) -> bool:
    raise AssertionError(question)


def fetch(client: Client, folder: Path, **more: Any) -> Any:
    return stage.fetch_place(client, stage.Wanted(place="Testham", **more), folder, never)


def test_a_town_is_brought_and_what_is_written_passes_the_check(
    client: Client,
    offers: dict[str, list[Offer]],
    tmp_path: Path,
    said: list[str],
    run_command: Callable[..., int],
) -> None:
    out = tmp_path / "out"
    assert fetch(client, out).missing == []
    files = {each["file"]: each["credit"]["licence"] for each in read_json(out / "credits.json")}
    assert files == {each.name: "OGL v3" for own in offers.values() for each in own}
    # What was kept is what a report credits, and nothing is left to be guessed.
    kept = find_credits(load_settings(out / "basrelief.toml"), ["E01000001"])
    assert (kept.known, kept.usual) == ((CREDIT,), ())
    data = tomllib.loads((out / "basrelief.toml").read_text())["data"]
    assert data["areas"] == "boundaries/areas.gpkg"
    assert data["labels"] == "labels/iod.csv"
    assert "9.0 km² of England" in said[0]
    assert any("lidar/dsm: 9 files" in line and "(OGL v3)" in line for line in said)
    only = ["--set", 'models.recipes=["relief-statistics"]']
    assert run_command("check", str(out / "basrelief.toml"), *only) == 0


def test_what_did_not_come_is_named_and_the_same_command_goes_on(
    client: Client, offers: dict[str, list[Offer]], tmp_path: Path
) -> None:
    whole = offers["lidar"][0]

    def fail(client: Client, part: Path) -> None:
        raise ServiceError("tests.example: HTTP 503")

    offers["lidar"][0] = Offer(**(vars(whole) | {"make": fail}))
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"1 of 20 files did not come: .*503.*goes on there"):
        fetch(client, out)
    assert not (out / "basrelief.toml").exists()
    assert len(list((out / "lidar").rglob("*.tif"))) == len(offers["lidar"]) - 1
    offers["lidar"][0] = whole
    assert fetch(client, out).missing == []


def test_two_do_not_write_into_one_folder_at_once(
    client: Client, offers: dict[str, list[Offer]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = vars(offers["labels"][0])

    def make(client: Client, part: Path) -> None:
        # While one is at work: another with the same folder, which has no file yet.
        with pytest.raises(InputError, match="another basrelief works there"):
            fetch(client, out)
        first["make"](client, part)

    offers["labels"][0] = Offer(**(first | {"make": make}))
    assert fetch(client, out).missing == []
    assert len(read_json(out / "credits.json")) == 20


def test_a_fetch_that_was_stopped_before_its_first_file_goes_on(
    client: Client, offers: dict[str, list[Offer]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for found in offers.values():
        found[:] = [Offer(**(vars(each) | {"make": stop})) for each in found]
    with pytest.raises(KeyboardInterrupt):
        fetch(client, out)
    # What a killed process leaves: folders, and a piece of a file.
    (out / "labels").mkdir(exist_ok=True)
    (out / "labels" / ".iod.12345678.part.csv").touch()
    with pytest.raises(KeyboardInterrupt):
        fetch(client, out)
    assert not list((out / "labels").iterdir())


def stop(client: Client, part: Path) -> None:
    raise KeyboardInterrupt


def test_a_full_disk_stops_all_and_is_said_once(
    client: Client, offers: dict[str, list[Offer]], tmp_path: Path
) -> None:
    tried: list[Path] = []

    def fill(client: Client, part: Path) -> None:
        tried.append(part)
        raise OSError(errno.ENOSPC, "No space left on device")

    for found in offers.values():
        found[:] = [Offer(**(vars(each) | {"make": fill})) for each in found]
    with pytest.raises(OSError, match="No space left"):
        fetch(client, tmp_path / "out")
    assert len(tried) < 10


def test_much_is_brought_only_when_agreed(
    client: Client, offers: dict[str, list[Offer]], tmp_path: Path, said: list[str]
) -> None:
    first = offers["lidar"][0]
    offers["lidar"][0] = Offer(**(vars(first) | {"n_bytes": 3 * 10**9}))
    asked: list[str] = []
    wanted = stage.Wanted(place="Testham")

    def refuse(question: str) -> bool:
        asked.append(question)
        return False

    assert stage.fetch_place(client, wanted, tmp_path / "out", refuse) is None
    assert asked == ["Bring 3 GB?"]
    assert not (tmp_path / "out").exists()
    assert said[-1] == "nothing was brought"


def test_terms_years_and_unknown_sizes_are_said(offers: dict[str, list[Offer]]) -> None:
    closed = Credit("HES", "NCGL", "x", "y", is_non_commercial=True)
    first = vars(offers["lidar"][0])
    several = [
        Offer(**(first | {"year": 2017, "n_bytes": 5_000_000})),
        Offer(**(first | {"year": 2019, "n_bytes": None, "credit": closed})),
    ]
    lines = stage.describe_offers(several)
    assert lines[0] == (
        "lidar/dsm: 2 files, 5 MB or more, 2017 to 2019; Office of Tests (OGL v3); "
        "HES (NCGL, NON-COMMERCIAL USE ONLY)"
    )
    assert lines[1].startswith("in all about 5 MB")


def test_a_folder_of_others_is_left_alone_and_a_configuration_is_kept(
    client: Client, offers: dict[str, list[Offer]], tmp_path: Path, said: list[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"--out .*did not write \(mine.txt\)"):
        fetch(client, out)
    assert [each.name for each in out.iterdir()] == ["mine.txt"]
    (out / "mine.txt").unlink()
    fetch(client, out)
    (out / "basrelief.toml").write_text("mine")
    assert fetch(client, out) is None
    assert (out / "basrelief.toml").read_text() == "mine"
    assert any("is kept as it is" in line for line in said)


def test_a_look_at_the_services_goes_on_past_what_fails(
    client: Client,
    offers: dict[str, list[Offer]],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*asked: object) -> list[Offer]:
        raise ServiceError("tests.example: HTTP 503")

    ground = NamedPlace("here", shapely.box(0, 0, 1000, 1000), ENGLAND)
    monkeypatch.setattr(stage, "place_of_bounds", lambda *asked: ground)
    for country in ("Wales", "Scotland"):
        monkeypatch.setitem(stage.LIDAR, country, SimpleNamespace(find_lidar=fail))
    with pytest.raises(ServiceError, match="2 of the services"):
        stage.try_services(client)
    assert said[0] == "England, LIDAR: 18 files"
    assert "Wales, LIDAR: tests.example: HTTP 503" in said
    assert said[-1] == "Scotland, boundaries: 1 files"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "give one of --place, --bounds, --areas (found none)"),
        (["--place", "A", "--bounds", "1,2,3,4"], "found --place and --bounds"),
        (["--bounds", "1,2,3"], "--bounds 1,2,3: must be four numbers"),
        (["--areas", "a.gpkg", "--radius", "100"], "--radius and --nominatim go with --place"),
    ],
)
def test_what_is_asked_for_must_be_clear(
    words: list[str],
    says: str,
    tmp_path: Path,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command("fetch", "--out", str(tmp_path / "out"), *words) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
