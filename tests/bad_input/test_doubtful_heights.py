"""Heights of which something else tells that they are wrong: a neighbour, the terrain, a name."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

GRID = "+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +datum=WGS84"

Spoil = Callable[[Any], object]


def halves(change: Callable[[Any], Any], across: bool = False) -> Spoil:
    """Two tiles side by side, of which the second is changed."""

    def spoil(place: Any) -> None:
        values = place.heights()
        first, second = (
            (values[:250], values[250:]) if across else (values[:, :250], values[:, 250:])
        )
        place.write_raster("a.tif", first)
        where = {"north": 181_000.0 - 500} if across else {"west": 530_000.0 + 500}
        place.write_raster("b.tif", change(second).astype(np.float32), **where)
        place.configure(data={"dsm": "[ab].tif"})

    return spoil


def seamed(
    change: Callable[[Any], Any],
    names: tuple[str, str] = ("a.tif", "b.tif"),
    n_cells: int = 12,
    across: bool = False,
) -> Spoil:
    """Two tiles that share a seam of cells, of which the second is changed."""

    def spoil(place: Any) -> None:
        values, at = place.heights(), 250 - n_cells
        first, second = (values[:250], values[at:]) if across else (values[:, :250], values[:, at:])
        where = {"north": 181_000.0 - 2 * at} if across else {"west": 530_000.0 + 2 * at}
        place.write_raster(names[0], first)
        place.write_raster(names[1], change(second).astype(np.float32), **where)
        (place.folder / "dsm.tif").unlink()
        place.configure(data={"dsm": "*.tif"})

    return spoil


def raised(values: Any, n_cells: int = 12) -> Any:
    """A wall where the seam is, and nothing behind it."""
    values = values.copy()
    values[:, :n_cells] += 40
    return values


def twice(names: tuple[str, str]) -> Spoil:
    """Two flights over the same ground, with an estate built between them in a small part of it."""

    def spoil(place: Any) -> None:
        values = place.heights()
        place.write_raster(names[0], values)
        values[180:260, 180:260] += 8
        place.write_raster(names[1], values)
        (place.folder / "dsm.tif").unlink()
        place.configure(data={"dsm": "*.tif"})

    return spoil


GROUND = 20 + np.add.outer(np.linspace(0, 9, 500), np.linspace(0, 5, 500))


def ground_of(place: Any) -> Any:
    return GROUND.astype(np.float32)


def terrain(change: Callable[[Any], Any]) -> Spoil:
    def spoil(place: Any) -> None:
        place.write_raster("dtm.tif", change(ground_of(place)).astype(np.float32))
        place.configure(data={"dtm": "dtm.tif"})

    return spoil


def blank_half(values: Any) -> Any:
    values[:, :250] = np.nan
    return values


def in_feet(place: Any) -> None:
    place.write_raster("dsm.tif", (place.heights() - 18) * np.float32(3.2808))
    terrain(lambda ground: ground - 18)(place)


def scaled_twice(place: Any) -> None:
    place.write_raster("dsm.tif", np.rint(place.heights() * 1000).astype(np.int32))
    with rasterio.open(place.folder / "dsm.tif", "r+") as file:
        file.scales, file.units = (0.001,), ("mm",)


def scaled_once(place: Any) -> None:
    place.write_raster("dsm.tif", np.rint(place.heights() * 1000).astype(np.int32))
    with rasterio.open(place.folder / "dsm.tif", "r+") as file:
        file.scales = (0.001,)


def renamed(name: str) -> Spoil:
    def spoil(place: Any) -> None:
        (place.folder / "dsm.tif").rename(place.folder / name)
        place.configure(data={"dsm": name})

    return spoil


def changed(change: Callable[[Any], Any]) -> Spoil:
    return lambda place: place.write_raster("dsm.tif", change(place.heights()).astype(np.float32))


def holes(value: float) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        for row in range(20, 480, 60):
            values[row : row + 20, row : row + 20] = value
        return values

    return change


def salted(values: Any) -> Any:
    values[np.random.default_rng(0).uniform(size=values.shape) < 0.05] = 0
    return values


def moved(east_m: float) -> Spoil:
    """Write the place's raster a second time, so far away."""

    def spoil(place: Any) -> None:
        place.write_raster("far_dsm.tif", place.heights(), west=530_000.0 + east_m)
        (place.folder / "dsm.tif").rename(place.folder / "own_dsm.tif")
        place.configure(data={"dsm": "*_dsm.tif"})

    return spoil


def piped(name: str) -> Spoil:
    return lambda place: os.mkfifo(place.folder / name)


def queried(place: Any) -> None:
    with sqlite3.connect(place.folder / "areas.gpkg") as database:
        database.execute("CREATE VIEW more AS SELECT * FROM areas")


OLD_AND_NEW = ("DSM_TQ38_20030101_20030101.tif", "DSM_TQ38_20200101_20200101.tif")


def fading(sides: str, width: int = 20) -> Spoil:
    """Heights that fall to 0 towards some sides of the tile, as for blending."""

    def change(values: Any) -> Any:
        rows, cols = np.indices(values.shape)
        n = len(values) - 1
        far = {"w": cols, "e": n - cols, "n": rows, "s": n - rows}
        for side in sides:
            values *= np.clip(far[side] / width, 0, 1)
        return values

    return changed(change)


def shore(values: Any) -> Any:
    """The sea along a side, and a cliff behind it."""
    values[:, :20] = np.random.default_rng(0).normal(0, 0.1, (len(values), 20))
    return values


def declared(value: float, change: Callable[[Any], Any] = np.rint) -> Spoil:
    """Heights of which one is declared to be none."""
    return lambda place: place.write_raster(
        "dsm.tif", change(place.heights()).astype(np.float32), nodata=value
    )


def on_level_ground(values: Any) -> Any:
    """The houses of the place on ground of one height."""
    above = values - GROUND
    return np.where(above > 1, 20 + above, 20)


REFUSED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "heights negated": (changed(lambda v: -v), ("heights run from -", "are negated")),
    "low heights negated": (changed(lambda v: 20 - v), ("most of them below the sea",)),
    **{
        f"a tile that fades to 0 over {width} cells": (
            fading("wens", width),
            ("dsm.tif: heights fall to 0 towards the sides", "cut the sides off"),
        )
        for width in (2, 20, 200)
    },
    "ground declared as no data": (
        declared(20, on_level_ground),
        ("dsm.tif declares 20 as no data, which is a height of the ground here", "-unsetnodata"),
    ),
    "one of many heights declared as no data": (
        declared(27),
        ("dsm.tif declares 27 as no data", "of 250,000 cells looked at have none"),
    ),
    "a terrain that lies 3.5 m too low": (
        terrain(lambda ground: ground - 3.5),
        ("3.5 m or more above the terrain nearly everywhere",),
    ),
    "a neighbour in feet": (halves(lambda v: v * 3.2808), ("a.tif and b.tif share", "jump by")),
    "a neighbour in decimetres": (halves(lambda v: v * 10, across=True), ("heights jump by",)),
    "a neighbour above another sea": (halves(lambda v: v - 15), ("heights jump by 15.0",)),
    "a wall along a seam": (seamed(raised), ("a.tif and b.tif show the same", "Take one out")),
    "a wall along a seam, in the tile that is read first": (
        seamed(raised, ("b.tif", "a.tif"), n_cells=10),
        ("a.tif and b.tif show the same", "Take one out"),
    ),
    "a wall along a narrow seam": (
        seamed(lambda v: raised(v, 2), n_cells=2),
        ("a.tif and b.tif show the same", "Take one out"),
    ),
    "a neighbour above another sea behind a seam": (
        seamed(lambda v: v + 40, across=True),
        ("a.tif and b.tif show the same", "Take one out"),
    ),
    "a newer neighbour above another sea behind a seam": (
        seamed(lambda v: v + 40, OLD_AND_NEW),
        ("_2020", "heights jump by 40.0"),
    ),
    "an older neighbour above another sea behind a seam": (
        seamed(lambda v: v + 40, OLD_AND_NEW[::-1], across=True),
        ("_2020", "heights jump by 40.0"),
    ),
    "new houses where nothing says what is new": (twice(("a.tif", "b.tif")), ("Take one out",)),
    "a surface in feet over a terrain in metres": (in_feet, ("above the terrain nearly",)),
    "a terrain that counts from another sea": (
        terrain(lambda ground: ground - 10),
        ("10 m or more above the terrain",),
    ),
    "kilometres": (changed(lambda v: v / 1000), ("0.02 to 0.0", "less than a house is high")),
    "scaled to 0 and 1": (
        changed(lambda v: (v - v.min()) / (v.max() - v.min())),
        ("heights run from 0 to 1, less than a house",),
    ),
    "standardised": (
        changed(lambda v: (v - v.mean()) / v.std()),
        ("as numbers that were standardised",),
    ),
    "a unit and a scale": (scaled_twice, ("its band is in 'mm'", "would convert twice")),
    "slopes": (renamed("slope_TQ38.tif"), ("slope_TQ38.tif is slope, by its name",)),
    "feet that the name alone says": (renamed("dsm_ft.tif"), ("is in feet, by its name",)),
    "cells much finer than the rasters'": (
        lambda place: place.configure(chips={"resolution_m": 0.1}),
        ("chips.resolution_m = 0.1: the rasters' cells are 2 m", "0.2 or more"),
    ),
    "a pipe beside a raster": (piped("dsm.tif.aux.xml"), ("beside dsm.tif: is a pipe",)),
    "a pipe beside boundaries": (piped("areas.gpkg-wal"), ("beside areas.gpkg: is a pipe",)),
    "a layer that is a query": (queried, ("its layer more is a query, not a table",)),
}

NOTED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "a tile that fades to 0 towards a side": (fading("w"), ("towards a side: is it a shore?",)),
    "sea level declared as no data, where ground is as high": (
        declared(0, lambda values: np.rint(values - 22)),
        ("dsm.tif declares 0 as no data, which is a height of the ground here",),
    ),
    "a terrain among the surface": (
        lambda place: (
            halves(lambda v: ground_of(place)[:, 250:])(place),
            terrain(lambda ground: ground)(place),
        ),
        ("b.tif is the terrain to the centimetre",),
    ),
    "a wall along a seam, in the older flight": (
        seamed(raised, OLD_AND_NEW[::-1]),
        ("show the same ground with different heights; the newer flight by name is taken",),
    ),
    "a terrain for a surface": (
        lambda place: place.write_raster("dsm.tif", ground_of(place)),
        ("as if no house and no tree stood there",),
    ),
    "a terrain that covers half": (terrain(blank_half), ("has no data in 50% of the cells",)),
    "numbers behind a scale": (scaled_once, ("after a scale or an offset",)),
    "heights above the ground": (renamed("tq38_nDSM.tif"), ("has heights above the ground",)),
    "holes of any low value": (changed(holes(-100)), ("the value -100 stands",)),
    "holes of any high value": (changed(holes(1000)), ("the value 1000 stands",)),
    "cells of 0 all over high ground": (
        changed(lambda v: salted(v + 60)),
        ("the value 0 stands in patches",),
    ),
    "a tile that is elsewhere than the square of its name": (
        renamed("TQ2080_DSM_2m.tif"),
        ("TQ2080_DSM_2m.tif lies at 530000, 180000", "that its name says does not"),
    ),
    "a tile far from all others": (moved(100_000.0), ("more than 50 km from every other tile",)),
    "the National Grid on another datum": (
        lambda place: place.write_raster("dsm.tif", place.heights(), crs=f"{GRID} +units=m"),
        ("every number of the British National Grid on another datum",),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(place: Any, refused: Callable[..., None], name: str) -> None:
    spoil, says = REFUSED[name]
    spoil(place)
    refused(*says)


@pytest.mark.parametrize("name", NOTED)
def test_is_noted(place: Any, noted: Callable[..., Any], name: str) -> None:
    spoil, says = NOTED[name]
    spoil(place)
    noted(*says)


@pytest.mark.parametrize("across", [False, True])
def test_sound_neighbours_are_taken_without_a_word(
    place: Any, noted: Callable[..., Any], across: bool
) -> None:
    halves(lambda values: values, across=across)(place)
    noted()
    assert json.loads((place.run / "chips" / "notes.json").read_text()) == []


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize(("n_cells", "apart_m"), [(1, 0.2), (6, 0.2), (10, 0.0), (12, 0.2)])
def test_a_sound_seam_is_taken_without_a_word(
    place: Any, noted: Callable[..., Any], n_cells: int, apart_m: float, across: bool
) -> None:
    def differ(values: Any) -> Any:
        # Surveys agree to decimetres, and a crown may be gone.
        is_gone = (np.arange(values.size) % 5 == 0).reshape(values.shape)
        return values + apart_m + 40 * apart_m * is_gone

    seamed(differ, n_cells=n_cells, across=across)(place)
    noted()
    assert json.loads((place.run / "chips" / "notes.json").read_text()) == []


SOUND: dict[str, Spoil] = {
    "ground below the sea": changed(lambda values: values - 60),
    "a shore along a side": changed(shore),
    "a void that no height comes near": declared(-500, holes(-500)),
    "a terrain half a metre too low": terrain(lambda ground: ground - 0.5),
}


@pytest.mark.parametrize("name", SOUND)
def test_is_taken_without_a_word_of_heights(
    place: Any, noted: Callable[..., Any], name: str
) -> None:
    SOUND[name](place)
    noted()
    notes = json.loads((place.run / "chips" / "notes.json").read_text())
    assert [note for note in notes if "chips.min_area_coverage" not in note] == []


def test_the_newer_flight_is_read_though_little_of_it_differs(
    place: Any, noted: Callable[..., Any]
) -> None:
    old = place.heights().mean()
    twice(OLD_AND_NEW)(place)
    noted()
    import zarr

    layer = zarr.open_array(place.run / "chips" / "layers" / "heights.zarr", mode="r")
    # 80 by 80 of 500 by 500 cells are 8 m higher in the newer one.
    assert np.nanmean(np.asarray(layer[0])) == pytest.approx(old + 8 * (80 / 500) ** 2, abs=0.02)


SERVER = """
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pathlib.Path(sys.argv[1]).write_text(self.path)
        self.send_response(404)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_a_link_to_a_reference_system_is_not_followed(
    place: Any, noted: Callable[..., Any], tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    # A process of its own: GDAL holds Python's lock while it waits.
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(asked)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        port = server.stdout.readline().strip()
        table = json.loads(place.areas().to_json())
        link = {"href": f"http://127.0.0.1:{port}/crs", "type": "ogcwkt"}
        table["crs"] = {"type": "link", "properties": link}
        (place.folder / "areas.geojson").write_text(json.dumps(table))
        place.configure(data={"areas": "areas.geojson"})
        start = time.perf_counter()
        noted("are no degrees")
        assert time.perf_counter() - start < 60
        assert not asked.exists()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
