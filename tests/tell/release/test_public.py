"""What is published of a run in which recognisable things were planted everywhere.

Two areas of it are withheld, and were learnt from. A copy of the run stands in for what the public
version is drawn from, with their figures in it still: what is told is narrowed all the same.
``tests/bad_input/test_gate.py`` has runs that are fitted anew in earnest.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rasterio.transform import from_origin
from shapely.geometry import box

from basrelief.chips.describe import describe_chips
from basrelief.chips.layers import HEIGHT_BANDS, create_layer
from basrelief.config import DataSettings, Settings
from basrelief.explain.area_sums import ADDS, SHARES
from basrelief.explain.kinds import ADDED_UNIT
from basrelief.grid import Grid
from basrelief.judge.tables import INTERVALS
from basrelief.run import Run, read_json, write_json
from basrelief.sources.england import ENGLAND
from basrelief.stage_settings import ModelSettings, PublishSettings
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.release import refit
from basrelief.tell.release.gate import Release, decide_release
from basrelief.tell.release.narrow import narrow_facts
from basrelief.tell.release.withheld import say_cure
from basrelief.tell.stage import tell_run

N_AREAS, N_CHIPS = 40, 40
SMALL, BARE = "E01PLANTED", "E01BARREN9"
KEY = {"recipe": "dense-vgg16", "target": "crime", "scheme": "block"}
UNIT = KEY | {"unit": "area"}
NETWORK = {"recipe": "vgg16", "target": "crime", "scheme": "block"}
LABEL, PREDICTED = 98765.4321, 87654.3217
CRS = 27700

PLANTED = [
    *(SMALL, BARE, "Hushfield", "Barrenham", "E06PLANT"),  # withheld areas by code and name
    *("98765", "98,765", "87654", "87,654"),  # their label and prediction
    *("535353_", "535353.5", "535353", "181818"),  # a chip's code and coordinates
    *("planted-folder", "planted-heights", "planted-areas", "planted-labels", "planted-weights"),
    *("planted-out", "/home/planted", "crime-highest-1.png", "crime-highest-1.tif", "hushmap"),
    *("Jane Planted", "Surveyed for Planted Ltd", "planted-xmp"),  # metadata of pictures
    "76543",  # a single chip's prediction
    *("crime-hush", "hushkind", "hushtest", "hush-unit"),  # what is finer than areas
    "low rough ground and trees",  # what a kind of ground adds to single areas
]


FINER = ("hushkind", "hushtest", "hush-unit", "low rough ground and trees")
"""What raises and lowers predictions inside areas."""


def make_settings(publish: PublishSettings | None = None) -> Settings:
    folder = "/home/planted/planted-folder"
    return Settings(
        out=f"{folder}/planted-out",
        data=DataSettings(
            dsm=f"{folder}/planted-heights-*.tif",
            areas=f"{folder}/planted-areas.gpkg",
            labels=f"{folder}/planted-labels.csv",
        ),
        models=ModelSettings(
            recipes=["dense-vgg16", "vgg16"], weights={"vgg16": f"{folder}/planted-weights.h5"}
        ),
        publish=publish or PublishSettings(),
    )


@dataclass(frozen=True)
class Hidden:
    """What the withheld areas have, to be changed without a trace."""

    label: float = LABEL
    predicted: float = PREDICTED
    rank: int = 3


def write_run(folder: Path, hidden: Hidden = Hidden()) -> Run:
    """Write the run folder of a place with two areas to be withheld, and their figures."""
    run = Run(folder, quiet=True)
    for part in (run.chips, run.describe, run.splits, folder / "evaluate"):
        part.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    ids = [f"E010{i:05}" for i in range(N_AREAS - 2)] + [SMALL, BARE]
    crime = np.r_[rng.normal(size=N_AREAS - 2).round(3), hidden.label, hidden.label + 1]
    guess = np.r_[crime[:-2] / 2, hidden.predicted, hidden.predicted + 1]
    write_samples(run, ids, crime)
    counts = {"areas": N_AREAS, "areas_used": N_AREAS, "chips": N_CHIPS, "chips_used": N_CHIPS}
    for part in (run.chips, run.describe):
        write_json(part / "counts.json", counts)
    kinds = {"dense-vgg16": ("dense", "area"), "vgg16": ("network", "chip")}
    trained = {"is_asked": True, "made_of": [], "is_shortened": False, "random_weights": []}
    recipes = [trained | {"recipe": k, "kind": v[0], "unit": v[1]} for k, v in kinds.items()]
    write_json(run.models / "recipes.json", recipes)
    summary = {"count": N_AREAS, "mean": 1.5, "std": 2.5, "min": -1, "max": LABEL}
    pd.DataFrame([summary], index=["crime"]).to_csv(run.describe / "summary.csv")
    pd.DataFrame({"theft": [9.0]}, index=["Hushfield"]).to_csv(run.describe / "daily-crimes.csv")
    folds = {"scheme": "block", "repeat": 0, "unit": "area", "id": ids, "fold": 0}
    pd.DataFrame(folds).to_parquet(run.splits / "folds.parquet")
    write_json(run.splits / "leakage.json", [])
    tested = {"repeat": 0, "fold": 0, "id": ids, "y_true": crime, "y_pred": guess, "y_mean": 0.0}
    frames = [
        pd.DataFrame(UNIT | tested),
        pd.DataFrame(NETWORK | {"unit": "area"} | tested).iloc[-12:],
        pd.DataFrame(NETWORK | {"unit": "chip"} | tested | {"id": name_chips(), "y_pred": 76543.2}),
    ]
    pd.concat(frames).to_parquet(run.predictions)
    write_scores(run)
    write_relief(run.maps)
    write_evaluation(folder / "evaluate", ids, crime, guess, hidden.rank)
    write_explanation(run)
    return run


def name_chips() -> list[str]:
    return ["535353_181818", *(f"5301{i:02}_181000" for i in range(N_CHIPS - 1))]


def write_samples(run: Run, ids: list[str], crime: np.ndarray) -> None:
    squares = [box(530_000 + 100 * i, 181_000, 530_100 + 100 * i, 181_100) for i in range(N_AREAS)]
    names = [f"Barnet 0{i:02}A" for i in range(N_AREAS - 2)] + ["Hushfield 001Z", "Barrenham 001Z"]
    codes = {"area_id": ids, "area_name": names, "msoa": "E02PLANTED"}
    lads = ["E09000003"] * (N_AREAS - 2) + ["E06PLANT", "E06PLANT"]
    people = [1500.0 + i for i in range(N_AREAS - 2)] + [7.0, 1500.0]
    ground = [1.0] * (N_AREAS - 1) + [0.3]
    values = {"lad": lads, "crime": crime, "population": people, "ground_covered": ground}
    areas = gpd.GeoDataFrame(codes | values | {"is_used": True}, geometry=squares, crs=CRS)
    areas.to_parquet(run.chips / "areas.parquet")
    chips = {"chip_id": name_chips(), "valid": 1.0, "is_used": True, "crime": crime}
    places = {"easting": 535353.5, "northing": 181818.5}
    frame = gpd.GeoDataFrame(chips | places, geometry=squares, crs=CRS)
    frame.to_parquet(run.chips / "chips.parquet")
    member = pd.DataFrame({"chip_id": name_chips(), "area_id": ids[::-1], "weight": 1.0})
    member.to_parquet(run.chips / "membership.parquet")
    grid = Grid(0.0, 8.0, 1.0, (8, 8))
    path = run.chips / "layers" / "heights.zarr"
    create_layer(path, grid, HEIGHT_BANDS, pyproj.CRS(27700), chunk_px=8)
    facts = {"kind": "heights", "targets": ["crime"], "size_px": 8, "resolution_m": 1.0}
    write_json(run.chips / "chips.json", facts | {"native_resolution_m": 1.0})


def write_relief(folder: Path) -> None:
    """Write the lit ground of the place, with words about who measured it."""
    folder.mkdir(exist_ok=True)
    profile: dict[str, Any] = {"count": 1, "dtype": "uint8", "nodata": 0, "height": 5}
    profile |= {"width": 200, "crs": CRS, "transform": from_origin(530_000, 181_100, 20, 20)}
    with rasterio.open(folder / "relief.tif", "w", driver="GTiff", **profile) as raster:
        raster.write(np.linspace(1, 255, 1000).reshape(5, 200).astype(np.uint8), 1)
        raster.update_tags(ARTIST="Jane Planted")


def write_scores(run: Run) -> None:
    names = ("mse", "mse_mean", "rmse", "mae", "r2", "kendall", "spearman")
    score = UNIT | dict.fromkeys(names, 0.5) | {"n": N_AREAS, "skill": 0.4}
    score |= {"skill_low": 0.2, "skill_high": 0.5, "interval": "refitted", "worth": "better"}
    few = score | NETWORK | {"n": 12, "skill": 0.7373, "interval": "resampled"}
    chips = score | NETWORK | {"unit": "chip", "n": N_CHIPS}
    write_json(run.scores, [score, score | {"recipe": "place-alone", "skill": 0.1}, few, chips])


def write_evaluation(
    folder: Path, ids: list[str], crime: np.ndarray, guess: np.ndarray, rank: int
) -> None:
    versus = {"versus": "place-alone", "difference": 0.3, "low": 0.1, "high": 0.5}
    told = {
        "differs_in": ["heights", "place"],
        "differs_how": [],
        "beats": True,
        "is_beaten": False,
    }
    told |= {"interval": "refitted"}
    write_json(folder / "comparisons.json", [UNIT | versus | told | {"n": N_AREAS}])
    write_chance(folder)
    knows = {KEY["recipe"]: ["heights"], NETWORK["recipe"]: ["heights"], "place-alone": ["place"]}
    known = [{"recipe": k, "knows": v, "yardsticks": {}} for k, v in knows.items()]
    write_json(folder / "recipes.json", known)
    for name in ("over_targets", "member_weights"):
        write_json(folder / f"{name}.json", [])
    preferred = UNIT | {"reason": "simplest", "beaten": {}, "alike": []}
    write_json(folder / "preferred.json", [preferred])
    audit: dict[str, Any] = {
        "table": [],
        "same_label": {},
        "same_area": {},
        "place_alone": [],
        "recipes": [],
    }
    write_json(folder / "audit.json", audit)
    covered = KEY | {"group": "all", "n": N_AREAS, "mean_width": 2.5}
    levels = {"level": 80, "covered": 0.8, "low": 0.6, "high": 0.9}
    hushed = covered | levels | {"group": "E06PLANT", "n": 2}
    write_json(folder / "coverage.json", [covered | levels, hushed])
    hits = KEY | {"share": 0.2, "n": N_AREAS, "n_picked": 8, "hits": 3.0, "hit_rate": 0.375}
    rates = {"chance": 0.2, "low": 0.3, "high": 0.9, "versus": "mean", "versus_hit_rate": None}
    write_json(folder / "targeting.json", [hits | rates])
    ranks = np.delete(np.arange(1, N_AREAS + 2), rank - 1)[: N_AREAS - 1]
    ranked = pd.DataFrame({"area_id": ids, "y_pred": guess, "y_true": crime, "is_inside": True})
    ranked["area_name"] = [f"Name of {name}" for name in ids]
    ranked["rank"] = np.r_[ranks[:-1], rank, ranks[-1]]
    ranked = ranked.assign(**KEY, lad="E09000003", lower_80=guess - 1, upper_80=guess + 1)
    ranked["lift"] = guess
    ranked.to_csv(folder / "targeting.csv", index=False)
    effect = {"target": "crime", "controls": "form", "n": N_AREAS, "n_groups": 12}
    effect |= {"per_unit": -0.4, "low": -0.5, "high": -0.2, "differs": True, "kept": 0.5}
    slope = effect | {"exposure": "slope", "unit": "degree"}
    write_json(folder / "partial.json", [slope, slope | {"exposure": "altitude", "unit": "10 m"}])
    district = {"district": "E06PLANT", "n": 2, "mse": 98765.0, "bias": 0.0, "skill": 0.4}
    deciles = [{"decile": i, "n": 4, "mse": 98765.0, "bias": 0.1} for i in range(1, 11)]
    failed = KEY | {"moran_i": 0.31, "moran_p": 0.002, "n_permutations": 999}
    failed |= {"deciles_exact": 0.35, "deciles_within_one": 0.7}
    parts = {"by_decile": deciles, "by_district": [district]}
    write_json(folder / "failures.json", [failed | parts])
    table = {"area_id": ids, "y_true": crime, "y_pred": guess, "residual": crime - guess}
    is_inside = pd.array([name not in (SMALL, BARE) for name in ids], dtype="boolean")
    table |= dict.fromkeys(INTERVALS, np.nan) | {"is_inside": is_inside}
    pd.DataFrame(KEY | table).to_parquet(folder / "residuals.parquet")


def write_chance(folder: Path) -> None:
    """Write claims, and gains with the labels moved: one of a score that is withheld."""
    claim = UNIT | {"versus": "mean", "nothing": "no_lidar", "value": 0.4, "p": 0.02}
    claim |= {"is_tested": True, "holds": True}
    few = NETWORK | {"unit": "area", "value": 0.7373}
    place = {"recipe": "place-alone", "nothing": "no_pattern", "value": 0.1, "holds": False}
    write_json(folder / "claims.json", [claim, claim | few, claim | place])
    moved = UNIT | {"versus": "mean", "value": 0.4, "n_moved": 40, "highest": 0.23, "p": 1 / 41}
    write_json(folder / "relocation.json", [moved, moved | few | {"highest": 0.6161}])


def write_explanation(run: Run) -> None:
    folder = run.explain / "vgg16"
    folder.mkdir(parents=True, exist_ok=True)
    info, exif = PngInfo(), Image.Exif()
    info.add_text("Author", "Jane Planted")
    info.add_itxt("XML:com.adobe.xmp", "<planted-xmp/>")
    exif[0x010E] = "Surveyed for Planted Ltd"
    for i, colour in ((1, "red"), (2, "blue")):
        picture = Image.new("RGB", (65, 32), colour)
        picture.save(folder / f"crime-highest-{i}.png", pnginfo=info, exif=exif)
    shares = {"share_positive": 0.75, "share_negative": 0.25, "y_true": LABEL, "y_pred": 76543.2}
    record = NETWORK | shares | {"layer": "last", "kind": "highest"}
    # The first chip shows the bare area's ground, the second that of the small area.
    found = [
        record | {"chip_id": name_chips()[i], "file": f"crime-highest-{i + 1}.png"} for i in (0, 1)
    ]
    write_json(folder / "summary.json", found)
    write_contribution(run)


def write_contribution(run: Run) -> None:
    """Write what on the ground raises and lowers predictions, its kinds and its tests."""
    key = {"recipe": "dense-vgg16", "target": "crime"}
    contribution = key | {
        "file": "explain/vgg16/hushmap.tif",
        "unit": "hush-unit",
        "layer": "heights",
    }
    path = run.folder / str(contribution["file"])
    profile: dict[str, Any] = {"count": 1, "dtype": "float32", "height": 10, "width": 400}
    profile |= {"crs": CRS, "transform": from_origin(530_000, 181_100, 10, 10)}
    with rasterio.open(path, "w", driver="GTiff", **profile) as raster:
        raster.write(np.linspace(-1, 1, 4000, dtype=np.float32).reshape(10, 400), 1)
    write_json(run.explain / "contributions.json", [contribution | {"label": "crime-hush"}])
    kind = {"kind": "hushkind", "unit": ADDED_UNIT, "share_of_ground": 1.0}
    kind |= {"contribution": 0.5, "low": 0.1, "high": 0.9}
    write_json(run.explain / "kinds.json", [key | kind])
    test = {"test": "edges", "value": None, "low": None, "high": None, "bound": 1.25}
    test |= {"passes": None, "n": 0, "of": "areas", "reason": "no edge", "edge_cells": 2}
    test |= {"counts": False, "n_controls": 0, "n_told": 0}
    write_json(run.explain / "tests.json", [test | {"recipe": "hushtest", "target": "crime"}])
    ids = gpd.read_parquet(run.chips / "areas.parquet")["area_id"]
    sums = dict.fromkeys(ADDS, 0.375) | dict.fromkeys(SHARES, 0.2)
    pd.DataFrame(key | {"area_id": ids} | sums).to_parquet(run.explain / "areas.parquet")


def read_published(folder: Path) -> list[bytes]:
    """Read every published byte, and what is packed or inlined in it."""
    found = [path.name.encode() for path in folder.rglob("*")]
    waiting = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    while waiting:
        blob = waiting.pop()
        found.append(blob)
        if blob.startswith(b"\x1f\x8b"):
            waiting.append(gzip.decompress(blob))
        packed = re.findall(rb"base64,\s*([A-Za-z0-9+/=\s]+)", blob)
        waiting += [base64.b64decode(re.sub(rb"\s", b"", text)) for text in packed]
    return found


def find_planted(folder: Path, planted: list[str]) -> list[str]:
    blobs = [blob.lower() for blob in read_published(folder)]
    return [
        text
        for text in planted
        if any(
            text.lower().encode(coding) in blob
            for blob in blobs
            for coding in ("utf-8", "utf-16-le")
        )
    ]


def copy_run(settings: Settings, run: Run, release: Release) -> Run:
    """Stand in for the refit: the run as it is, but for its tables of labels."""
    public = Run(run.release, quiet=True, lender=run)
    shutil.rmtree(public.folder, ignore_errors=True)
    shutil.copytree(run.folder, public.folder)
    refit.write_public_samples(run, public, release, settings.publish)
    describe_chips(settings, public)
    return public


@pytest.fixture(scope="module", autouse=True)
def _copied() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refit, "refit_run", copy_run)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = write_run(tmp_path_factory.mktemp("planted") / "run")
    tell_run(make_settings(), run)
    return run


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return (run.folder / "public" / "report.html").read_text(encoding="utf-8")


def test_what_was_planted_is_found_in_the_analysts_report(run: Run) -> None:
    page = run.report.read_text(encoding="utf-8")
    missing = [text for text in ("planted-heights", "535353_", "98765", *FINER) if text not in page]
    assert missing == []


def test_nothing_that_is_withheld_stands_in_any_published_byte(run: Run) -> None:
    assert find_planted(run.folder / "public", PLANTED) == []
    assert find_planted(run.folder / "public", [str(run.folder), run.folder.name + "/"]) == []


def test_the_record_names_nothing_that_is_withheld(run: Run) -> None:
    text = (run.folder / "publish.json").read_text()
    assert [planted for planted in PLANTED if planted in text] == []


def test_figures_of_withheld_areas_leave_no_trace(run: Run, tmp_path: Path) -> None:
    other = write_run(tmp_path / "run", Hidden(label=-4.25, predicted=0.125, rank=17))
    tell_run(make_settings(), other)
    names = sorted(path.name for path in (run.folder / "public").iterdir())
    shown = ["areas.csv", "areas.geojson", "areas.md", "areas.pmtiles", "explore.json"]
    assert names == [*shown, "report.html"]
    for name in names:
        mine, others = (each.folder / "public" / name for each in (run, other))
        assert mine.read_bytes() == others.read_bytes()


def test_tables_hold_the_areas_shown_and_no_others(run: Run) -> None:
    folder = run.folder / "public"
    table = pd.read_csv(folder / "areas.csv")
    assert len(table) == N_AREAS - 10
    assert list(table.columns) == [
        *("area_id", "area_name", "lad", "ground_covered", "crime_observed", "crime_predicted"),
        *("crime_low_80", "crime_high_80", "crime_is_inside"),
    ]
    features = json.loads((folder / "areas.geojson").read_text())["features"]
    assert [f["properties"]["area_id"] for f in features] == table["area_id"].tolist()
    ring = np.array(features[0]["geometry"]["coordinates"][0])
    assert np.all((ring > [-0.2, 51.4]) & (ring < [0.2, 51.6]))
    assert gpd.read_file(folder / "areas.geojson").crs.to_epsg() == 4326


def test_tiles_hold_what_the_table_holds_and_no_more(run: Run) -> None:
    folder = run.folder / "public"
    table = pd.read_csv(folder / "areas.csv").set_index("area_id").sort_index()
    tiles = gpd.read_file(folder / "areas.pmtiles").drop(columns=["mvt_id", "geometry"])
    # An area lies in as many tiles as it reaches into.
    tiles = tiles.drop_duplicates().set_index("area_id").sort_index()
    pd.testing.assert_frame_equal(tiles, table, check_dtype=False)


def test_the_explore_page_is_given_what_the_public_page_shows(run: Run) -> None:
    told = json.loads((run.folder / "public" / "explore.json").read_text())
    table = pd.read_csv(run.folder / "public" / "areas.csv").set_index("area_id")
    (layer,) = told["layers"]
    assert not {"residuals", "widths", "eyes", "says"} & set(layer)
    named = [feature["properties"]["area_id"] for feature in told["areas"]["features"]]
    assert {name for name in named if name} == set(table.index)
    for name, observed, predicted in zip(named, layer["observed"], layer["predicted"], strict=True):
        if name is None:
            assert (observed, predicted) == (None, None)
        else:
            assert observed == pytest.approx(table.loc[name, "crime_observed"], rel=1e-3)


def test_every_column_of_the_table_is_explained_beside_it(run: Run) -> None:
    folder = run.folder / "public"
    told = (folder / "areas.md").read_text(encoding="utf-8")
    for column in pd.read_csv(folder / "areas.csv").columns:
        ending = column.removeprefix("crime")
        assert f"`{column}`" in told or f"`...{ending}`" in told, column
    assert "- `crime`: crime" in told


def test_the_table_has_the_words_that_its_sources_ask_for(run: Run, page: str) -> None:
    told = (run.folder / "public" / "areas.md").read_text(encoding="utf-8")
    year = datetime.fromtimestamp(run.scores.stat().st_mtime, UTC).year
    for asked in (ENGLAND.lidar, ENGLAND.index.credit, ENGLAND.boundaries):
        credit = asked.in_year(year)
        assert f'- {credit.source}: "{credit.words}"' in told
        assert f"<li>{credit.source}: <q>{credit.words}</q></li>" in page
    assert "[year]" not in told + page


def test_the_copy_of_the_map_library_comes_with_its_licence(page: str) -> None:
    part = page[page.index("<!--") :]
    part = part[: part.index("-->")]
    assert "Full text of license: https://github.com/maplibre" in part
    assert "Redistributions in binary form must reproduce the above copyright" in part
    assert "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS" in part
    assert "Copyright (c) 2023 eoda GmbH" in part


def read_json_of(page: str, name: str) -> Any:
    start = page.index(">", page.index(f'id="{name}"')) + 1
    return json.loads(page[start : page.index("</script>", start)])


def test_the_public_map_has_figures_of_the_areas_shown_alone(page: str) -> None:
    areas = read_json_of(page, "map-areas")["features"]
    shown = [area["properties"]["area_id"] is not None for area in areas]
    assert (len(areas), sum(shown)) == (N_AREAS, N_AREAS - 10)
    withheld = [areas[k]["properties"] for k in range(N_AREAS) if not shown[k]]
    assert all(set(each.values()) == {None} for each in withheld)
    (layer,) = read_json_of(page, "map-layers")
    for name in ("observed", "predicted", "low", "high", "inside"):
        known = [value is not None for value in layer[name]]
        assert known == shown or not any(known), name


def test_nothing_finer_than_areas_lies_over_the_public_map(run: Run, page: str) -> None:
    (layer,) = read_json_of(page, "map-layers")
    assert "overlay" not in layer
    assert 'name="overlay"' not in page[: page.index("<script")]
    (mine,) = read_json_of(run.report.read_text(encoding="utf-8"), "map-layers")
    assert mine["overlay"]["picture"].startswith("data:image/png")


def test_the_public_map_does_not_tell_what_an_areas_ground_adds(run: Run, page: str) -> None:
    (layer,) = read_json_of(page, "map-layers")
    assert "ground" not in layer
    assert "tellGround = " not in page
    (mine,) = read_json_of(run.report.read_text(encoding="utf-8"), "map-layers")
    assert find_planted(run.folder / "public", [mine["ground"]["adds"][:40]]) == []
    record = read_json(run.folder / "publish.json")
    withheld = {entry["item"]: entry["count"] for entry in record["withheld"]}
    # Of what is drawn from models that saw all labels not even how much there is.
    assert withheld["what kinds of ground add to single predictions"] is None


def test_how_many_areas_are_shown_is_said_in_the_same_words_everywhere(run: Run, page: str) -> None:
    assert f"{N_AREAS - 10} of {N_AREAS} areas shown." in page
    assert f"{N_AREAS} of {N_AREAS} areas shown;" in run.report.read_text(encoding="utf-8")


def narrow(run: Run) -> Facts:
    settings = make_settings()
    facts = read_facts(settings, run)
    return narrow_facts(facts, decide_release(facts.samples.areas, settings.publish))


def test_withheld_areas_leave_no_gap_in_the_ranks(run: Run) -> None:
    assert narrow(run).judged.ranked["rank"].tolist() == list(range(1, N_AREAS - 9))


def test_averages_that_leave_few_withheld_areas_are_withheld(run: Run, page: str) -> None:
    record = read_json(run.folder / "publish.json")
    assert ">0.74<" in run.report.read_text(encoding="utf-8")
    assert ">0.74<" not in page
    withheld = {entry["item"]: entry for entry in record["withheld"]}
    assert withheld["scores of recipes"]["count"] == 1
    assert record["averages_published"] == 3


def test_a_claim_of_a_score_that_is_withheld_is_not_told(run: Run, page: str) -> None:
    mine = run.report.read_text(encoding="utf-8")
    assert "for LIDAR, 2 of 2 survive<" in mine
    assert "vgg16" not in {record["recipe"] for record in narrow(run).judged.claims}
    # The withheld gain, and the largest of it with the labels moved.
    for figure in (">0.62<", " 0.74<"):
        assert figure in mine
        assert figure not in page


def test_effects_over_few_areas_are_withheld(run: Run, page: str, tmp_path: Path) -> None:
    assert narrow(run).judged.partial
    other = write_run(tmp_path / "run")
    path = other.folder / "evaluate" / "partial.json"
    write_json(path, [record | {"n": 9} for record in read_json(path)])
    tell_run(make_settings(), other)
    assert 'id="slope"' in other.report.read_text(encoding="utf-8")
    assert narrow(other).judged.partial == []
    items = {entry["item"] for entry in read_json(other.folder / "publish.json")["withheld"]}
    assert "effects of slope and altitude" in items


def test_the_record_says_what_was_withheld_and_why(run: Run) -> None:
    record = read_json(run.folder / "publish.json")
    reasons = {
        e["reason"]: e["count"] for e in record["withheld"] if e["item"] == "figures of areas"
    }
    assert reasons["fewer than 100 people"] == 1
    assert reasons["less than 50% of the ground behind the figure"] == 1
    assert sum(reasons.values()) == 10
    assert record["areas_published"] == N_AREAS - 10
    assert (record["allow"], record["reason"], record["min_population"]) == ("areas", None, 100)
    items = {entry["item"] for entry in record["withheld"]}
    assert {"heat maps over single chips", "recorded crimes by borough"} <= items
    assert "maps of what raises and lowers predictions inside areas" in items


def test_pictures_are_shown_with_a_reason_and_without_names(run: Run, tmp_path: Path) -> None:
    chosen = PublishSettings(allow="chips", reason="Agreed with the residents, minute 12.")
    other = write_run(tmp_path / "run")
    tell_run(make_settings(chosen), other)
    folder = other.folder / "public"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('<img src="data:image/webp') == 1
    assert "Agreed with the residents, minute 12." in page
    assert read_json(other.folder / "publish.json")["reason"] == chosen.reason
    assert find_planted(folder, PLANTED) == []
    (packed,) = re.findall(r'<img src="data:image/webp;base64,([^"]+)"', page)
    picture = Image.open(io.BytesIO(base64.b64decode(packed)))
    assert not set(picture.info) & {"exif", "xmp", "icc_profile"}
    red = np.asarray(picture.convert("RGB")).mean(axis=(0, 1))
    assert red[0] > 200 > red[2]


def test_pictures_drawn_into_figures_carry_no_text(run: Run) -> None:
    pictures = [blob for blob in read_published(run.folder / "public") if blob[:4] == b"\x89PNG"]
    assert pictures
    assert not [p for p in pictures if re.search(rb"tEXt|zTXt|iTXt|eXIf|tIME|iCCP", p)]


def test_nothing_is_one_page_that_says_so(run: Run, tmp_path: Path) -> None:
    # Over what was published before.
    other = Run(shutil.copytree(run.folder, tmp_path / "run"), quiet=True)
    assert (other.folder / "public" / "areas.csv").exists()
    tell_run(make_settings(PublishSettings(allow="nothing", reason="Not ours to give.")), other)
    assert [path.name for path in (other.folder / "public").iterdir()] == ["report.html"]
    page = (other.folder / "public" / "report.html").read_text()
    assert "Nothing is published" in page
    assert "Not ours to give." in page
    assert "crime" not in page[page.index("</style>") :]
    record = read_json(other.folder / "publish.json")
    assert record["withheld"] == [
        {"item": "everything", "count": None, "reason": 'publish.allow = "nothing"'}
    ]
    assert (record["areas_published"], record["figures"]) == (0, [])


def test_without_people_known_no_area_is_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    areas: Any = gpd.read_parquet(run.chips / "areas.parquet").drop(columns="population")
    areas["area_id"] = [f"X{i:03}" for i in range(N_AREAS)]
    areas.to_parquet(run.chips / "areas.parquet")
    tell_run(make_settings(), run)
    assert [path.name for path in (run.folder / "public").iterdir()] == ["report.html"]
    page = (run.folder / "public" / "report.html").read_text()
    assert "No figure of a single area is shown" in page
    assert "the labels do not say, and the codes are not those of census areas" in page


def make_pictures(run: Run) -> None:
    """Turn the run into one of pictures, whose ground nobody knows."""
    for name in ("areas", "chips"):
        path = run.chips / f"{name}.parquet"
        table = pd.DataFrame(gpd.read_parquet(path)).drop(
            columns=["geometry", "population"], errors="ignore"
        )
        if name == "areas":
            table["ground_covered"] = np.nan
        table.to_parquet(path)
    facts = read_json(run.chips / "chips.json")
    write_json(run.chips / "chips.json", facts | {"kind": "pictures"})
    write_json(run.describe / "counts.json", {"pictures": N_CHIPS, "used": N_CHIPS})


def test_of_pictures_nothing_is_shown_while_their_ground_is_not_known(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    make_pictures(run)
    folder = "/home/planted/planted-folder"
    data = DataSettings(images=f"{folder}/planted-heights", table=f"{folder}/planted-labels.csv")
    models = ModelSettings(recipes=["vgg16"])
    tell_run(Settings(out="planted-out", data=data, models=models), run)
    public = run.folder / "public"
    assert [path.name for path in public.iterdir()] == ["report.html"]
    assert find_planted(public, PLANTED) == []
    page = (public / "report.html").read_text()
    assert "how much of the ground is shown is not known" in page
    assert "areas.csv" not in page
    # An average over areas none of which may be shown rests on withheld labels alone.
    assert "No figure that was learnt or averaged is shown" in page
    assert "0.4" not in page[page.index("</style>") :]


def test_the_public_page_needs_no_network_and_links_to_what_lies_beside_it(
    run: Run, page: str
) -> None:
    # The map's scripts are held by the page's content security policy.
    assert "default-src 'none'" in page
    assert "connect-src data: blob:" in page
    page = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    addresses = set(re.findall(r'(?:src|href)="([^"]*)"', page))
    beside = {path.name for path in (run.folder / "public").iterdir()} - {"report.html"}
    of_programs = {"areas.pmtiles", "explore.json"}
    assert beside - of_programs <= addresses
    assert all(each.startswith(("#", "data:")) for each in addresses - beside)


@pytest.mark.parametrize(
    "said",
    [
        "A crime map against the people it describes",
        "Burglars read LIDAR too",
        "Linking with other data",
        "Security-sensitive sites",
        "Rules that differ across borders",
        "What not to use this for",
        "Data and licences",
        "How to do it again",
    ],
)
def test_limits_are_told_by_name_to_the_analyst(run: Run, said: str) -> None:
    assert said in run.report.read_text(encoding="utf-8")


@pytest.mark.parametrize("said", ["judge a person", "policing", "rank areas", "official score"])
def test_what_not_to_do_with_it_is_told_before_the_map(page: str, said: str) -> None:
    first = page[page.index("What not to do with it") : page.index('id="map"')]
    assert said in first


def test_a_towns_chips_and_files_are_not_in_its_public_folder(
    town_run: Run, town_settings: Settings
) -> None:
    chips = pd.read_parquet(town_run.chips / "chips.parquet")
    data = town_settings.data
    files = [str(data.dsm), str(data.areas), str(data.labels), str(town_run.folder)]
    folder = town_run.folder / "public"
    assert find_planted(folder, [*files, *chips["chip_id"].sample(20, random_state=0)]) == []
    text = (folder / "report.html").read_text()
    assert not [x for x in chips["easting"].astype(int).astype(str).unique() if x in text]
    assert "This town is made up." in text


def test_pictures_without_figures_are_said_to_be_the_default() -> None:
    said = say_cure(PublishSettings(), of_pictures=True)
    assert "the default for pictures" in said
    assert "publish.min_ground_covered = 0" in said
    opened = say_cure(PublishSettings(min_ground_covered=0, min_population=9), of_pictures=True)
    assert "the default" not in opened
