"""A small place with nothing wrong with it, to be spoilt in one way a test."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from numpy.typing import NDArray

from basrelief.toml import format_toml

WEST, NORTH, CELL_M, N_CELLS = 530_000.0, 181_000.0, 2.0, 500
N_SIDE, SIDE_M = 10, 100.0


@dataclass(frozen=True)
class Place:
    """A folder with ``c.toml``, ``dsm.tif``, ``areas.gpkg`` and ``labels.csv``: 1 km² at 2 m with
    100 square areas. A test rewrites what it spoils."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "c.toml"

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "c"

    def configure(self, **tables: Any) -> None:
        """Change keys: ``configure(data={"crs": "EPSG:27700"}, seed=1)``; None takes one out."""
        values = tomllib.loads(self.config.read_text(encoding="utf-8"))
        for name, change in tables.items():
            if isinstance(change, dict):
                table = values.get(name, {}) | change
                values[name] = {key: value for key, value in table.items() if value is not None}
            else:
                values[name] = change
        self.config.write_text(format_toml(values), encoding="utf-8")

    def heights(self) -> NDArray[np.float32]:
        """The surface, (row, col)."""
        with rasterio.open(self.folder / "dsm.tif") as file:
            values: NDArray[np.float32] = file.read(1)
        return values

    def write_raster(
        self,
        name: str,
        values: NDArray[Any],
        *,
        west: float = WEST,
        north: float = NORTH,
        **profile: Any,
    ) -> Path:
        """Write a raster on the place's cells; ``profile`` as rasterio has it."""
        path = self.folder / name
        cell = profile.pop("cell", CELL_M)
        options = {
            "driver": "GTiff",
            "count": 1,
            "height": values.shape[-2],
            "width": values.shape[-1],
            "dtype": values.dtype.name,
            "crs": "EPSG:27700",
            "transform": rasterio.transform.from_origin(west, north, cell, cell),
        }
        with rasterio.open(path, "w", **(options | profile)) as file:
            file.write(values if values.ndim == 3 else values[None])
        return path

    def areas(self) -> gpd.GeoDataFrame:
        return gpd.read_file(self.folder / "areas.gpkg")

    def write_areas(self, areas: gpd.GeoDataFrame, name: str = "areas.gpkg") -> None:
        (self.folder / name).unlink(missing_ok=True)
        areas.to_file(self.folder / name)

    def labels(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "labels.csv")


def _write_place(folder: Path) -> None:
    rng = np.random.default_rng(0)
    # Houses on a slope, of other heights from area to area: something to learn.
    height = np.kron(rng.uniform(4, 14, (N_SIDE, N_SIDE)), np.ones((50, 50)))
    is_built = np.kron(rng.uniform(size=(100, 100)) < 0.4, np.ones((5, 5)))
    ground = 20 + np.add.outer(np.linspace(0, 9, N_CELLS), np.linspace(0, 5, N_CELLS))
    place = Place(folder)
    place.write_raster("dsm.tif", (ground + height * is_built).astype(np.float32))
    west, north = np.meshgrid(WEST + SIDE_M * np.arange(N_SIDE), NORTH - SIDE_M * np.arange(N_SIDE))
    corners = zip(west.ravel(), north.ravel(), strict=True)
    codes = [f"E01{k:06d}" for k in range(1, 1 + N_SIDE**2)]
    areas = gpd.GeoDataFrame(
        {"LSOA11CD": codes, "LSOA11NM": [f"Area {k:03d}" for k in range(1, 1 + N_SIDE**2)]},
        geometry=[shapely.box(x, y - SIDE_M, x + SIDE_M, y) for x, y in corners],
        crs="EPSG:27700",
    )
    areas.to_file(folder / "areas.gpkg")
    values = height[25::50, 25::50].ravel() / 10 + rng.normal(0, 0.2, N_SIDE**2)
    labels = pd.DataFrame({"LSOA code (2011)": codes, "crime": values.round(3)})
    labels.to_csv(folder / "labels.csv", index=False)
    place.config.write_text("")
    place.configure(
        data={
            "dsm": "dsm.tif",
            "areas": "areas.gpkg",
            "labels": "labels.csv",
            "targets": ["crime"],
        },
        chips={"size_px": 32, "resolution_m": 2.0},
        split={"schemes": ["area"], "folds": 3, "repeats": 1},
        models={"recipes": ["relief-statistics"]},
        evaluate={"worlds": 0},
    )


@pytest.fixture(scope="session")
def _sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    _write_place(folder)
    return folder


@pytest.fixture(scope="session")
def copy_place(_sound: Path) -> Callable[[Path], Place]:
    """Copy the place into a folder that is not there yet."""

    def copy(folder: Path) -> Place:
        shutil.copytree(_sound, folder)
        return Place(folder)

    return copy


@pytest.fixture
def place(copy_place: Callable[[Path], Place], tmp_path: Path) -> Place:
    """The place, in a folder of the test's own."""
    return copy_place(tmp_path / "place")


@pytest.fixture
def refused(place: Place, expect_line: Callable[..., None]) -> Callable[..., None]:
    """Check that a command on the place stops with one line that says all this."""

    def check(*says: str, command: str = "chips") -> None:
        expect_line(place.config, *says, command=command)

    return check


@pytest.fixture
def noted(
    place: Place, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Check that a command on the place ends well and notes all this; give the chips' index."""

    def check(*says: str, command: str = "chips") -> Any:
        capsys.readouterr()
        code = run_command(command, str(place.config))
        out = capsys.readouterr()
        assert code == 0, out.err
        notes = [line for line in out.out.splitlines() if line.startswith("note: ")]
        assert [part for part in says if not any(part in line for line in notes)] == [], out.out
        return pd.read_parquet(place.run / "chips" / "areas.parquet")

    return check
