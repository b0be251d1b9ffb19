"""Readers of what areas are looked at by beside LIDAR, for `fuzz.py`: see there.

Tables by area, photos, lookups between censuses, and archives of older heights.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from fuzz_tables import CODES, ENCODINGS, spoil_text
from rasterio.transform import from_origin
from spoil import Attempt, spoil

from basrelief.chips.overlay import lay_overlay, open_overlay
from basrelief.config import InputError, Settings, load_settings
from basrelief.run import Notes, Run
from basrelief.sources.changes import carry_over, read_changes
from basrelief.sources.eye_tables import read_eye_tables
from basrelief.sources.fetch.client import ServiceError
from basrelief.sources.fetch.welsh_archive import _check_zip, _Survey, _write_metres
from basrelief.typed import Typed

WEST, NORTH, SIDE_M = 530_000.0, 181_000.0, 200.0


def _configure(folder: Path, more: str) -> Settings:
    path = folder / "c.toml"
    path.write_text(
        '[data]\ndsm = "a.tif"\nareas = "a.gpkg"\nlabels = "a.csv"\ntargets = ["crime"]\n' + more
    )
    return load_settings(path)


def eye_tables(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make tables by area in several encodings; read them for a place."""
    table = pd.DataFrame({"LSOA11CD": CODES, "rent": rng.normal(size=30).round(3)})
    table["Income Score (rate)"] = rng.uniform(size=30).round(3)
    sound = {
        f"{k}.csv": table.to_csv(index=False, sep=",;\t|"[k]).encode(name)
        for k, name in enumerate(ENCODINGS)
    }
    settings = [
        _configure(folder, f"[data.tables.one]\nfile = 'spoilt.csv'\n{keys}\n")
        for keys in ("columns = ['rent']", "role = 'last_release'")
    ]

    def attempt(rng: np.random.Generator) -> None:
        name = sorted(sound)[int(rng.integers(len(sound)))]
        (folder / "spoilt.csv").write_bytes(spoil_text(sound[name], rng))
        notes = Notes(Run(folder, quiet=True))
        found = read_eye_tables(
            settings[int(rng.integers(2))], notes, CODES[:20], (2011, "LSOA11CD")
        )
        assert np.isfinite(found["one"]).any(axis=None)

    return attempt


def lookups(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make a lookup between censuses; read it and carry a table by it."""
    new = [*CODES[:10], *[CODES[10]] * 2, "E01035000", "E01035001", *CODES[13:29]]
    old = [*CODES[:12], CODES[12], CODES[12], *CODES[13:29]]
    change = ["U"] * 10 + ["M"] * 2 + ["S"] * 2 + ["U"] * 16
    table = pd.DataFrame({"LSOA11CD": old, "LSOA21CD": new, "CHGIND": change})
    table["shared_m2"] = rng.uniform(1e4, 1e6, len(table)).round()
    sound = [table.to_csv(index=False).encode(name) for name in ENCODINGS]
    scores = pd.DataFrame({"rent": rng.normal(size=30)}, index=CODES)

    def attempt(rng: np.random.Generator) -> None:
        path = folder / "spoilt.csv"
        path.write_bytes(spoil_text(sound[int(rng.integers(len(sound)))], rng))
        pairs = read_changes(Typed("lookup", path.name, path))
        carried = carry_over(scores, pairs, "mean").table["rent"].dropna()
        # A mean of parts lies among its parts.
        assert carried.between(scores["rent"].min() - 1e-9, scores["rent"].max() + 1e-9).all()

    return attempt


def photos(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make photos of every kind of number; read their headers, and lay the layer."""
    areas = gpd.GeoDataFrame(
        {"area_id": ["a", "b"]},
        geometry=[
            shapely.box(WEST + at, NORTH - SIDE_M, WEST + at + 100, NORTH) for at in (0, 100)
        ],
        crs="EPSG:27700",
    )
    sound, shape = {}, (3, 24, 24)
    for kind, top in (("uint8", 255), ("uint16", 9000), ("float32", 1.0)):
        values = (rng.uniform(size=shape) * top).astype(kind)
        profile = {"driver": "GTiff", "count": 3, "height": 24, "width": 24, "dtype": kind}
        place = from_origin(WEST - 20, NORTH + 20, 10, 10)
        path = folder / f"{kind}.tif"
        with rasterio.open(path, "w", crs="EPSG:27700", transform=place, **profile) as file:
            file.write(values)
            file.descriptions = ("red", "green", "blue")
            if kind == "uint16":
                file.scales = (1e-4,) * 3
        sound[path.name] = path.read_bytes()
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "uint8.tif", "deep/uint8.tif")
    sound["z.zip"] = (folder / "z.zip").read_bytes()

    def attempt(rng: np.random.Generator) -> None:
        name = sorted(sound)[int(rng.integers(len(sound)))]
        for old in folder.glob("spoilt.*"):
            old.unlink()
        path = folder / f"spoilt{Path(name).suffix}"
        path.write_bytes(spoil(sound[name], rng))
        settings = _configure(
            folder,
            f"[data.photo]\nfiles = '{path.name}'\nbands = ['red', 'green', 'blue']\n",
        )
        shutil.rmtree(folder / "chips", ignore_errors=True)
        notes = Notes(Run(folder, quiet=True))
        photo = open_overlay(settings, "photo", notes, areas)
        lay_overlay(photo, areas, settings.typed("photo.files"), folder / "chips", notes)

    return attempt


def archives(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make an archive of older Welsh heights, in millimetres; write its ground in metres."""
    values = np.rint(rng.uniform(2e4, 5e4, (50, 50)))
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(2):
            head = f"ncols 50\nnrows 50\nxllcorner {300_000 + 100 * k}\nyllcorner 200000\n"
            rows = "\n".join(" ".join(f"{v:.0f}" for v in row) for row in values)
            archive.writestr(f"sn{k}_mm.asc", f"{head}cellsize 2\nNODATA_value -9999\n{rows}\n")
    sound = (folder / "a.zip").read_bytes()
    with zipfile.ZipFile(folder / "a.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    survey = _Survey("u", 2010, 2.0, shapely.box(300_000, 200_000, 300_200, 200_100))

    def attempt(rng: np.random.Generator) -> None:
        path = folder / "spoilt.zip"
        if rng.random() < 0.5:
            path.write_bytes(spoil(sound, rng))
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for at, (name, data) in enumerate(members.items()):
                    archive.writestr(name, data if at else spoil(data, rng))
        (folder / "part.tif").unlink(missing_ok=True)
        try:
            _check_zip(path)
            _write_metres(path, folder / "part.tif", survey)
        except ServiceError as error:
            raise InputError(str(error)) from error

    return attempt
