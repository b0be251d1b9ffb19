"""Street pictures that are not what they say: read right with a note, or refused in a line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyproj import Transformer

Spoil = Callable[[Any], object]

WEST, NORTH, SIDE_M, N_SIDE = 530_000.0, 181_000.0, 100.0, 10
N_AREA = 10


def list_places(n: int = N_AREA, n_areas: int = 6) -> pd.DataFrame:
    """A row a picture, ``n`` in each of the first areas, with places in degrees."""
    rng = np.random.default_rng(0)
    area = np.repeat(np.arange(n_areas), n)
    east = WEST + SIDE_M * (area % N_SIDE + rng.uniform(0.1, 0.9, len(area)))
    north = NORTH - SIDE_M * (area // N_SIDE + rng.uniform(0.1, 0.9, len(area)))
    lon, lat = Transformer.from_crs(27700, 4326, always_xy=True).transform(east, north)
    table = {"id": [f"p{k}" for k in range(len(area))], "longitude": lon, "latitude": lat}
    return pd.DataFrame(table).assign(captured_at="2019-05-31")


def draw(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (32, 48, 3), dtype=np.uint8)


def street(
    change: Callable[[pd.DataFrame], object] | None = None,
    asked: dict[str, Any] | None = None,
    **laid: Any,
) -> Spoil:
    """Pictures beside the place's heights, and settings that ask for them.

    ``change`` spoils the table in place, or gives another.
    """

    def spoil(place: Any) -> None:
        table = list_places(**laid)
        (place.folder / "street").mkdir()
        for k, own in enumerate(table["id"]):
            Image.fromarray(draw(k)).save(place.folder / "street" / f"{own}.png")
        changed = change(table) if change else None
        table = changed if isinstance(changed, pd.DataFrame) else table
        table.to_csv(place.folder / "street.csv", index=False)
        settings = {"folder": "street", "table": "street.csv"}
        place.configure(data={"street": settings | (asked or {})})

    return spoil


def exchange(columns: Sequence[str] = ("longitude", "latitude"), n: int | None = None) -> Spoil:
    """Swap two columns, in the first rows or in all."""

    def change(table: pd.DataFrame) -> None:
        rows = table.index[:n]
        one, other = columns
        swapped = table.loc[rows, [other, one]].to_numpy()
        table.loc[rows, [one, other]] = swapped

    return street(change)


def keep(name: str, value: Any, n: int | None = None) -> Spoil:
    """Write one value into a column, of the first rows or of all."""

    def change(table: pd.DataFrame) -> None:
        if n is not None:
            table[name] = table[name].astype(object)
        table.loc[table.index[:n], name] = value

    return street(change)


def after(laid: Spoil, spoil: Spoil) -> Spoil:
    def both(place: Any) -> None:
        laid(place)
        spoil(place)

    return both


def break_pictures(n: int, data: bytes = b"\x89PNG\r\n\x1a\n0000") -> Spoil:
    def spoil(place: Any) -> None:
        for k in range(n):
            (place.folder / "street" / f"p{k}.png").write_bytes(data)

    return spoil


def as_json(text: str, name: str = "street.json") -> Spoil:
    def spoil(place: Any) -> None:
        street(asked={"table": name})(place)
        (place.folder / name).write_text(text)

    return spoil


def secret(key: str) -> Spoil:
    return street(asked={key: "MLY|123|abc"})


REFUSED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "no folder": (
        after(street(), lambda p: (p.folder / "street").rename(p.folder / "other")),
        ("data.street.folder = 'street'", "no such folder"),
    ),
    "a folder without pictures": (
        after(street(), lambda p: [f.unlink() for f in (p.folder / "street").iterdir()]),
        ("data.street.folder = 'street'", "holds no picture"),
    ),
    "no table": (
        after(street(), lambda p: (p.folder / "street.csv").unlink()),
        ("data.street.table = 'street.csv'", "no such file"),
    ),
    "no ids": (
        street(lambda t: t.rename(columns={"id": "name"})),
        ('no column "id"', "It has: name"),
    ),
    "no columns of places": (
        street(lambda t: t[["id", "captured_at"]]),
        ("says not where pictures were taken", "longitude and latitude"),
    ),
    "no places": (
        street(lambda t: t.assign(longitude=None, latitude=None)),
        ("no picture has a place",),
    ),
    "places at 0, 0": (
        street(lambda t: t.assign(longitude=0.0, latitude=0.0)),
        ("no picture has a place", "or 0"),
    ),
    "a place in words": (
        keep("longitude", "by the church", 1),
        ("'longitude' in data.street.table", "'by the church'"),
    ),
    "swapped": (exchange(), ("longitude and latitude are swapped", "Exchange the two headings")),
    "some swapped": (
        exchange(n=3),
        ("longitude and latitude of 3 pictures are swapped", "Correct those rows"),
    ),
    "another town": (
        street(lambda t: t.assign(longitude=t["longitude"] - 1.2)),
        ("no picture lies in any area", "EPSG:27700", "Give pictures of the same place"),
    ),
    "degrees called metres": (
        street(lambda t: t.rename(columns={"longitude": "easting", "latitude": "northing"})),
        ("no picture lies in any area", "call them longitude and latitude"),
    ),
    "metres called degrees": (
        street(lambda t: t.assign(longitude=530_050.0, latitude=180_950.0)),
        ("no place on Earth", "call metres easting and northing"),
    ),
    "a pipe for a table": (
        after(street(asked={"table": "pipe.json"}), lambda p: os.mkfifo(p.folder / "pipe.json")),
        ("data.street.table = 'pipe.json': is a pipe, socket or device, and no file",),
    ),
    "a link to a device for a dump": (
        after(
            street(asked={"table": "zero.tsv"}),
            lambda p: (p.folder / "zero.tsv").symlink_to("/dev/zero"),
        ),
        ("'zero.tsv': is a pipe, socket or device",),
    ),
    "names of files of other pictures": (
        street(lambda t: t.assign(id="drive 2/q" + t["id"] + ".jpg")),
        ("none of its pictures is in", "Pictures are called by their ids"),
    ),
    "an id at two places": (
        street(lambda t: pd.concat([t, t.iloc[[0]].assign(longitude=t["longitude"].iloc[1])])),
        ("id 'p0' stands 2 times, with different places", "Keep the row that is right"),
    ),
    "ids of other pictures": (
        street(lambda t: t.assign(id="q" + t["id"])),
        ("none of its pictures is in", "Pictures are called by their ids"),
    ),
    "two files of one id": (
        after(street(), lambda p: Image.fromarray(draw(0)).save(p.folder / "street" / "p0.jpg")),
        ("two pictures are called 'p0'", "Remove one"),
    ),
    "a time in words": (
        keep("captured_at", "last summer", 1),
        ("captured_at of picture 'p0' is 'last summer', no time",),
    ),
    "the 30th of February": (
        keep("captured_at", "2019-02-30", 1),
        ("'2019-02-30', no time",),
    ),
    "times of a clock that nobody set": (
        keep("captured_at", "1970-01-01 00:00:00"),
        ("60 of 60 pictures were taken at a time that cannot be", "1970-01-01"),
    ),
    "nine everywhere": (
        street(n=N_AREA - 1),
        ("no area has 10 pictures (data.street.min_pictures); the best has 9",),
    ),
    "most pictures broken": (
        after(street(), break_pictures(20)),
        ("pictures cannot be read, more than 20% of all",),
    ),
    "fewer than five asked for": (street(asked={"min_pictures": 2}), ("min_pictures", "(found 2)")),
    "pixels kept without a reason": (
        street(asked={"keep_pixels": True}),
        ("keep_pixels = true keeps pictures of people's streets and needs a reason",),
    ),
    "broken JSON": (as_json('{"data": ['), ("street.json", "no JSON that can be read")),
    "JSON of something else": (as_json('{"error": 1}'), ("has no list of pictures",)),
    "JSON with a list for a latitude": (
        as_json(json.dumps({"data": [{"id": "p0", "lat": [51.5], "lng": 0.1}]})),
        ("'latitude' in data.street.table = 'street.json' must be finite numbers", "'[51.5]'"),
    ),
    "JSON without places": (
        as_json(json.dumps({"data": [{"id": "p0"}]})),
        ("says not where pictures were taken",),
    ),
    "a dump that is none": (
        as_json("not a dump\n", "street.tsv"),
        ('no column "id"',),
    ),
    "a dump that is cut short": (
        as_json("gridimage_id\twgs84_lat\n", "street.tsv.gz"),
        ("cannot be read to its end",),
    ),
    "beside pictures": (
        after(
            street(),
            lambda p: p.configure(
                data={"dsm": None, "areas": None, "labels": None, "images": "a", "table": "b.csv"}
            ),
        ),
        ("street needs rasters of heights",),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_street_pictures_that_cannot_be_used_are_refused_in_one_line(
    case: str, place: Any, refused: Callable[..., None]
) -> None:
    spoil, says = REFUSED[case]
    spoil(place)
    refused(*says)


@pytest.mark.parametrize("key", ["token", "access_token", "api_key", "mapillary_token"])
def test_a_token_in_the_configuration_is_refused_and_not_repeated(
    key: str, place: Any, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    secret(key)(place)
    assert run_command("chips", str(place.config)) == 2
    told = capsys.readouterr()
    assert f"data.street: {key}: what a service knows you by belongs in no file" in told.err
    assert "MLY" not in told.err + told.out
    assert not place.run.exists()


NOTED: dict[str, tuple[Spoil, tuple[str, ...], int]] = {
    "sound": (street(), ("in 94 of the 100 areas",), 6),
    "a place is blank": (keep("longitude", None, 2), ("2 of 60 pictures have no place",), 5),
    "ids as names of files": (street(lambda t: t.assign(id=t["id"] + ".PNG")), (), 6),
    "ids as paths elsewhere": (
        street(lambda t: t.assign(id="D:\\drive 1\\" + t["id"] + ".png")),
        (),
        6,
    ),
    "all at one place": (
        street(lambda t: t.assign(longitude=t["longitude"][0], latitude=t["latitude"][0])),
        ("its 60 pictures were taken at 1 place alone: if they are rounded",),
        1,
    ),
    "more pixels than anybody has": (
        after(
            street(),
            lambda p: Image.new("1", (40_000, 40_000)).save(p.folder / "street" / "p0.png"),
        ),
        ("p0.png: has far more than 25,000,000 pixels",),
        5,
    ),
    "some lie aside": (
        keep("latitude", 52.9, 10),
        ("10 of 60 pictures lie in no area: left out",),
        5,
    ),
    "a row twice": (street(lambda t: pd.concat([t, t.iloc[:5]])), (), 6),
    "a row without a picture": (
        after(street(), lambda p: (p.folder / "street" / "p0.png").unlink()),
        ("1 of its 60 rows have no picture",),
        5,
    ),
    "a picture without a row": (
        street(lambda t: t.iloc[1:]),
        ("1 of 60 pictures have no row",),
        5,
    ),
    "some broken": (
        after(street(), break_pictures(2)),
        ("2 of 60 pictures cannot be read and are left out (p0.png",),
        5,
    ),
    "a web page in a picture's place": (
        after(street(), break_pictures(1, b"<!DOCTYPE html>")),
        ("p0.png: is a web page, or SVG, and called .png",),
        5,
    ),
    "a clock that nobody set": (
        keep("captured_at", "1980-01-01", 2),
        ("2 pictures have a time that cannot be (p0, p1)",),
        6,
    ),
    "of one colour": (
        after(
            street(),
            lambda p: Image.new("RGB", (64, 48), "grey").save(p.folder / "street" / "p0.png"),
        ),
        ("1 of 60 pictures are of one colour",),
        5,
    ),
    "copies in other areas": (
        after(
            street(),
            lambda p: Image.fromarray(draw(0)).save(p.folder / "street" / "p59.png"),
        ),
        ("1 of 60 pictures are copies of others",),
        5,
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_street_pictures_that_are_odd_are_used_with_a_note(
    case: str, place: Any, noted: Callable[..., Any]
) -> None:
    spoil, says, n_described = NOTED[case]
    spoil(place)
    areas = noted(*says)
    assert areas["has_street"].sum() == n_described


def test_check_says_how_many_pictures_lie_in_how_many_areas_and_opens_none(
    place: Any, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    after(street(n_areas=3), break_pictures(30))(place)
    assert run_command("check", str(place.config)) == 0
    out = capsys.readouterr().out
    assert "30 street pictures of 30 lie in 3 areas; 3 of the 100 areas have enough" in out
    assert not place.run.exists()


def test_a_recipe_of_street_pictures_asks_for_some(
    place: Any, refused: Callable[..., None]
) -> None:
    place.configure(models={"recipes": ["street-vgg16"], "weights": {"vgg16": "none"}})
    refused("'street-vgg16' looks at street pictures, and none are given", command="run")
