"""What the report says against its own maps of contributions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from basrelief.config import Settings
from basrelief.judge.scores import find_worth
from basrelief.learn.recipe_files import format_recipe, load_recipe
from basrelief.run import Record, Run, read_json, write_json
from basrelief.tell.facts import read_facts
from basrelief.tell.page.ground import say_doubts

Writer = Callable[[Path], Run]


def explain(run: Run, records: list[Record]) -> Run:
    """List maps of contributions, each with a file."""
    (run.folder / "explain").mkdir()
    (run.folder / "explain" / "map.tif").touch()
    write_json(
        run.explain / "contributions.json", [r | {"file": "explain/map.tif"} for r in records]
    )
    return run


def change_scores(run: Run, **changed: float | None) -> None:
    """Change what was scored of dense-vgg16."""
    scores = read_json(run.scores)
    for record in scores:
        if record["recipe"] == "dense-vgg16":
            record |= changed
            record["worth"] = find_worth(record)
    write_json(run.scores, scores)


@pytest.fixture
def run(tmp_path: Path, write_judged: Writer) -> Run:
    return explain(write_judged(tmp_path / "run"), [{"recipe": "dense-vgg16", "target": "crime"}])


def test_a_map_of_what_works_is_not_doubted(run: Run, judged_settings: Settings) -> None:
    assert say_doubts(read_facts(judged_settings, run)) == []


@pytest.mark.parametrize("low", [-0.1, None])
def test_a_map_of_what_does_not_work_is_doubted(
    run: Run, judged_settings: Settings, low: float | None
) -> None:
    change_scores(run, skill=0.0, skill_low=low)
    (said,) = say_doubts(read_facts(judged_settings, run))
    assert said.startswith("For crime, dense-vgg16 cannot be told better than always predicting")
    assert said.endswith("read nothing into its maps there.")


def test_of_a_recipe_that_joins_place_what_is_drawn_is_doubted(
    run: Run, judged_settings: Settings
) -> None:
    write_json(
        run.explain / "contributions.json",
        [{"recipe": "kriged-dense-vgg16", "target": "crime", "file": "explain/map.tif"}],
    )
    folder = run.models / "kriged-dense-vgg16" / "final"
    folder.mkdir(parents=True)
    kriged = load_recipe("kriged-dense-vgg16", judged_settings)
    (folder / "recipe.toml").write_text(format_recipe(kriged))
    scores = read_json(run.scores)
    write_json(run.scores, [*scores, scores[0] | {"recipe": "kriged-dense-vgg16", "skill": 0.6}])
    change_scores(run, skill=0.0, skill_low=-0.1)
    (said,) = say_doubts(read_facts(judged_settings, run))
    assert "crime, dense-vgg16 cannot be told better" in said


def test_without_maps_nothing_is_said(
    tmp_path: Path, write_judged: Writer, judged_settings: Settings
) -> None:
    run = write_judged(tmp_path / "run")
    change_scores(run, skill=0.0, skill_low=-0.1)
    assert say_doubts(read_facts(judged_settings, run)) == []
