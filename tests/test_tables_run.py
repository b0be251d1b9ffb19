"""A run without rasters: areas, their labels and tables of what else is known, every stage."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from scipy.stats import norm, rankdata

from basrelief.chips.labelled import read_labels_without
from basrelief.config import InputError, Settings, load_settings
from basrelief.learn.choice import choose_baselines, choose_recipes
from basrelief.reader import open_run
from basrelief.run import Run, read_json
from basrelief.running import run_all, run_stages
from basrelief.tell.cards.export import export_model

N = 8
"""Areas a side."""

CONFIG = """\
[data]
areas = "areas.gpkg"
labels = "labels.csv"
targets = ["social", "kept", "none", "kept_since_last_release", "cases"]
counts = ["cases"]
[data.tables.census]
file = "census.csv"
columns = ["rent", "rooms"]
[data.tables.last_release]
file = "last.csv"
role = "last_release"
columns = ["kept"]
[split]
schemes = ["area"]
folds = 4
repeats = 1
[evaluate]
worlds = 40
"""
CODE = "LSOA code (2011)"


def write_place(folder: Path, crs: str = "EPSG:27700") -> Path:
    """A place where the census tells one target, the last release another, and nothing a third."""
    rng = np.random.default_rng(11)
    corners = [
        (530_000.0 + 400 * col, 180_000.0 - 400 * row) for row in range(N) for col in range(N)
    ]
    codes = [f"E01{k:06d}" for k in range(1, N * N + 1)]
    areas = gpd.GeoDataFrame(
        {"LSOA11CD": codes, "LAD11CD": [f"E0900000{1 + k % N // 4}" for k in range(N * N)]},
        geometry=[shapely.box(x, y - 400, x + 400, y) for x, y in corners],
        crs="EPSG:27700",
    )
    areas.to_crs(crs).to_file(folder / "areas.gpkg")
    people, before = rng.standard_normal((N * N, 2)), rng.standard_normal(N * N)
    labels = pd.DataFrame(
        {
            CODE: codes,
            "social": people[:, 0] + 0.5 * rng.standard_normal(N * N),
            "kept": 30 + 10 * before + 4 * rng.standard_normal(N * N),
            "none": rng.standard_normal(N * N),
            "population": rng.integers(300, 6000, N * N),
        }
    )
    # Of two areas few people are known: their figures, and their rows of tables, stay private.
    labels.loc[[3, 17], "population"] = 12
    often = 0.01 * np.exp(0.8 * people[:, 1])
    labels["cases"] = rng.poisson(often * labels["population"])
    labels.round(9).to_csv(folder / "labels.csv", index=False)
    census = pd.DataFrame({CODE: codes, "rent": people[:, 0], "rooms": people[:, 1]})
    census.round(9).to_csv(folder / "census.csv", index=False)
    pd.DataFrame({CODE: codes, "kept": before}).round(9).to_csv(folder / "last.csv", index=False)
    config = folder / "c.toml"
    config.write_text(CONFIG)
    return config


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Settings]:
    config = write_place(tmp_path_factory.mktemp("tables"))
    return run_all(config, quiet=True), load_settings(config)


def find_skills(run: Run) -> pd.Series:
    scores = pd.read_parquet(run.scores.with_suffix(".parquet"))
    return scores.set_index(["recipe", "target"])["skill"]


def test_each_table_tells_its_own_target_and_no_other(told: tuple[Run, Settings]) -> None:
    skill = find_skills(told[0])
    assert skill["census", "social"] > 0.5
    assert skill["census", "kept"] < 0.2
    assert skill["last-release", "kept"] > 0.5
    assert skill["last-release", "social"] < 0.2
    whole = skill["kriged-census-last-release"]
    assert whole["social"] > 0.5
    assert whole["kept"] > 0.5
    assert whole["none"] < 0.2


def test_gains_of_tables_are_claimed_where_they_were_planted(told: tuple[Run, Settings]) -> None:
    claims = read_json(told[0].folder / "evaluate" / "claims.json")
    whole = "kriged-census-last-release"
    twins = {"census": "kriged-last-release", "last-release": "kriged-census"}
    held = {
        (eye, claim["target"])
        for eye, twin in twins.items()
        for claim in claims
        if (claim["recipe"], claim["versus"]) == (whole, twin) and claim["holds"]
    }
    assert held - {("census", None), ("last-release", None)} == {
        ("census", "social"),
        ("census", "cases"),
        ("last-release", "kept"),
    }
    assert not [claim for claim in claims if claim["nothing"] == "no_lidar"]


def test_no_chip_is_made_and_no_map_drawn_on_the_ground(told: tuple[Run, Settings]) -> None:
    run, settings = told
    assert read_json(run.chips / "chips.json")["kind"] == "tables"
    assert len(pd.read_parquet(run.chips / "chips.parquet")) == 0
    assert read_json(run.explain / "contributions.json") == []
    recipes, left_out = choose_recipes(settings)
    assert [each.name for each in recipes] == ["kriged-census-last-release"]
    assert len(left_out) == 1
    known = {each.name for each in choose_baselines(recipes, settings)}
    assert known == {"census", "last-release", "kriged-census", "kriged-last-release"}
    assert len(open_run(run.folder).areas()) == N * N


def test_the_page_speaks_of_no_lidar_as_if_there_were_any(told: tuple[Run, Settings]) -> None:
    page = (told[0].folder / "report.html").read_text()
    assert "from tables by area: basrelief report</title>" in page
    assert "No LIDAR was asked. For 3 of 5 scores" in page
    assert "Nothing looked at the ground" in page
    for wrong in ("LIDAR picture", "heights were cut", "worth having", "Burglars", "was flown"):
        assert wrong not in page
    assert "needs LIDAR" not in page
    folder = told[0].folder
    card = (folder / "model_card.md").read_text()
    assert "LIDAR alone" not in card
    assert "without LIDAR" not in card
    assert "which is |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n| kriged-census" in card
    explained = (folder / "public" / "areas.md").read_text()
    columns = pd.read_csv(folder / "public" / "areas.csv").columns
    for of_ground in ("ground_covered", "flown_from", "years_apart"):
        assert of_ground not in explained
        assert of_ground not in columns


def test_the_page_speaks_of_lidar_only_to_say_that_there_is_none(
    told: tuple[Run, Settings],
) -> None:
    page = (told[0].folder / "report.html").read_text(encoding="utf-8")
    page = re.sub(r"<(script|style).*?</\1>|<[^>]+>", "", page, flags=re.DOTALL)
    said = [each for each in page.split(".") if "LIDAR" in each]
    # The last was measured of LIDAR, and is said so.
    true = ("No LIDAR was asked", "sees no LIDAR", "of which LIDAR knew a part")
    assert [each for each in said if not any(part in each for part in true)] == []
    assert "place alone, without any tables by area, has skill" in page


def test_no_row_of_a_withheld_area_leaves_by_any_table(told: tuple[Run, Settings]) -> None:
    run, _ = told
    folder = run.folder / "public"
    text = "\n".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())
    shown = pd.read_csv(folder / "areas.csv", dtype=str)["area_id"]
    hidden = sorted({f"E01{k:06d}" for k in range(1, N * N + 1)} - set(shown))
    assert {"E01000004", "E01000018"} <= set(hidden)
    assert read_json(run.folder / "publish.json")["drawn_from"]["kind"] == "refit"
    source = run.folder.parents[1]
    for name in ("census.csv", "last.csv", "labels.csv"):
        rows = pd.read_csv(source / name, dtype=str).set_index(CODE).loc[hidden]
        # Long enough not to stand there by chance, as figures drawn to four digits would.
        values = [value for value in rows.to_numpy().ravel() if len(value) > 9]
        assert [value for value in [*hidden, *values] if value in text] == []
    # Nor the hash of a table, against which guesses could be tried.
    hashes = [each for each in read_json(run.folder / "inputs.json") if "table" in each["role"]]
    assert hashes
    assert [each["sha256"] for each in hashes if each["sha256"] in text] == []


def test_a_model_of_tables_is_not_handed_out_and_the_reason_is_true(
    told: tuple[Run, Settings], tmp_path: Path
) -> None:
    run = Run(told[0].folder, quiet=True)
    with pytest.raises(InputError, match=r"rests on tables.*may be handed out is none of its mod"):
        export_model(run, None, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_what_the_user_counted_is_told_as_cases(told: tuple[Run, Settings]) -> None:
    page = (told[0].folder / "public" / "report.html").read_text(encoding="utf-8")
    assert "Cases for 1,000 people." in page
    assert "that the police wrote down" not in page


def test_degrees_are_measured_in_metres(tmp_path: Path) -> None:
    config = write_place(tmp_path, crs="EPSG:4326")
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips"], set())
    areas = gpd.read_parquet(run.chips / "areas.parquet")
    assert areas.crs.to_epsg() == 27700
    assert areas.area.to_numpy() == pytest.approx(160_000, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('dtm = "dtm.tif"', ("dtm needs rasters of heights",)),
        ("max_years_apart = 3", ("max_years_apart needs rasters",)),
        ('photo = { files = "a.tif", bands = ["red", "green", "blue"] }', ("photo needs rasters",)),
        ('crs = "EPSG:4326"', ("data.crs = 'EPSG:4326'", "in metres")),
    ],
)
def test_keys_of_rasters_are_refused_without_any(
    tmp_path: Path, expect_line: Callable[..., None], text: str, says: tuple[str, ...]
) -> None:
    config = write_place(tmp_path)
    config.write_text(CONFIG.replace("[data]\n", f"[data]\n{text}\n"))
    expect_line(config, *says)


@pytest.mark.parametrize("name", ["relief-statistics", "vgg16", "kriged-dense-vgg16"])
def test_recipes_of_heights_are_refused_by_name(tmp_path: Path, name: str) -> None:
    config = write_place(tmp_path)
    config.write_text(f'{CONFIG}[models]\nrecipes = ["{name}"]\n')
    with pytest.raises(InputError, match=rf"'{name}' needs heights.*no rasters are given"):
        choose_recipes(load_settings(config))


def test_chips_at_random_are_refused_where_there_are_none(
    tmp_path: Path, expect_line: Callable[..., None]
) -> None:
    config = write_place(tmp_path)
    config.write_text(CONFIG.replace('schemes = ["area"]', 'schemes = ["random", "area"]'))
    expect_line(config, "split.schemes: 'random' deals chips, and without rasters are none")


def test_a_configuration_of_tables_is_checked(
    tmp_path: Path, run_command: Callable[..., int]
) -> None:
    assert run_command("check", str(write_place(tmp_path))) == 0


def test_without_tables_rasters_are_missing(
    tmp_path: Path, expect_line: Callable[..., None]
) -> None:
    config = write_place(tmp_path)
    config.write_text(CONFIG.split("[data.tables.census]")[0])
    expect_line(config, "dsm (or tables) missing beside areas")


def test_areas_without_a_row_of_labels_are_no_part_of_the_place(tmp_path: Path) -> None:
    config = write_place(tmp_path)
    labels = pd.read_csv(tmp_path / "labels.csv").iloc[:40]
    labels.to_csv(tmp_path / "labels.csv", index=False)
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips"], set())
    assert read_json(run.chips / "counts.json") == {"areas": 40, "areas_labelled": 40}
    assert any("24 of the 64 areas" in note for note in read_json(run.chips / "notes.json"))


def test_cases_are_learnt_as_rates_and_read_out_as_counts_beside(
    told: tuple[Run, Settings], list_columns: Callable[[str], set[str]]
) -> None:
    run, _ = told
    labels = pd.read_csv(run.folder.parents[1] / "labels.csv")
    areas = gpd.read_parquet(run.chips / "areas.parquet")
    assert areas["cases"].to_numpy() == pytest.approx(1000 * labels["cases"] / labels["population"])
    records = {each["recipe"]: each for each in read_json(run.folder / "evaluate" / "counts.json")}
    assert set(records["census"]) == list_columns("evaluate/counts.json")
    # Recipes that join place have no features of their own to be read out so.
    assert set(records) == {"census", "last-release"}
    census = records["census"]
    assert (census["target"], census["scheme"], census["n"]) == ("cases", "area", N * N)
    assert census["deviance_skill"] > 0.7
    # Rates grow by ratios with the feature: a sum cannot follow.
    assert census["gain"] > 0
    assert abs(records["last-release"]["deviance_skill"]) < 0.2
    skill = find_skills(run)["census", "cases"]
    assert census["skill_gaussian"] == pytest.approx(skill, abs=1e-9)
    assert "Counts beside rates, whole areas held out" in run.report.read_text()


def test_counts_without_people_or_below_none_are_refused(
    tmp_path: Path, expect_line: Callable[..., None]
) -> None:
    config = write_place(tmp_path)
    rewrite(tmp_path / "labels.csv", lambda table: table.assign(cases=table["cases"] - 1000))
    expect_line(config, "data.counts: 'cases'", "no count is below 0")
    # Rates, which would be made rates once more.
    rewrite(tmp_path / "labels.csv", lambda table: table.assign(cases=table["cases"].abs() + 0.25))
    expect_line(config, "data.counts: 'cases'", "are no whole numbers: these are rates")
    rewrite(tmp_path / "labels.csv", lambda table: table.assign(cases=table["population"] + 1))
    expect_line(config, "data.counts: 'cases'", "people live; so in")
    rewrite(tmp_path / "labels.csv", lambda table: table.drop(columns="population"))
    expect_line(config, "data.counts: rates per 1,000 people need a column population")
    config.write_text(CONFIG.replace('counts = ["cases"]', 'counts = ["case"]'))
    expect_line(config, "counts: 'case' is none of the targets")


CHANGE = "kept_since_last_release"


def cut(config: Path) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The areas as the chips stage leaves them, and its notes."""
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, ["chips"], ["chips"])
    return gpd.read_parquet(run.chips / "areas.parquet"), read_json(run.chips / "notes.json")


def rewrite(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> str:
    """Change a table; give the configuration, which stays as it is."""
    change(pd.read_csv(path)).to_csv(path, index=False)
    return CONFIG


def score(values: pd.Series) -> np.ndarray:
    found: np.ndarray = norm.ppf((rankdata(values) - 0.5) / len(values))
    return found


def test_a_change_is_the_difference_of_normal_scores_among_areas_in_both(tmp_path: Path) -> None:
    config = write_place(tmp_path)
    rewrite(tmp_path / "last.csv", lambda table: table.iloc[5:])
    areas, notes = cut(config)
    labels, last = pd.read_csv(tmp_path / "labels.csv"), pd.read_csv(tmp_path / "last.csv")
    assert areas[CHANGE].isna().tolist() == [True] * 5 + [False] * (N * N - 5)
    expected = score(labels["kept"].iloc[5:]) - score(last["kept"])
    assert areas[CHANGE].to_numpy()[5:] == pytest.approx(expected, abs=1e-12)
    (note,) = (each for each in notes if f"{CHANGE!r}: the normal score" in each)
    assert "59 of 64 areas that both know" in note
    assert "by construction" in note


def test_a_change_does_not_hang_on_the_scale_of_either_release(tmp_path: Path) -> None:
    config = write_place(tmp_path)
    before = cut(config)[0][CHANGE]
    rewrite(tmp_path / "last.csv", lambda table: table.assign(kept=5 + np.exp(table["kept"])))
    rewrite(tmp_path / "labels.csv", lambda table: table.assign(kept=table["kept"] ** 3))
    assert cut(config)[0][CHANGE].to_numpy() == pytest.approx(before.to_numpy())


def test_a_withheld_score_has_no_part_in_the_changes_of_others(tmp_path: Path) -> None:
    config = write_place(tmp_path)
    hidden, found = [f"E01{k:06d}" for k in (4, 18)], []
    for worth in (-500.0, 500.0):
        labels = pd.read_csv(tmp_path / "labels.csv")
        labels.loc[labels[CODE].isin(hidden), "kept"] = worth
        labels.to_csv(tmp_path / "labels.csv", index=False)
        areas, _ = cut(config)
        settings = load_settings(config)
        found.append(read_labels_without(settings, [CHANGE, "kept"], hidden, areas))
    assert found[0][CHANGE].reindex(areas["area_id"]).isna().sum() == 2
    pd.testing.assert_frame_equal(found[0], found[1])


def test_what_the_last_release_tells_of_a_change_is_said_to_be_no_foresight(
    told: tuple[Run, Settings],
) -> None:
    folder = told[0].folder
    text = (folder / "report.html").read_text()
    assert "goes against the last release" in text
    assert "(regression to the mean)" in text
    assert "last-release tells of it is first of all that, and no foresight" in text
    assert "is no forecast" in (folder / "public" / "report.html").read_text()
    assert (
        "kept since the last release (change of normal score)"
        in (folder / "public" / "areas.md").read_text()
    )
    columns = pd.read_csv(folder / "public" / "areas.csv").columns
    assert f"{CHANGE}_observed" in columns


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda config, _: config.replace('role = "last_release"\n', ""), ("needs a table",)),
        (
            lambda config, _: config.replace(f'"{CHANGE}"', '"social_since_last_release"'),
            ("last release has no 'social' among its columns (kept)", "last_release.columns"),
        ),
        (
            lambda config, _: config.replace(f'"{CHANGE}"', '"kebt_since_last_release"'),
            ("no column for 'kebt'", "kept"),
        ),
        (
            lambda config, folder: (
                rewrite(
                    folder / "last.csv",
                    lambda table: table.assign(kept=table["kept"].rank(ascending=False)),
                )
                or config
            ),
            ("counts the other way round, as ranks do",),
        ),
        (
            lambda config, folder: (
                rewrite(folder / "last.csv", lambda table: table.iloc[:20]) or config
            ),
            ("knows 20 of the areas", "30 or more"),
        ),
        (
            lambda config, folder: (
                rewrite(
                    folder / "last.csv",
                    lambda table: table.assign(**{CODE: "E02" + table[CODE].str[3:]}),
                )
                or config
            ),
            ("none of its area codes",),
        ),
    ],
)
def test_a_change_that_cannot_be_told_is_refused(
    tmp_path: Path,
    expect_line: Callable[..., None],
    change: Callable[[str, Path], str],
    says: tuple[str, ...],
) -> None:
    config = write_place(tmp_path)
    config.write_text(change(CONFIG, tmp_path))
    expect_line(config, *says)


def test_where_lidar_adds_nothing_to_the_last_release_the_pages_say_so(tmp_path: Path) -> None:
    write_place(tmp_path)
    rng = np.random.default_rng(2)
    tall, side = rng.uniform(4, 20, (N, N)), 40
    houses = rng.uniform(size=(N * side // 4,) * 2) < 0.5
    surface = np.kron(tall, np.ones((side, side))) * np.kron(houses, np.ones((4, 4)))
    transform = rasterio.transform.from_origin(530_000, 180_000, 10, 10)
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": "EPSG:27700"}
    shape = {"height": len(surface), "width": len(surface), "transform": transform}
    with rasterio.open(tmp_path / "dsm.tif", "w", **profile, **shape) as file:
        file.write((surface + 20).astype(np.float32), 1)
    built = (tall.ravel() - tall.mean()) / tall.std() + 0.3 * rng.standard_normal(N * N)
    rewrite(tmp_path / "labels.csv", lambda table: table.assign(built=built))
    config = tmp_path / "c.toml"
    last = f"[data.tables.last_release]{CONFIG.split('[data.tables.last_release]')[1]}"
    config.write_text(
        '[data]\ndsm = "dsm.tif"\nareas = "areas.gpkg"\nlabels = "labels.csv"\n'
        f'targets = ["built", "kept"]\n{last}'
        "[chips]\nsize_px = 32\nresolution_m = 10.0\n"
        '[models]\nrecipes = ["relief-statistics"]\n'
    )
    run = run_all(config, quiet=True)
    nothing = (
        "that LIDAR adds to last-release and where areas lie for kept cannot be told. Where "
        "that release is at hand, LIDAR is not known to be needed."
    )
    assert nothing in run.report.read_text()
