"""A model that joins place, handed out: its card says what it saw, and what of it stays behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from basrelief.learn.area_models import load_model
from basrelief.run import MODEL, Run
from basrelief.running import run_all
from basrelief.sources.town import write_town
from basrelief.tell.cards.export import export_model

JOINED = """\
kind = "kriged"
name = "joined"
about = "relief, nearness and district"
trend = "relief-statistics"
"""


CHANGES = (
    'models.recipes = ["joined.toml"]',
    "models.weights = {}",
    'data.targets = ["crime"]',
    'split.schemes = ["block"]',
    "split.repeats = 1",
    "evaluate.worlds = 0",
    "chips.size_px = 32",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of a town by a recipe that joins place."""
    config = write_town(tmp_path_factory.mktemp("joined"), seed=3, resolution_m=10.0)
    (config.parent / "joined.toml").write_text(JOINED)
    return run_all(config, quiet=True, changes=CHANGES)


def read_row(card: str, name: str) -> list[str]:
    """Read the row of a card's table of models."""
    (row,) = [line for line in card.splitlines() if line.startswith(f"| {name} | relief,")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_run_s_card_names_place_district_and_labels_beside_heights(finished: Run) -> None:
    sees = read_row((finished.folder / "model_card.md").read_text(), "joined")[3]
    assert "features of the heights of an area's own ground" in sees
    assert "; at home also its place, its district and its neighbours' scores" in sees


def test_what_is_handed_out_is_the_part_that_looks_at_heights_and_its_card_says_so(
    finished: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    export_model(Run(finished.folder, quiet=True), "joined", folder)
    assert load_model(finished.models / "joined" / "final" / MODEL).beside is not None
    assert load_model(folder / "model" / MODEL).beside is None
    card = (folder / "model_card.md").read_text()
    assert "at home also its place, its district" in read_row(card, "joined")[3]
    (left_out,) = [line for line in card.splitlines() if line.startswith("- Left out: ")]
    assert "place and district, which hold a number for each area learnt from" in left_out
    assert "LIDAR alone predicts" in left_out
    # The skill of that part stands beside the whole's, under a name of its own.
    scores = card.partition("## Quantitative Analyses")[2].partition("**By district**")[0]
    rows = [line.split("|")[1].strip() for line in scores.splitlines() if "| crime |" in line]
    assert rows == ["joined", "relief-statistics"]
