from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, minmax_scale

from basrelief.config import load_settings
from basrelief.run import Notes, Run
from basrelief.sources.areas import read_areas
from basrelief.sources.iod import IOD
from basrelief.sources.labels import read_labels
from basrelief.sources.lidar import Mosaic, check_same_place, open_mosaic
from basrelief.sources.town import write_town


@dataclass(frozen=True)
class Read:
    """A town as the other sources read it."""

    folder: Path
    dsm: Mosaic
    dtm: Mosaic
    areas: gpd.GeoDataFrame
    labels: pd.DataFrame

    def above(self) -> NDArray[np.float32]:
        dsm = self.dsm.read(self.dsm.grid.bounds).values
        above: NDArray[np.float32] = dsm - self.dtm.read(self.dsm.grid.bounds).values
        return above


def read_town(config: Path) -> Read:
    settings = load_settings(config)
    notes, crs = Notes(Run(config.parent, quiet=True)), settings.data.crs
    dsm, dtm = (open_mosaic(settings.typed(key), crs, notes) for key in ("dsm", "dtm"))
    areas = read_areas(
        settings.typed("areas"), column=None, crs=dsm.crs, bounds=dsm.grid.bounds, notes=notes
    )
    labels = read_labels(settings.typed("labels"), targets="all", column=None, notes=notes)
    assert notes.lines == []
    return Read(config.parent, dsm, dtm, areas, labels)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return read_town(write_town(tmp_path_factory.mktemp("small"), seed=1, side_m=1000))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Read:
    return read_town(write_town(tmp_path_factory.mktemp("whole"), seed=2))


def pool_heights(town: Read) -> NDArray[np.float64]:
    """Statistics of height above ground over each area's own ground."""
    above = town.above()
    west, _, _, north = town.dsm.grid.bounds
    cell = town.dsm.grid.cell_m
    where = rasterize(
        zip(town.areas.geometry, range(1, len(town.areas) + 1), strict=True),
        out_shape=above.shape,
        transform=rasterio.Affine(cell, 0, west, 0, -cell, north),
    )
    rows = []
    for number in range(1, len(town.areas) + 1):
        values = above[(where == number) & ~np.isnan(above)]
        shares = [(values > limit).mean() for limit in (3, 6, 12, 20)]
        rows.append([values.mean(), values.std(), *shares])
    return np.array(rows)


def places_of(town: Read) -> NDArray[np.float64]:
    points = town.areas.representative_point()
    return np.stack([points.x.to_numpy(), points.y.to_numpy()], axis=1)


def skill_of(X: NDArray[np.float64], y: NDArray[np.float64], xy: NDArray[np.float64]) -> float:
    """Skill of a simple ridge with whole blocks held out."""
    block = (xy // 750).astype(int)
    fold = (block[:, 0] + 3 * block[:, 1]) % 5
    error = spread = 0.0
    for k in range(5):
        test = fold == k
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 3, 15)))
        error += float(((ridge.fit(X[~test], y[~test]).predict(X[test]) - y[test]) ** 2).sum())
        spread += float(((y[~test].mean() - y[test]) ** 2).sum())
    return 1 - error / spread


def surface_terms(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Polynomials of place up to the fifth order."""
    x, y = minmax_scale(xy, (-1, 1)).T
    return np.stack([x**i * y**j for i in range(6) for j in range(6 - i)], axis=1)


def test_a_town_is_read_by_the_sources(small: Read) -> None:
    notes = Notes(Run("nowhere", quiet=True))
    check_same_place(small.dsm, small.dtm, notes)
    assert notes.lines == []
    assert small.dsm.grid.bounds == (520000, 40000, 521000, 41000)
    assert small.dsm.tiles[0].name.startswith("lidar/DSM_TV2040_P_")
    assert small.dsm.tiles[0].nodata != small.dtm.tiles[0].nodata
    assert set(small.labels.columns) >= {*IOD.domains, "population", "lad"}
    assert set(small.areas["area_id"]) == set(small.labels.index)


def test_areas_cover_the_town_once(whole: Read) -> None:
    polygons = whole.areas.geometry
    assert 60 <= len(polygons) <= 100
    assert polygons.is_valid.all()
    assert polygons.area.sum() == pytest.approx(9e6)
    assert polygons.union_all().area == pytest.approx(9e6)
    assert whole.areas["area_id"].str.fullmatch(r"E01\d{6}").all()
    assert whole.areas["msoa"].nunique() > whole.areas["lad"].nunique() > 1


def test_a_town_stands_on_its_ground(whole: Read) -> None:
    above = whole.above()
    assert 0.0001 < np.isnan(above).mean() < 0.01
    assert np.nanmin(above) >= -1e-4
    assert 20 < np.nanmax(above) < 120
    assert 0.1 < np.nanmean(above > 2) < 0.5


def test_crime_is_learned_from_height_and_not_from_place(whole: Read) -> None:
    crime, xy = whole.labels["crime"].to_numpy(), places_of(whole)
    assert skill_of(pool_heights(whole), crime, xy) > 0.5
    assert skill_of(surface_terms(xy), crime, xy) < 0.2


def test_shuffled_crime_is_not_learned(whole: Read) -> None:
    crime = np.random.default_rng(0).permutation(whole.labels["crime"].to_numpy())
    assert skill_of(pool_heights(whole), crime, places_of(whole)) < 0.2


def test_barriers_are_learned_from_place_and_not_from_height(whole: Read) -> None:
    barriers, xy = whole.labels["barriers"].to_numpy(), places_of(whole)
    assert skill_of(surface_terms(xy), barriers, xy) > 0.5
    assert skill_of(pool_heights(whole), barriers, xy) < 0.2


def test_health_is_learned_from_neither(whole: Read) -> None:
    health, xy = whole.labels["health"].to_numpy(), places_of(whole)
    assert skill_of(pool_heights(whole), health, xy) < 0.2
    assert skill_of(surface_terms(xy), health, xy) < 0.2


def test_the_truth_is_told(small: Read) -> None:
    truth = json.loads((small.folder / "truth.json").read_text())
    assert set(truth["driven_by"]) == set(IOD.domains)
    assert set(truth["character"]) == set(small.labels.index)


def test_the_same_seed_gives_the_same_town(small: Read, tmp_path: Path) -> None:
    again = read_town(write_town(tmp_path, seed=1, side_m=1000))
    np.testing.assert_array_equal(again.above(), small.above())
    pd.testing.assert_frame_equal(again.labels, small.labels)
    assert again.areas.equals(small.areas)


def test_a_second_town_in_one_folder_leaves_no_tile_of_the_first(tmp_path: Path) -> None:
    write_town(tmp_path, seed=1, side_m=2000, resolution_m=5.0)
    town = read_town(write_town(tmp_path, seed=1, side_m=1000, resolution_m=5.0))
    assert len(town.dsm.tiles) == 1


@pytest.mark.parametrize(("side_m", "resolution_m"), [(1500, 2.0), (1000, 3.0), (0, 2.0)])
def test_a_town_of_broken_tiles_is_refused(
    tmp_path: Path, side_m: int, resolution_m: float
) -> None:
    with pytest.raises(ValueError, match=f"a town of {side_m} m at {resolution_m:g} m"):
        write_town(tmp_path, seed=1, side_m=side_m, resolution_m=resolution_m)


def test_each_score_of_an_eye_is_in_that_eye_and_in_no_other(tmp_path: Path) -> None:
    town = read_town(write_town(tmp_path, seed=2, eyes=["photo", "street", "people"]))
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert sorted(map(tuple, truth["read_by"].values())) == [
        *[(), (), ("heights",), ("heights", "photo")],
        *[("people",), ("photo",), ("street",)],
    ]
    labels = pd.read_csv(tmp_path / "labels.csv").set_index("LSOA code (2011)")
    labels = labels.loc[town.areas["area_id"]]
    people = pd.read_csv(tmp_path / "people.csv").set_index("LSOA code (2011)").loc[labels.index]
    assert np.corrcoef(people["renting"], labels["hardship"])[0, 1] > 0.85
    heights, xy = pool_heights(town), places_of(town)
    assert skill_of(heights, labels["heat"].to_numpy(), xy) > 0.2
    for score in ("upkeep", "bustle", "hardship"):
        assert skill_of(heights, labels[score].to_numpy(), xy) < 0.2
        assert skill_of(surface_terms(xy), labels[score].to_numpy(), xy) < 0.2
        assert abs(np.corrcoef(people["aged"], labels[score])[0, 1]) < 0.3


def test_street_pictures_change_nothing_else_of_a_town(small: Read, tmp_path: Path) -> None:
    walked = write_town(tmp_path, seed=1, side_m=1000, eyes=["street"])
    before, after = (pd.read_csv(folder / "labels.csv") for folder in (small.folder, walked.parent))
    assert set(after) - set(before) == {"bustle"}
    pd.testing.assert_frame_equal(after[before.columns], before)
    pictures = pd.read_csv(tmp_path / "street.csv")
    # Six areas in a hundred have too few to be described by them.
    assert len(pictures) > 10 * len(after)
    assert {f"{own}.png" for own in pictures["id"]} == {
        path.name for path in (tmp_path / "street").iterdir()
    }
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["driven_by"]["bustle"].startswith("share of shop fronts")
