"""Rasters that are not what they say: read right, read right with a note, or refused in a line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import zarr

AIRY = "+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +ellps=airy"
LOCAL = 'LOCAL_CS["OSGB 1936 / British National Grid",UNIT["metre",1]]'
POINTER = (
    '<VRTDataset rasterXSize="500" rasterYSize="500"><VRTRasterBand subClass="VRTRawRasterBand">'
    "<SourceFilename>/etc/passwd</SourceFilename></VRTRasterBand></VRTDataset>"
)
SERVICE = "<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:1/</ServerUrl></Service>"
FLIGHTS = ("DSM_TQ3080_P_12151_20201212_20201213.tif", "DSM_TQ3080_P_01021_20030115_20030116.tif")

Spoil = Callable[[Any], object]


def scaled(by: float, dtype: str = "float32") -> Spoil:
    """Heights in another unit."""

    def spoil(place: Any) -> None:
        values = place.heights() * np.float32(by)
        is_whole = np.issubdtype(np.dtype(dtype), np.integer)
        place.write_raster("dsm.tif", (np.rint(values) if is_whole else values).astype(dtype))

    return spoil


def shifted(by: float) -> Spoil:
    return lambda place: place.write_raster("dsm.tif", place.heights() + np.float32(by))


def patched(value: float, n_cols: int = 200, below: float = 0.0, **profile: Any) -> Spoil:
    """One value in the west of the place, which otherwise lies lower by ``below``."""

    def spoil(place: Any) -> None:
        values = place.heights() - np.float32(below)
        values[:, :n_cols] = value
        place.write_raster("dsm.tif", values, **profile)

    return spoil


def bled(value: float) -> Spoil:
    """Ground without data, and beside it a column of averages with it."""

    def spoil(place: Any) -> None:
        values = place.heights()
        values[:, :100], values[:, 100:102] = -9999, value
        place.write_raster("dsm.tif", values, nodata=-9999)

    return spoil


def celled(value: float) -> Spoil:
    def spoil(place: Any) -> None:
        values = place.heights()
        values[200, 200] = value
        place.write_raster("dsm.tif", values)

    return spoil


def rewritten(name: str = "dsm.tif", **profile: Any) -> Spoil:
    return lambda place: place.write_raster(name, place.heights(), **profile)


def rewritten_scale(scale: float) -> Spoil:
    def spoil(place: Any) -> None:
        with rasterio.open(place.folder / "dsm.tif", "r+") as file:
            file.scales = (scale,)

    return spoil


def in_unit(unit: str, by: float) -> Spoil:
    def spoil(place: Any) -> None:
        place.write_raster("dsm.tif", place.heights() * np.float32(by))
        with rasterio.open(place.folder / "dsm.tif", "r+") as file:
            file.units = (unit,)

    return spoil


def replaced(data: bytes | str, name: str = "dsm.tif") -> Spoil:
    """Other bytes under the raster's name."""

    def spoil(place: Any) -> None:
        (place.folder / "dsm.tif").unlink()
        raw = data if isinstance(data, bytes) else data.encode()
        (place.folder / name).write_bytes(raw)
        place.configure(data={"dsm": name})

    return spoil


def zipped(name: str, members: dict[str, bytes | None]) -> Spoil:
    """An archive; None stands for the sound raster."""

    def spoil(place: Any) -> None:
        sound = (place.folder / "dsm.tif").read_bytes()
        with zipfile.ZipFile(place.folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                archive.writestr(member, sound if data is None else data)
        place.configure(data={"dsm": name})

    return spoil


def encrypted(place: Any) -> None:
    zipped("t.zip", {"a.tif": None})(place)
    data = bytearray((place.folder / "t.zip").read_bytes())
    # The flag stands in the member's own head and in the archive's list.
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    (place.folder / "t.zip").write_bytes(data)


def cut_inside(place: Any) -> None:
    zipped("t.zip", {"a.tif": None})(place)
    data = bytearray((place.folder / "t.zip").read_bytes())
    data[500:5000] = bytes(4500)
    (place.folder / "t.zip").write_bytes(data)


def piped(place: Any) -> None:
    (place.folder / "dsm.tif").unlink()
    os.mkfifo(place.folder / "dsm.tif")


def beside(name: str, text: str) -> Spoil:
    """A file beside the raster that GDAL reads with it."""
    return lambda place: (place.folder / name).write_text(text)


def placed(west: float) -> str:
    return f"<PAMDataset><GeoTransform>{west}, 2, 0, 181000, 0, -2</GeoTransform></PAMDataset>"


def linked(place: Any) -> None:
    """A tile on a disk that is not there, beside one that is."""
    (place.folder / "b.tif").symlink_to("nowhere/b.tif")
    place.configure(data={"dsm": "*.tif"})


def piped_beside(place: Any) -> None:
    os.mkfifo(place.folder / "b.tif")
    place.configure(data={"dsm": "*.tif"})


def in_circles(place: Any) -> None:
    (place.folder / "dsm.tif").unlink()
    (place.folder / "dsm.tif").symlink_to("dsm.tif")


def written_as_text(change: Callable[[str], str], name: str = "dsm.asc") -> Spoil:
    """An ASCII grid, spoilt in its text."""

    def spoil(place: Any) -> None:
        head = "ncols 500\nnrows 500\nxllcorner 530000\nyllcorner 180000\ncellsize 2\n"
        rows = (" ".join(f"{value:.2f}" for value in row) for row in place.heights())
        text = f"{head}NODATA_value -9999\n" + "\n".join(rows) + "\n"
        (place.folder / name).write_text(change(text), encoding="utf-8")
        place.configure(data={"dsm": name, "crs": "EPSG:27700"})

    return spoil


def far_off(place: Any) -> None:
    written_as_text(lambda text: text, "a.asc")(place)
    written_as_text(lambda text: text.replace("530000", "532000"), "b.asc")(place)
    written_as_text(lambda text: text.replace("530000", "5300000"), "c.asc")(place)
    place.configure(data={"dsm": "*.asc"})


def masked(place: Any, *, is_inside: bool) -> None:
    """No data in the west, by a mask in the file or beside it."""
    values = place.heights()
    values[:, :200] = 25
    has_data = np.ones(values.shape, bool)
    has_data[:, :200] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=is_inside):
        place.write_raster("dsm.tif", values)
        with rasterio.open(place.folder / "dsm.tif", "r+") as file:
            file.write_mask(has_data)


def in_nine(place: Any) -> None:
    """Nine tiles, of which that in the middle is lost."""
    values = place.heights()[:498, :498]
    (place.folder / "dsm.tif").unlink()
    for row in range(3):
        for col in range(3):
            part = values[row * 166 : row * 166 + 166, col * 166 : col * 166 + 166]
            corner = {"west": 530_000 + col * 332, "north": 181_000 - row * 332}
            if (row, col) != (1, 1):
                place.write_raster(f"{row}{col}.tif", part, **corner)
    place.configure(data={"dsm": "*.tif"})


def ground_of(place: Any) -> Any:
    """The place without its houses."""
    return (20 + np.add.outer(np.linspace(0, 9, 500), np.linspace(0, 5, 500))).astype(np.float32)


def with_terrain(change: Callable[[Any], Any], name: str = "dtm.tif", **profile: Any) -> Spoil:
    def spoil(place: Any) -> None:
        place.write_raster(name, change(ground_of(place)), **profile)
        place.configure(data={"dtm": name})

    return spoil


def same_twice(place: Any) -> None:
    place.write_raster("b.tif", place.heights())
    place.configure(data={"dtm": "b.tif"})


def same_and_coarser(place: Any) -> None:
    fine = place.heights()
    means = fine.reshape(len(fine) // 2, 2, -1, 2).mean(axis=(1, 3)).astype(np.float32)
    place.write_raster("b.tif", means, cell=4.0)
    place.configure(data={"dtm": "b.tif"})


def swapped(place: Any) -> None:
    place.write_raster("low.tif", ground_of(place))
    place.configure(data={"dsm": "low.tif", "dtm": "dsm.tif"})


def two_tiles(one: str, other: str, step: float | None = None) -> Spoil:
    """Two tiles on the same ground: with houses and without, or a step apart."""

    def spoil(place: Any) -> None:
        place.write_raster(one, place.heights())
        second = ground_of(place) if step is None else place.heights() + np.float32(step)
        place.write_raster(other, second)
        (place.folder / "dsm.tif").unlink()
        place.configure(data={"dsm": "*.tif"})

    return spoil


def turned(place: Any) -> None:
    across = rasterio.Affine(2, 0, 530_000, 0, 2, 180_000)
    place.write_raster("dsm.tif", place.heights()[::-1], transform=across)


def in_mercator(place: Any) -> None:
    place.write_raster(
        "dsm.tif", place.heights(), west=-14_288, north=6_712_861, cell=3.2, crs="EPSG:3857"
    )


def of_unknown_grid(place: Any) -> None:
    rewritten(crs="+proj=utm +zone=30 +ellps=airy +units=m")(place)


def finest(place: Any) -> None:
    """Four square kilometres by the centimetre, the finest that a configuration may ask for."""
    place.write_raster("dsm.tif", np.tile(place.heights(), (2, 2)))
    areas = place.areas()
    west, _, _, north = areas.total_bounds
    places = areas.geometry.scale(2, 2, origin=(west, north))
    place.write_areas(areas.set_geometry(places))
    place.configure(chips={"resolution_m": 0.01})


def configured(**changes: Any) -> Spoil:
    return lambda place: place.configure(**changes)


def both(*spoils: Spoil) -> Spoil:
    return lambda place: [spoil(place) for spoil in spoils]


REFUSED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "whole decimetres": (scaled(10, "int16"), ("data.dsm = 'dsm.tif'", "decimetres", "-a_scale")),
    "decimetres": (scaled(10), ("200 to 465.8", "no walls are in metres")),
    "whole centimetres": (scaled(100, "int32"), ("2000 to 4658", "above 1400")),
    "millimetres": (scaled(1000), ("20000 to 46584", "millimetres")),
    "whole feet": (scaled(3.28, "int16"), ("feet", "-a_scale")),
    "a hillshade of bytes": (scaled(3, "uint8"), ("dsm.tif: holds whole numbers of one byte",)),
    "a mask of two numbers": (
        lambda p: p.write_raster("dsm.tif", (p.heights() > 25).astype(np.float32)),
        ("only 2 whole numbers from 0 to 1", "mask"),
    ),
    "complex numbers": (scaled(1, "complex64"), ("dsm.tif: holds complex numbers",)),
    "higher than any mountain here": (shifted(1500), ("above 1400",)),
    "no relief": (
        lambda p: p.write_raster("dsm.tif", np.full((500, 500), 5, np.float32)),
        ("all 250,000 cells looked at are 5",),
    ),
    "nothing but nodata": (
        lambda p: p.write_raster("dsm.tif", np.full((500, 500), -9999, np.float32)),
        ("no cell with data lies inside any area",),
    ),
    "a unit that nobody knows": (in_unit("fathom", 0.55), ("band is in 'fathom'",)),
    "a pointer to another file": (replaced(POINTER), ("dsm.tif", "other files or servers")),
    "a pointer to a server": (replaced(SERVICE), ("dsm.tif", "other files or servers")),
    "a web page": (replaced("<!DOCTYPE html><html>404"), ("a web page", "fetch it again")),
    "an empty file": (replaced(""), ("dsm.tif: is empty (0 bytes)",)),
    "a pointer of Git's": (replaced("version https://git-lfs.github.com"), ("git lfs pull",)),
    "a mask that points elsewhere": (
        lambda p: (p.folder / "dsm.tif.msk").write_text(POINTER),
        ("dsm.tif.msk: is no mask", "other files or servers"),
    ),
    "a point cloud": (replaced(b"LASF" + bytes(400), "a.laz"), ("a.laz", "point cloud", "DSM")),
    "a picture": (replaced(b"\x89PNG\r\n\x1a\n"), ("a PNG picture",)),
    "a pipe": (piped, ("data.dsm = 'dsm.tif': is a pipe",)),
    "a link that leads nowhere": (linked, ("b.tif: is a link that leads nowhere, and matches",)),
    "a link to itself": (in_circles, ("dsm.tif: is a link that leads nowhere",)),
    "a pipe among tiles": (piped_beside, ("b.tif: is a pipe, socket or device, and matches",)),
    "a place beside it that is another": (
        beside("dsm.tif.aux.xml", placed(530_500)),
        ("lies at 530000, 181000 by itself", "530500, 181000 by dsm.tif.aux.xml beside it"),
    ),
    "a world file of another place": (
        beside("dsm.tfw", "2\n0\n0\n-2\n530501\n180999\n"),
        ("dsm.tif: a corner of it lies at 530000, 181000", "530500, 181000 by dsm.tfw"),
    ),
    "a world file of other cells": (
        beside("dsm.tfw", "1\n0\n0\n-1\n530000.5\n180999.5\n"),
        ("lies at 531000, 180000 by itself, and at 530500, 180500 by dsm.tfw",),
    ),
    "a header with decimal commas": (
        written_as_text(lambda text: text.replace("cellsize 2", "cellsize 2,5")),
        ("dsm.asc: its header says cellsize '2,5', which is no number",),
    ),
    "a device": (configured(data={"dsm": "/dev/zero"}), ("'/dev/zero': is a device",)),
    "an archive in an archive": (
        zipped("t.zip", {"a.zip": b"PK\x03\x04"}),
        ("t.zip: holds zip archives (a.zip)", "Unpack it once"),
    ),
    "an archive of one byte, repeated": (
        zipped("t.zip", {"a.tif": bytes(150 * 2**20)}),
        ("t.zip/a.tif: would unpack from", "157 MB"),
    ),
    "a pointer in an archive": (
        zipped("t.zip", {"a.tif": POINTER.encode()}),
        ("t.zip/a.tif", "other files or servers"),
    ),
    "an encrypted archive": (encrypted, ("t.zip/a.tif: is encrypted",)),
    "a broken archive": (cut_inside, ("t.zip/a.tif: cannot be read to its end", "Bad CRC-32")),
    "an archive without a raster": (zipped("t.zip", {"a.txt": b"a"}), ("t.zip: holds no raster",)),
    "a corner and a centre": (
        written_as_text(lambda text: text.replace("xllcorner", "XLLCENTER")),
        ("its header has xllcenter and yllcorner, and needs xllcorner and yllcorner, or",),
    ),
    "no corner": (
        written_as_text(lambda text: re.sub(r"[xy]llcorner.*\n", "", text)),
        ("its header says not where its corner lies, and needs xllcorner",),
    ),
    "a scale that is no number": (
        rewritten_scale(np.nan),
        ("dsm.tif", "scaled by nan and moved by 0, which makes no heights"),
    ),
    "a scale of 0": (rewritten_scale(0.0), ("scaled by 0 and moved by 0",)),
    "a word among the numbers": (
        written_as_text(lambda text: text.replace(" 20.1", " void ", 1)),
        ("dsm.asc: 'void' stands among its numbers",),
    ),
    "decimal commas": (
        written_as_text(lambda text: text.replace(".", ",")),
        ("dsm.asc: '20,00' stands among", "Decimals have a point"),
    ),
    "a text cut short": (
        written_as_text(lambda text: text[:-300]),
        ("dsm.asc: says 500 rows of 500 and holds 249,950 numbers instead of 250,000",),
    ),
    "a header of another width": (
        written_as_text(lambda text: text.replace("ncols 500", "ncols 499")),
        ("says 500 rows of 499 and holds 250,000",),
    ),
    "a text with a byte order mark": (
        written_as_text(lambda text: "\ufeff" + text),
        ("dsm.asc", "bytes that are no text", "plain ASCII"),
    ),
    "one tile a digit too far": (far_off, ("c.asc: its corner is 5300000, 181000", "digit")),
    "the only tile a digit too far": (
        written_as_text(lambda text: text.replace("530000", "5300000")),
        ("dsm.asc: lies at 5300000, 180000, where EPSG:27700 is not of use",),
    ),
    "a corner at 1e308": (
        rewritten(transform=rasterio.Affine(2, 0, 1e308, 0, -2, 1e308)),
        ("dsm.tif: its corner lies at 1e+308",),
    ),
    "cells of a nanometre": (
        rewritten(transform=rasterio.Affine(1e-9, 0, 530_000, 0, -1e-9, 181_000)),
        ("with cells of 1e-09",),
    ),
    "more cells to cut than there is time for": (
        finest,
        ("chips.resolution_m = 0.01", "4e+10 cells", "From 0.014 m on"),
    ),
    "rows from the south": (turned, ("dsm.tif: its rows run from the south", "gdalwarp")),
    "the same as surface and terrain": (same_twice, ("data.dtm = 'b.tif'", "the same heights")),
    "the same in coarser cells": (same_and_coarser, ("data.dtm = 'b.tif'", "the same heights")),
    "surface and terrain swapped": (swapped, ("data.dtm = 'dsm.tif'", "below the terrain in 40%")),
    "terrain in feet": (
        with_terrain(lambda low: low * np.float32(3.28)),
        ("below the terrain in 100%", "another unit"),
    ),
    "terrain in whole millimetres": (
        with_terrain(lambda low: np.rint(low * 1000).astype(np.int32)),
        ("data.dtm = 'dtm.tif'", "millimetres"),
    ),
    "terrain above another sea": (
        with_terrain(lambda low: low - np.float32(60)),
        ("60 m or more above the terrain", "the same sea"),
    ),
    "surface and terrain by name in one pattern": (
        two_tiles("tq_DSM_1m.tif", "tq_DTM_1m.tif"),
        ("tq_DTM_1m.tif is a terrain model by its name", "tq_DSM_1m.tif", "data.dtm"),
    ),
    "a hillshade by name": (
        two_tiles("tq_DSM.tif", "tq_hillshade.tif"),
        ("tq_hillshade.tif is hillshade",),
    ),
    "two flights without a date": (
        two_tiles("a.tif", "b.tif"),
        ("a.tif and b.tif show the same ground with different heights", "Take one out"),
    ),
    "two flights of one day": (
        two_tiles("DSM_P_1_20201212.tif", "DSM_P_2_20201212.tif"),
        ("DSM_P_1_20201212.tif and DSM_P_2_20201212.tif", "nothing in their names"),
    ),
    "web Mercator": (in_mercator, ("a metre of EPSG:3857 is 0.62 m", "EPSG:27700")),
    "degrees": (
        rewritten(crs="EPSG:4326", west=-0.1, north=51.5, cell=2e-5),
        ("dsm.tif: EPSG:4326 is not a projected CRS in metres",),
    ),
    "a grid in feet": (rewritten(crs="EPSG:2263"), ("EPSG:2263 is not a projected CRS in metres",)),
    "a local CRS alone": (
        rewritten(crs=LOCAL),
        ("carries a local CRS alone (OSGB 1936", 'data.crs = "EPSG:27700"'),
    ),
    "an unknown datum": (of_unknown_grid, ("names no datum", "data.crs")),
    "a typed CRS that contradicts": (
        configured(data={"crs": "EPSG:32630"}),
        ("data.crs = 'EPSG:32630': dsm.tif itself says EPSG:27700",),
    ),
}

NOTED: dict[str, tuple[Spoil, tuple[str, ...], float]] = {
    "whole metres": (scaled(1, "int16"), ("all heights are whole numbers",), 1.0),
    "zero where nothing was flown": (patched(0), ("the value 0 stands in patches",), 0.6),
    "-1 where nothing was flown": (patched(-1), ("the value -1 stands",), 0.6),
    "-99 where nothing was flown": (patched(-99), ("the value -99 stands",), 0.6),
    "-999 where nothing was flown": (patched(-999), ("lie deeper than ground", "-999 m"), 0.6),
    "255 where nothing was flown": (patched(255), ("the value 255 stands",), 0.6),
    "any value in a large patch": (patched(50), ("the value 50 stands",), 0.6),
    "zero among low ground": (patched(0, below=22), ("40% of the cells are exactly 0",), 1.0),
    "averages with nodata": (bled(-877), ("1,000 of 200,000 cells", "lowest -877 m"), 0.796),
    "averages with little of it": (bled(-40), ("1,000 of 200,000 cells", "lowest -40 m"), 0.796),
    "averages with much above": (bled(700), ("1,000 of 200,000 cells",), 0.796),
    "a spike": (celled(3000), ("1 of 250,000 cells looked at lie above 1400 m",), 1.0),
    "a pit": (celled(-300), ("lowest -300 m",), 1.0),
    "a local CRS beside a typed one": (
        both(rewritten(crs=LOCAL), configured(data={"crs": "EPSG:27700"})),
        ("dsm.tif: its CRS (OSGB 1936 / British National Grid) is local", "data.crs is taken"),
        1.0,
    ),
    "the grid without its datum": (
        rewritten(crs=f"{AIRY} +units=m"),
        ("names no datum; its projection is that of EPSG:27700",),
        1.0,
    ),
    "two flights of two days": (
        two_tiles(*FLIGHTS),
        (f"{FLIGHTS[0]} and {FLIGHTS[1]}", "the newer flight by name is taken"),
        1.0,
    ),
    "two flights of two years": (
        two_tiles("2017-LIDAR-DSM-1M-TQ38.tif", "2003-LIDAR-DSM-1M-TQ38.tif"),
        ("2017-LIDAR-DSM-1M-TQ38.tif and 2003-", "newer flight"),
        1.0,
    ),
    "a terrain by name as the surface": (
        both(rewritten("tq_DTM.tif"), configured(data={"dsm": "tq_DTM.tif"})),
        ("tq_DTM.tif is a terrain model by its name", "nothing stands on it"),
        1.0,
    ),
    "areas in a gap": (
        patched(-9999),
        (
            "40 of the 100 areas here (E01000001, E01000002, E01000003, E01000004, E01000011 and "
            "35 more) have heights on less than 50% of their ground (chips.min_area_coverage): "
            "left out",
        ),
        0.6,
    ),
    "a tile lost among others": (in_nine, ("no tile covers 530332, 180336",), 0.882),
    "feet by the band": (in_unit("ft", 1 / 0.3048), ("dsm.tif: heights are in ft",), 1.0),
    "survey feet": (in_unit("US survey foot", 3937 / 1200), ("US survey foot",), 1.0),
    "centimetres by the band": (in_unit("cm", 100), ("heights are in cm",), 1.0),
}

SOUND: dict[str, tuple[Spoil, float]] = {
    "below the sea": (shifted(-26), 1.0),
    "a mountain": (shifted(1250), 1.0),
    "fens": (shifted(-22), 1.0),
    "nodata that is not declared": (patched(-9999), 0.6),
    "a mask inside": (lambda place: masked(place, is_inside=True), 0.6),
    "a mask beside": (lambda place: masked(place, is_inside=False), 0.6),
    "the lowest number there is": (patched(-3.4028234663852886e38), 0.6),
    "a zip": (zipped("t.zip", {"deep/dsm.tif": None}), 1.0),
    "a zip of a Mac": (zipped("t.zip", {"a.tif": None, "__MACOSX/._a.tif": b"x"}), 1.0),
    "a zip with a brace": (zipped("ds}m.zip", {"a.tif": None}), 1.0),
    "a zip with braces": (zipped("{d}s.zip", {"{a/}b.tif": None}), 1.0),
    "an ASCII grid by the centre of its corner's cell": (
        written_as_text(
            lambda text: text.replace("xllcorner 530000", "xllcenter 530001").replace(
                "yllcorner 180000", "yllcenter 180001"
            )
        ),
        1.0,
    ),
    "an ASCII grid": (written_as_text(lambda text: text), 1.0),
    "an ASCII grid with Windows' ends of lines": (
        written_as_text(lambda text: text.replace("\n", "\r\n")),
        1.0,
    ),
    "the same tile twice": (two_tiles("a.tif", "b.tif", 0.0), 1.0),
    "tiles that differ by rounding": (two_tiles("a.tif", "b.tif", 0.05), 1.0),
    "a terrain half a cell aside": (with_terrain(lambda low: low, west=530_001.0), 0.99),
    "the grid under its own words": (
        both(rewritten(crs=f"{AIRY} +units=m"), configured(data={"crs": "EPSG:27700"})),
        1.0,
    ),
    "the grid with a way to WGS 84": (
        rewritten(crs=f"{AIRY} +towgs84=375,-111,431 +units=m"),
        1.0,
    ),
    "the grid with heights": (rewritten(crs="EPSG:27700+5701"), 1.0),
    "metres by the band": (in_unit("metre", 1), 1.0),
    "Erdas Imagine": (
        both(rewritten("a.img", driver="HFA"), configured(data={"dsm": "a.img"})),
        1.0,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_raster_is_refused(place: Any, refused: Callable[..., None], name: str) -> None:
    spoil, says = REFUSED[name]
    spoil(place)
    refused(*says)


@pytest.mark.parametrize("name", NOTED)
def test_a_raster_is_taken_with_a_note(place: Any, noted: Callable[..., Any], name: str) -> None:
    spoil, says, covered = NOTED[name]
    spoil(place)
    areas = noted(*says)
    assert areas["ground_covered"].mean() == pytest.approx(covered, abs=0.01)


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_raster_is_taken_without_a_word(
    place: Any, noted: Callable[..., Any], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    spoil, covered = SOUND[name]
    spoil(place)
    areas = noted()
    said = json.loads((place.run / "chips" / "notes.json").read_text())
    short = areas.index[areas["ground_covered"] < 0.5]
    # Of the raster not a word; of areas that its holes leave without ground, how many they are.
    assert len(said) == bool(len(short))
    assert not len(short) or f"{len(short)} of the 100 areas here" in said[0]
    assert areas["ground_covered"].mean() == pytest.approx(covered, abs=0.011)


def read_surface(place: Any) -> Any:
    layer = zarr.open_array(place.run / "chips" / "layers" / "heights.zarr", mode="r")
    return np.asarray(layer[0])


@pytest.mark.parametrize(
    "spoil",
    [
        in_unit("ft", 1 / 0.3048),
        in_unit("US survey foot", 3937 / 1200),
        in_unit("cm", 100),
        two_tiles(*FLIGHTS),
        two_tiles(*FLIGHTS[::-1], step=0.0),
    ],
)
def test_heights_are_those_of_the_sound_place(
    place: Any, noted: Callable[..., Any], spoil: Spoil
) -> None:
    true = float(place.heights().mean())
    spoil(place)
    noted()
    assert np.nanmean(read_surface(place)) == pytest.approx(true, abs=0.01)


@pytest.mark.parametrize("value", [-877.0, -40.0, 700.0])
def test_no_average_with_nodata_is_left(
    place: Any, noted: Callable[..., Any], value: float
) -> None:
    bled(value)(place)
    noted()
    surface = read_surface(place)
    assert (np.nanmin(surface) > 19, np.nanmax(surface) < 50) == (True, True)


def test_a_lake_of_one_height_stays(place: Any, noted: Callable[..., Any]) -> None:
    values = place.heights()
    row, col = np.mgrid[0:500, 0:500]
    away = np.maximum(np.maximum(100 - row, row - 299), np.maximum(100 - col, col - 299))
    # A shore that rises from the water's own height.
    is_near = away < 30
    values[is_near] = 28.5 + 0.1 * np.maximum(away[is_near], 0)
    place.write_raster("dsm.tif", values)
    assert noted()["ground_covered"].min() == pytest.approx(1.0)
    assert (place.run / "chips" / "notes.json").read_text().strip() == "[]"


def test_a_vast_raster_is_read_where_areas_are(place: Any, noted: Callable[..., Any]) -> None:
    heights = place.heights()
    (place.folder / "dsm.tif").unlink()
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:27700"}
    profile |= {"height": 200_000, "width": 200_000, "nodata": -9999, "BIGTIFF": "YES"}
    profile |= {"tiled": True, "SPARSE_OK": True}
    profile["transform"] = rasterio.transform.from_origin(400_000, 300_000, 2, 2)
    with rasterio.open(place.folder / "dsm.tif", "w", **profile) as file:
        file.write(heights, 1, window=rasterio.windows.Window(65_000, 59_500, 500, 500))
    assert noted()["ground_covered"].min() == pytest.approx(1.0)


def test_no_refusal_leaves_the_path_of_the_machine(place: Any, refused: Any) -> None:
    written_as_text(lambda text: text[:40])(place)
    refused("dsm.asc")


def test_names_of_rasters_may_have_any_letter(place: Any, noted: Callable[..., Any]) -> None:
    for name in ("a!b.tif", "a b {c}.tif", "zürich.tif"):
        Path(place.folder / name).write_bytes((place.folder / "dsm.tif").read_bytes())
        place.configure(data={"dsm": name})
        assert noted()["ground_covered"].min() == pytest.approx(1.0)


def test_a_header_that_is_no_text_prints_nothing_of_its_own(place: Any) -> None:
    with rasterio.open(place.folder / "dsm.tif", "r+") as file:
        file.update_tags(flown="2020")
    path = place.folder / "dsm.tif"
    path.write_bytes(path.read_bytes().replace(b"<GDALMetadata>", b"<GDALMe\xffadata>"))
    # In a process of its own: what rasterio cannot raise goes round everything that listens here.
    command = [sys.executable, "-m", "basrelief.cli", "chips", str(place.config), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
