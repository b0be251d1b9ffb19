from __future__ import annotations

import base64
import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from basrelief.chips.store import open_writer
from basrelief.config import DataSettings, InputError, Settings
from basrelief.judge.audit import build_audit
from basrelief.judge.tables import RESIDUALS
from basrelief.learn.recipe_files import format_recipe, load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.run import Run, write_json
from basrelief.stage_settings import ModelSettings
from basrelief.tell.facts import read_facts
from basrelief.tell.maps.stage import write_maps
from basrelief.tell.page import report
from basrelief.tell.page.again import format_settings
from basrelief.tell.page.looks import embed_picture
from basrelief.tell.stage import tell_run

SETTINGS = Settings(
    data=DataSettings(images="pictures <one>", table="table.csv"),
    models=ModelSettings(weights={"vgg16": "vgg16.h5"}),
)
N_CHIPS = 12


def write_run(folder: Path) -> Run:
    """Write a run folder of pictures as the stages would, with a recipe worse than the mean."""
    run = Run(folder, quiet=True)
    rng = np.random.default_rng(0)
    crime = rng.normal(size=N_CHIPS)
    ids = [f"chip{i}" for i in range(N_CHIPS)]
    for part in (run.chips, run.describe, run.splits):
        part.mkdir(parents=True)
    chips = pd.DataFrame({"chip_id": ids, "valid": 1.0, "is_used": True, "crime": crime})
    chips.to_parquet(run.chips / "chips.parquet")
    areas = pd.DataFrame(
        {"area_id": ["E01", "E02"], "is_used": True, "crime": [0.0, 1.0], "ground_covered": np.nan}
    )
    areas.to_parquet(run.chips / "areas.parquet")
    pd.DataFrame({"chip_id": ids, "area_id": "E01", "weight": 1.0}).to_parquet(
        run.chips / "membership.parquet"
    )
    with open_writer(run.chips, 32) as writer:
        for _ in ids:
            writer.append(rng.integers(0, 255, (3, 32, 32)).astype(np.uint8))
    facts = {"kind": "pictures", "targets": ["crime"], "size_px": 32, "resolution_m": 1.0}
    write_json(run.chips / "chips.json", facts)
    write_judgement(run, ids, crime)
    return run


def write_judgement(
    run: Run, ids: list[str], crime: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    write_json(run.describe / "counts.json", {"pictures": 20, "used": 1200, "names": {"a": []}})
    summary = pd.DataFrame({"crime": crime}).describe().T.rename_axis("target")
    summary.to_csv(run.describe / "summary.csv")
    pd.DataFrame({"chip_id": ["77"]}).to_csv(run.describe / "one_colour.csv", index=False)
    write_json(run.describe / "notes.json", ["dsm.tif: <b>odd</b>", "E01000001 has no label"])
    split = {"scheme": "random", "repeat": 0, "unit": "chip", "id": ids, "fold": 0}
    pd.DataFrame(split).to_parquet(run.splits / "folds.parquet")
    leak = {"scheme": "random", "unit": "chip", "n_train": 8, "n_validation": 0, "n_test": 4}
    leak |= {"share_same_label": None, "share_same_area": None, "n_removed_by_buffer": 0}
    write_json(run.splits / "leakage.json", [leak])
    key = {"recipe": "vgg16", "target": "crime", "scheme": "random", "unit": "chip"}
    tested = {"repeat": 0, "fold": 0, "id": ids, "y_true": crime, "y_pred": -crime, "y_mean": 0.0}
    pd.DataFrame(key | tested).to_parquet(run.predictions)
    measured = dict.fromkeys(("mse", "mse_mean", "rmse", "mae", "r2", "kendall"), 0.3851)
    score = key | measured | {"n": len(ids), "skill": -0.11, "skill_low": -0.2}
    score |= {"skill_high": -0.05, "interval": "resampled", "worth": "worse"}
    scores = [score | {"spearman": None}]
    write_json(run.scores, scores)
    evaluate = run.folder / "evaluate"
    lists = (
        "comparisons",
        "preferred",
        "coverage",
        "targeting",
        "failures",
        "claims",
        "relocation",
        "over_targets",
        "recipes",
        "member_weights",
    )
    for name in lists:
        write_json(evaluate / f"{name}.json", [])
    write_json(evaluate / "audit.json", build_audit(scores, [], [], ["vgg16"], {}))
    pq.write_table(RESIDUALS.empty_table(), evaluate / "residuals.parquet")
    # No chip has an area's prediction, so judging wrote not even a head.
    (evaluate / "targeting.csv").touch()
    folder = run.models / "vgg16" / "random" / "0-0"
    folder.mkdir(parents=True)
    recipe = load_recipe("coursework-vgg16", SETTINGS)
    assert isinstance(recipe, NetworkRecipe)
    assert recipe.train.keep == "last"
    named = recipe.model_copy(update={"name": "vgg16", "about": "a network"})
    (folder / "recipe.toml").write_text(format_recipe(named))
    write_json(folder / "finished.json", {"kept_epoch": 2})
    history = {"epoch": [1, 2], "loss": [2.0, 1.0], "val_loss": [2.0, 1.5], "seconds": 30.0}
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    write_gallery(run)


def write_gallery(run: Run) -> None:
    (run.explain / "vgg16").mkdir(parents=True)
    Image.new("RGB", (65, 32)).save(run.explain / "vgg16" / "crime-highest-1.png")
    record = {"recipe": "vgg16", "target": "crime", "scheme": "random", "layer": "last"}
    record |= {"kind": "highest", "chip_id": "chip1", "file": "crime-highest-1.png"}
    shares = {"share_positive": 0.75, "share_negative": 0.25, "y_true": None, "y_pred": 0.5}
    write_json(run.explain / "vgg16" / "summary.json", [record | shares])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("told") / "run")


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    report.write_page(read_facts(SETTINGS, run))
    return run.report.read_text(encoding="utf-8")


def test_a_network_that_fails_is_told_with_its_range_and_without_a_claim(page: str) -> None:
    top = page[page.index("<body") : page.index('id="question"')]
    assert "vgg16 cannot be told from always predicting the mean (further off on what was" in top
    assert "(−0.20 to −0.05)," in top
    assert "models held fixed" in top
    assert "▼" not in top
    assert 'class="worse' not in top
    assert "Mean squared error: vgg16 0.385, always predicting the mean 0.385" in top
    assert "Only a random split was run" in top


def test_the_page_needs_no_network(page: str) -> None:
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in page
    assert "url(http" not in page


def test_the_contents_are_folded_so_that_title_and_verdict_come_first(page: str) -> None:
    contents = page[page.index("<nav") : page.index("</nav>")]
    assert '<details>\n<summary id="contents">Contents</summary>' in contents
    assert "nav details::details-content { content-visibility: visible" in page


def test_what_is_not_there_needs_no_licence(page: str) -> None:
    assert 'id="library-licences"' not in page


def test_every_link_of_the_contents_leads_somewhere(page: str) -> None:
    links = re.findall(r'<a[^>]* href="#([^"]+)"', page)
    assert "looks" in links
    assert all(f'id="{link}"' in page for link in links)


def test_every_picture_has_a_text(page: str) -> None:
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", page))
    assert "75% of the heat raises" in page


def test_what_the_user_typed_is_escaped(page: str) -> None:
    assert "pictures &lt;one&gt;" in page
    assert "pictures <one>" not in page


def test_limits_and_fair_use_are_told(page: str) -> None:
    for said in ("ecological", "Burglars", "Recorded crime, not crime", "not for publication"):
        assert said in page


def test_counts_and_removals_are_told(page: str) -> None:
    assert "1,200" in page
    assert "Of one colour: 77" in page


def test_what_was_odd_about_the_input_is_told_to_the_analyst_alone(run: Run, page: str) -> None:
    assert "<li>dsm.tif: &lt;b&gt;odd&lt;/b&gt;</li><li>E01000001 has no label</li>" in page
    public = run.folder / "public" / "report.html"
    tell_run(SETTINGS, run)
    assert "E01000001" not in public.read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_page(run: Run, page: str) -> None:
    report.write_page(read_facts(SETTINGS, run))
    assert run.report.read_text(encoding="utf-8") == page


def test_the_configuration_told_is_the_one_given() -> None:
    table = tomllib.loads(format_settings(SETTINGS))
    assert Settings.model_validate(table) == SETTINGS


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(InputError, match=r"out = 'run': no chips/chips\.json .* basrelief run"):
        report.write_page(read_facts(SETTINGS, run))
    assert not run.report.exists()


def test_pictures_are_embedded_without_their_metadata(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Author", "Somebody Real")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    tag = embed_picture(tmp_path / "a.png", 'a "b"')
    assert 'alt="a &quot;b&quot;"' in tag
    assert base64.b64decode(tag.split("base64,")[1].split('"')[0]).find(b"Somebody") < 0


def test_the_town_needs_no_gallery_and_has_no_dead_link(town_run: Run) -> None:
    page = town_run.report.read_text(encoding="utf-8")
    links = re.findall(r'<a[^>]* href="#([^"]+)"', page)
    assert all(f'id="{link}"' in page for link in links)


def test_the_town_is_called_made_up_and_its_truth_told(
    town_settings: Settings, town_run: Run
) -> None:
    page = town_run.report.read_text(encoding="utf-8")
    assert "A made-up town" in page
    assert "nothing can be learned" in page
    assert page.count("<svg") > 10


def test_pictures_have_no_map_and_no_script_but_that_of_the_parts(run: Run, page: str) -> None:
    assert page.count("<script") == 1
    assert "maplibre" not in page
    assert 'id="map"' not in page
    write_maps(SETTINGS, run)
    assert not run.maps.exists()


def test_the_page_forbids_itself_the_network(page: str, town_run: Run) -> None:
    for text in (page, town_run.report.read_text(encoding="utf-8")):
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
        assert policy is not None
        assert "default-src 'none'" in policy[1]
        assert "http" not in policy[1]
