"""Tables of street pictures as people and services give them: the same pictures from each."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from basrelief.config import DataSettings, Settings
from basrelief.eyes import StreetSettings
from basrelief.run import Notes, Run
from basrelief.sources.street import read_street

PLACES = {"11": (-0.1, 51.5), "12": (-0.2, 51.6)}


def read(folder: Path, table: str) -> tuple[dict[str, Any], list[str]]:
    """Read a table beside two pictures; what is known of each by its id, and what was noted."""
    (folder / "street").mkdir(exist_ok=True)
    for own in PLACES:
        Image.new("RGB", (8, 8)).save(folder / "street" / f"{own}.jpg")
    street = StreetSettings(folder="street", table=table)
    settings = Settings(data=DataSettings(dsm="a", areas="b", labels="c", street=street))
    settings._folder = folder
    notes = Notes(Run(folder / "run", quiet=True))
    found = read_street(settings, notes)
    return {str(own): dict(row) for own, row in found.iterrows()}, notes.lines


def write_csv(path: Path) -> None:
    path.write_text(
        "ID;Lon;Lat;taken;Author;License\n"
        "11;-0,1;51,5;2019-05-31T10:04:00Z;ann;CC0\n"
        "12;-0,2;51,6;2019-05-31;bob;CC0\n"
    )


def write_mapillary(path: Path) -> None:
    """As graph.mapillary.com answers; where it was worked out beats what the camera knew."""
    records = [
        {
            "id": own,
            "geometry": {"type": "Point", "coordinates": [lon + 1, lat]},
            "computed_geometry": {"type": "Point", "coordinates": [lon, lat]},
            "captured_at": 1559297040000,
            "creator": {"username": name, "id": "7"},
            "thumb_1024_url": "https://scontent.example/x?oh=1",
        }
        for (own, (lon, lat)), name in zip(PLACES.items(), ("ann", "bob"), strict=True)
    ]
    path.write_text(json.dumps({"data": records}))


def write_geojson(path: Path) -> None:
    """As Mapillary's tiles are kept, of points."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [lon, lat]},
            "properties": {
                "id": int(own),
                "captured_at": 1559297040000,
                "creator_id": 7,
                "sequence_id": "s",
                "creator": name,
            },
        }
        for (own, (lon, lat)), name in zip(PLACES.items(), ("ann", "bob"), strict=True)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def write_kartaview(path: Path) -> None:
    records = [
        {
            "id": own,
            "lat": str(lat),
            "lng": str(lon),
            "shotDate": "2019-05-31 10:04:00.000",
            "username": name,
            "fileurlProc": "https://storage.example/1.jpg",
        }
        for (own, (lon, lat)), name in zip(PLACES.items(), ("ann", "bob"), strict=True)
    ]
    answer = {"result": {"data": records, "hasMoreData": False}, "status": {"apiCode": 600}}
    path.write_text(json.dumps(answer))


BASE = ["gridimage_id", "user_id", "realname", "title", "moderation_status", "imagetaken"]
DUMP = [*BASE, "grid_reference", "x", "y", "wgs84_lat", "wgs84_long", "reference_index"]


def write_geograph(path: Path, status: str = "geograph") -> None:
    """As the dumps are: Latin 1, tabs, titles with quotes that never close, and other pictures."""
    rows = [DUMP]
    for own, name in (("11", "ann"), ("12", "bob"), ("13", "J\xf6rg")):
        lon, lat = PLACES.get(own, (-0.3, 51.7))
        said = status if own == "12" else "accepted"
        row = [own, "5", name, 'The "Old Inn', said, "2019-05-31", "TQ2980", "1", "2"]
        rows.append([*row, str(lat), str(lon), "1"])
    text = "\n".join("\t".join(row) for row in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode("latin-1")))


@pytest.mark.parametrize(
    ("name", "write", "licence"),
    [
        ("street.csv", write_csv, "CC0"),
        ("mapillary.json", write_mapillary, "CC BY-SA 4.0"),
        ("mapillary.geojson", write_geojson, "CC BY-SA 4.0"),
        ("kartaview.json", write_kartaview, "CC BY-SA 4.0"),
        ("gridimage_base.tsv.gz", write_geograph, "CC BY-SA 2.0"),
    ],
)
def test_pictures_are_the_same_however_they_are_listed(
    tmp_path: Path, name: str, write: Callable[[Path], None], licence: str
) -> None:
    write(tmp_path / name)
    found, _ = read(tmp_path, name)
    told = {
        own: (each["x"], each["y"], each["captured"], each["author"], each["licence"])
        for own, each in found.items()
    }
    when = "2019-05-31"
    assert told == {
        "11": (-0.1, 51.5, when, "ann", licence),
        "12": (-0.2, 51.6, when, "bob", licence),
    }
    assert {each["picture"] for each in found.values()} == {"11.jpg", "12.jpg"}


def test_pages_of_one_search_are_read_together_and_may_overlap(tmp_path: Path) -> None:
    write_kartaview(tmp_path / "page1.json")
    write_kartaview(tmp_path / "page2.json")
    assert sorted(read(tmp_path, "page*.json")[0]) == ["11", "12"]


def test_what_moderators_of_geograph_rejected_is_left_out(tmp_path: Path) -> None:
    write_geograph(tmp_path / "gridimage_base.tsv.gz", status="rejected")
    found, noted = read(tmp_path, "gridimage_base.tsv.gz")
    assert list(found) == ["11"]
    assert any("1 pictures were not accepted by moderators" in line for line in noted)


def test_what_is_known_to_a_square_kilometre_alone_tells_of_no_area(tmp_path: Path) -> None:
    write_geograph(tmp_path / "gridimage_base.tsv.gz")
    assert len(read(tmp_path, "gridimage_base.tsv.gz")[0]) == 2
    lines = ["gridimage_id\tnatgrlen\tnateastings", "11\t8\t530000", "12\t4\t529000"]
    (tmp_path / "gridimage_geo.tsv").write_text("\n".join(lines) + "\n")
    found, noted = read(tmp_path, "gridimage_*")
    assert list(found) == ["11"]
    assert any("1 pictures are known to a square of 1 km alone" in line for line in noted)


def test_what_lies_in_the_middle_of_its_square_is_known_to_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The middle of TQ2979, and a place 40 m aside.
    monkeypatch.setitem(PLACES, "11", (-0.135737, 51.499612))
    monkeypatch.setitem(PLACES, "12", (-0.135161, 51.499612))
    write_geograph(tmp_path / "gridimage_base.tsv.gz")
    assert list(read(tmp_path, "gridimage_base.tsv.gz")[0]) == ["12"]
    # A camera that knew where it was may have stood there.
    write_mapillary(tmp_path / "mapillary.json")
    assert list(read(tmp_path, "mapillary.json")[0]) == ["11", "12"]
