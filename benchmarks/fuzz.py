"""Feed readers broken files: cut, flipped, spliced and random bytes; a traceback is a failure.

    python benchmarks/fuzz.py rasters --minutes 10 --seed 1

A reader is a function `(folder, rng) -> attempt` in `READERS`: it writes sound files into the
folder once and gives a function that spoils one anew and reads it. To add one, write such a
function and name it there. What it may raise is `InputError`, and nothing else. A failure is
printed with its seed, by which it comes again: `--seed N --minutes 0`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.shutil
import shapely
from fuzz_eyes import archives, eye_tables, lookups, photos
from fuzz_learning import pictures, weights
from fuzz_tables import configuration, crimes, parts, tables
from pyproj import CRS
from spoil import Attempt, spoil

from basrelief.config import InputError
from basrelief.run import Notes, Run
from basrelief.sources.areas import read_areas
from basrelief.sources.lidar import open_mosaic
from basrelief.sources.looks import believe_heights, check_products, choose_windows
from basrelief.sources.shared_ground import refuse_shared_ground
from basrelief.typed import Typed

BOUNDS = (530_000.0, 180_800.0, 530_200.0, 181_000.0)


def rasters(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make GeoTIFFs, an ASCII grid, an Erdas Imagine file and a zip; read and look at them."""
    heights = (20 + rng.normal(0, 2, (100, 100))).astype(np.float32)
    profile = {"height": 100, "width": 100, "count": 1, "dtype": "float32", "crs": "EPSG:27700"}
    profile["transform"] = rasterio.transform.from_origin(530_000, 181_000, 2, 2)
    kinds = {"a.tif": "GTiff", "b.img": "HFA", "c.asc": "AAIGrid", "d.tif": "GTiff"}
    for name, driver in kinds.items():
        options = {"compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64}
        with rasterio.MemoryFile() as memory:
            with memory.open(driver="GTiff", **profile) as file:
                file.write(heights, 1)
            more = options if name == "d.tif" else {}
            rasterio.shutil.copy(memory.name, folder / name, driver=driver, **more)
    with zipfile.ZipFile(folder / "e.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "c.asc", "deep/c.asc")
    sound = {path.name: path.read_bytes() for path in sorted(folder.glob("[a-e].*"))}
    sound = {name: data for name, data in sound.items() if Path(name).suffix != ".prj"}
    areas = gpd.GeoDataFrame(geometry=[shapely.box(*BOUNDS)], crs="EPSG:27700")

    def attempt(rng: np.random.Generator) -> None:
        name = sorted(sound)[int(rng.integers(len(sound)))]
        path = folder / "spoilt" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(spoil(sound[name], rng))
        typed, notes = Typed("dsm", name, path), Notes(Run(folder, quiet=True))
        mosaic = open_mosaic(typed, "EPSG:27700", notes)
        check_products(typed, mosaic.tiles, "surface", notes)
        mosaic = believe_heights(mosaic, typed, choose_windows(mosaic, areas), notes)
        mosaic.read(BOUNDS)

    return attempt


def boundaries(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make boundaries in every format that is read, and a zip; read them."""
    west, south = BOUNDS[:2]
    squares = [shapely.box(west + 50 * k, south, west + 50 * k + 50, south + 100) for k in range(4)]
    table = {"LSOA11CD": [f"E0100000{k}" for k in range(4)], "LSOA11NM": list("abcd")}
    areas = gpd.GeoDataFrame(table, geometry=squares, crs="EPSG:27700")
    names = ("a.gpkg", "b.shp", "c.fgb", "d.tab")
    for name in names:
        areas.to_file(folder / name, **({"driver": "MapInfo File"} if name == "d.tab" else {}))
    areas.to_crs(4326).to_file(folder / "e.geojson")
    areas.to_crs(4326).to_file(folder / "f.kml", driver="KML")
    rings = [
        {"attributes": {"LSOA11CD": code}, "geometry": {"rings": [list(s.exterior.coords)]}}
        for code, s in zip(table["LSOA11CD"], squares, strict=True)
    ]
    esri = {
        "geometryType": "esriGeometryPolygon",
        "spatialReference": {"wkid": 27700},
        "fields": [{"name": "LSOA11CD", "type": "esriFieldTypeString"}],
        "features": rings,
    }
    (folder / "g.json").write_text(json.dumps(esri))
    with zipfile.ZipFile(folder / "h.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in folder.glob("b.*"):
            archive.write(part, f"deep/{part.name}")
    sound = {path.name: path.read_bytes() for path in sorted(folder.glob("[a-h].*"))}
    opened = {
        name: next(
            f"{name[0]}{s}" for s in (".shp", ".tab", Path(name).suffix) if f"{name[0]}{s}" in sound
        )
        for name in sound
    }

    def attempt(rng: np.random.Generator) -> None:
        name = sorted(sound)[int(rng.integers(len(sound)))]
        spoilt = folder / "spoilt"
        spoilt.mkdir(exist_ok=True)
        for other, data in sound.items():
            if other[0] == name[0]:
                (spoilt / other).write_bytes(spoil(data, rng) if other == name else data)
        typed = Typed("areas", opened[name], spoilt / opened[name])
        notes = Notes(Run(folder, quiet=True))
        crs = CRS.from_epsg(27700)
        found = read_areas(typed, column=None, crs=crs, bounds=BOUNDS, notes=notes)
        refuse_shared_ground(found, typed)

    return attempt


READERS: dict[str, Callable[[Path, np.random.Generator], Attempt]] = {
    "rasters": rasters,
    "boundaries": boundaries,
    "tables": tables,
    "workbooks": parts,
    "crimes": crimes,
    "configuration": configuration,
    "pictures": pictures,
    "weights": weights,
    "eye-tables": eye_tables,
    "lookups": lookups,
    "photos": photos,
    "archives": archives,
}


def fuzz(reader: str, seed: int, minutes: float, least: int = 1) -> tuple[int, int, list[int]]:
    """Try a reader on spoilt files until the time is up.

    Returns
    -------
    How many were tried, how many refused, and the seeds of those that failed.
    """
    tried = refused = 0
    failed = []
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        # GDAL warns of half of what is broken; what matters is what is raised.
        warnings.simplefilter("ignore")
        attempt = READERS[reader](Path(name), np.random.default_rng(0))
        while tried < least or time.monotonic() < end:
            start = time.monotonic()
            try:
                attempt(np.random.default_rng(seed + tried))
            except InputError as error:
                refused += 1
                if "\n" in str(error):
                    failed.append(seed + tried)
                    print(f"seed {seed + tried}: more than one line: {error}")
            except Exception:
                failed.append(seed + tried)
                print(f"seed {seed + tried}:\n{traceback.format_exc()}")
            if time.monotonic() - start > 10:
                failed.append(seed + tried)
                print(f"seed {seed + tried}: took {time.monotonic() - start:.0f} s")
            tried += 1
    return tried, refused, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tried, refused, failed = fuzz(given.reader, given.seed, given.minutes)
    print(f"{given.reader}: {tried} tried, {refused} refused, {len(failed)} failed {failed[:20]}")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
