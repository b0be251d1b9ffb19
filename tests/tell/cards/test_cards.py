from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from basrelief.config import DataSettings, Settings
from basrelief.hashes import hash_file
from basrelief.learn.measures import MEASURES
from basrelief.run import Run, read_json
from basrelief.stage_settings import ModelSettings
from basrelief.tell.cards import cards
from basrelief.tell.cards.data_sheet import tell_data
from basrelief.tell.facts import read_facts
from basrelief.tell.provenance import gather_source, read_sources
from basrelief.tell.release.gate import decide_release
from basrelief.tell.release.narrow import narrow_facts

NINE = [
    "Model Details",
    "Intended Use",
    "Factors",
    "Metrics",
    "Evaluation Data",
    "Training Data",
    "Quantitative Analyses",
    "Ethical Considerations",
    "Caveats and Recommendations",
]
SEVEN = [
    "Motivation",
    "Composition",
    "Collection Process",
    "Preprocessing, Cleaning, Labelling",
    "Uses",
    "Distribution",
    "Maintenance",
]


@pytest.fixture(scope="module")
def card(town_run: Run) -> str:
    return (town_run.folder / "model_card.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sheet(town_run: Run) -> str:
    return (town_run.folder / "data_sheet.md").read_text(encoding="utf-8")


def test_cards_have_the_headings_of_their_papers_in_order(card: str, sheet: str) -> None:
    assert re.findall(r"^## (.+)$", card, re.MULTILINE) == NINE
    assert re.findall(r"^## (.+)$", sheet, re.MULTILINE) == SEVEN


def test_no_heading_is_left_empty(card: str, sheet: str) -> None:
    for text in (card, sheet):
        parts = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
        assert all(len(part.split()) > 25 for part in parts)
        assert "None" not in text
        assert "{{" not in text


def test_figures_in_the_card_are_those_of_the_scores(card: str, town_run: Run) -> None:
    (record,) = (
        r
        for r in read_json(town_run.scores)
        if (r["recipe"], r["target"], r["scheme"], r["unit"])
        == ("relief-statistics", "crime", "block", "area")
    )
    rows = [line for line in card.splitlines() if line.startswith("| relief-statistics | crime |")]
    (row,) = (row for row in rows if "| block |" in row)
    assert f"| {record['n']} areas |" in row
    assert f"| {record['skill']:.2f} |" in row
    assert f"| {record['mse_mean']:.3g} |" in row


def test_the_card_names_each_model_with_its_hash(card: str, town_run: Run) -> None:
    for name in ("small", "relief-statistics", "random-features"):
        (path,) = (town_run.models / name / "final").glob("*.safetensors")
        assert hash_file(path) in card


def test_the_card_says_what_each_relief_statistic_is(card: str) -> None:
    for measure in MEASURES:
        assert f"| {measure.name} | {measure.unit} |" in card


def test_a_made_up_town_is_called_so_and_nobodys(card: str, sheet: str) -> None:
    assert "**A made-up town.**" in card
    assert "nothing was measured" in sheet
    assert "Environment Agency" not in sheet


def test_what_is_not_known_is_said_to_be_not_known(card: str, sheet: str) -> None:
    assert "**Questions and complaints:** not known" in card
    assert "**Ethical review, notice, consent:** not known" in sheet


def test_cards_name_no_folder_of_this_machine(card: str, sheet: str, town_run: Run) -> None:
    for text in (card, sheet):
        assert str(town_run.folder.parent) not in text


def test_districts_are_told_only_where_nothing_is_withheld(
    town_settings: Settings, town_run: Run
) -> None:
    facts = read_facts(town_settings, town_run)
    release = decide_release(facts.samples.areas, town_settings.publish)
    assert cards.list_districts(facts, release)
    strict = town_settings.publish.model_copy(update={"min_population": 1500})
    release = decide_release(facts.samples.areas, strict)
    assert release.hidden
    assert cards.list_districts(facts, release) == []


def test_notes_which_name_areas_stand_in_the_sheet_only_where_nothing_is_withheld(
    town_settings: Settings, town_run: Run
) -> None:
    facts = read_facts(town_settings, town_run)
    noted = replace(facts, described=replace(facts.described, notes=("of E01000001 all is odd",)))
    for n_people, notes in ((0, noted.described.notes), (10**6, ())):
        publish = town_settings.publish.model_copy(update={"min_population": n_people})
        release = decide_release(facts.samples.areas, publish)
        assert bool(release.hidden) == bool(n_people)
        assert tell_data(noted, narrow_facts(noted, release), release)["notes"] == notes


def test_a_pipe_in_a_name_breaks_no_table() -> None:
    assert cards.escape_cell("a|b\nc") == "a\\|b c"


def write_inputs(folder: Path) -> Settings:
    for name in ("b.tif", "a.tif", "areas.shp", "areas.dbf", "labels.csv"):
        (folder / name).write_bytes(name.encode())
    (folder / "weights.h5").write_bytes(b"weights")
    data = DataSettings(dsm="*.tif", areas="areas.shp", labels="labels.csv")
    weights = {"vgg16": "weights.h5", "resnetv2_50": "none"}
    settings = Settings(data=data, models=ModelSettings(weights=weights))
    settings._folder = folder
    return settings


def test_inputs_are_hashed_as_sha256sum_does(tmp_path: Path) -> None:
    settings, run = write_inputs(tmp_path), Run(tmp_path / "run", quiet=True)
    sources = {source.role: source for source in read_sources(settings, run)}
    assert sources["scores"].sha256 == hashlib.sha256(b"labels.csv").hexdigest()
    lines = "".join(
        f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in ("a.tif", "b.tif")
    )
    assert sources["surface heights"].sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert sources["areas"].names == ("areas.dbf", "areas.shp")
    assert sources["recipes and weights given"].names == ("weights.h5",)


def test_files_that_did_not_change_are_not_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, run = write_inputs(tmp_path), Run(tmp_path / "run", quiet=True)
    (run.folder / "stages").mkdir(parents=True)
    for path in tmp_path.glob("*.*"):
        # Long ago: what has just been changed is hashed again.
        os.utime(path, (1e9, 1e9))
    monkeypatch.setattr("basrelief.hashes.SETTLED_NS", -(10**12))
    before = read_sources(settings, run)
    (tmp_path / "labels.csv").write_bytes(b"other labels")
    hashed: list[str] = []

    def note(path: Path) -> str:
        hashed.append(path.name)
        return "0" * 64

    monkeypatch.setattr("basrelief.hashes.hash_file", note)
    after = read_sources(settings, run)
    assert hashed == ["labels.csv"]
    assert [s.role for s in after] == [s.role for s in before]


def test_inputs_that_are_gone_are_left_out(tmp_path: Path) -> None:
    settings = Settings(data=DataSettings(dsm="gone/*.tif", areas="a", labels="b"))
    settings._folder = tmp_path
    assert read_sources(settings, Run(tmp_path / "run", quiet=True)) == []
    assert gather_source("areas", []).n_files == 0
