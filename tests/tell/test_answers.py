"""What a run of the town found, beside what was planted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from basrelief.run import Record, Run, read_json, write_json
from basrelief.sources.town_scores import EXPECTED
from basrelief.tell.answers import compare_answers

KNOWS = {
    "relief-statistics": ["heights"],
    "joint": ["heights", "place"],
    "place-alone": ["place"],
    "area-size": ["size"],
}
FOUND = {"crime": "relief-statistics", "barriers": "place-alone", "health": "mean"}


def write_found(folder: Path, found: dict[str, str], more: list[Record] | None = None) -> Run:
    """Write what a run preferred for areas with blocks held out, and the town's truth beside it."""
    run = Run(folder / "runs" / "town", quiet=True)
    key = {"scheme": "block", "unit": "area"}
    records: list[Record] = [
        key | {"target": target, "recipe": name} for target, name in found.items()
    ]
    recipes = [{"recipe": name, "knows": knows} for name, knows in KNOWS.items()]
    write_json(run.folder / "evaluate" / "recipes.json", recipes)
    write_json(run.folder / "evaluate" / "preferred.json", records + (more or []))
    write_json(folder / "truth.json", {"expected": EXPECTED})
    return run


def test_what_was_planted_and_is_found_agrees(tmp_path: Path) -> None:
    run = write_found(tmp_path, FOUND)
    lines, agree = compare_answers(run, tmp_path / "truth.json")
    assert agree
    assert lines == [
        "crime: planted: LIDAR tells it; found: LIDAR tells it (as planted)",
        "barriers to housing and services: planted: place tells it, and that LIDAR adds to it "
        "cannot be told; found: place tells it, and that LIDAR adds to it cannot be told "
        "(as planted)",
        "health: planted: there is nothing to learn; found: there is nothing to learn (as planted)",
    ]


@pytest.mark.parametrize(
    ("target", "recipe", "words"),
    [
        ("crime", "mean", "there is nothing to learn"),
        ("barriers", "joint", "LIDAR tells it"),
        ("health", "area-size", "place tells it, and that LIDAR adds to it cannot be told"),
        ("health", None, "no answer"),
    ],
)
def test_an_answer_that_differs_is_said_to(
    tmp_path: Path, target: str, recipe: str | None, words: str
) -> None:
    found = {name: recipe if name == target else each for name, each in FOUND.items()}
    run = write_found(tmp_path, {name: each for name, each in found.items() if each})
    lines, agree = compare_answers(run, tmp_path / "truth.json")
    assert not agree
    (line,) = [line for line in lines if line.endswith("(NOT as planted)")]
    assert f"found: {words} (NOT" in line
    assert len(lines) == 3


def test_answers_are_of_areas_in_the_scheme_that_is_listed(tmp_path: Path) -> None:
    luck = {"target": "health", "recipe": "place-alone"}
    others = [luck | {"scheme": "lad", "unit": "area"}, luck | {"scheme": "block", "unit": "chip"}]
    run = write_found(tmp_path, FOUND, others)
    assert compare_answers(run, tmp_path / "truth.json")[1]


def test_without_any_answer_nothing_agrees(tmp_path: Path) -> None:
    lines, agree = compare_answers(write_found(tmp_path, {}), tmp_path / "truth.json")
    assert not agree
    assert all("found: no answer (NOT as planted)" in line for line in lines)


@pytest.mark.parametrize(("health", "code"), [("mean", 0), ("relief-statistics", 1)])
def test_the_demo_ends_with_1_where_an_answer_differs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    health: str,
    code: int,
) -> None:
    out = tmp_path / "town"
    run = write_found(out / "run", FOUND | {"health": health})
    # As the demo lays them out: the truth beside the run.
    (out / "run" / "truth.json").rename(out / "truth.json")
    monkeypatch.setattr("basrelief.sources.town.write_town", lambda *_, **__: out / "town.toml")
    monkeypatch.setattr("basrelief.cli.run_all", lambda *_, **__: run)
    assert run_command("demo", "--out", str(out)) == code
    said = capsys.readouterr()
    assert said.out.count("demo: ") == 3
    assert ("NOT as planted" in said.out) == bool(code)
    assert "Traceback" not in said.err


def test_the_town_writes_what_must_be_found(town: Path) -> None:
    truth = read_json(town.parent / "truth.json")
    assert truth["expected"] == {"crime": "lidar", "barriers": "place", "health": "nothing"}
    assert set(truth["expected"]) <= set(truth["driven_by"])
