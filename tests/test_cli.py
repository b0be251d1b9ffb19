"""The command line: what it takes, completes and tells, beside what stages do."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from typer.main import get_command

from basrelief import cli
from basrelief.config import InputError, Settings, load_settings
from basrelief.run import Run, write_json
from basrelief.schema import make_schema
from basrelief.sources import town
from basrelief.tell import answers
from basrelief.toml import parse_change

PICTURES = '[data]\nimages = "p"\ntable = "t.csv"\n'
COMMANDS = sorted(get_command(cli.app).commands)  # type: ignore[attr-defined]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(PICTURES)
    return path


def examples_of(command: str) -> list[str]:
    words = [sys.executable, "-m", "basrelief.cli", command, "-h"]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    # Help is wrapped to the width of a terminal.
    found = re.findall(r"Example: (basrelief .*?)\n *\n", text, re.DOTALL)
    return [" ".join(each.split()) for each in found]


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("chips.size_px=128", "chips.size_px", 128),
        ("chips.resolution_m=2", "chips.resolution_m", 2.0),
        ("data.targets=all", "data.targets", "all"),
        ('data.targets=["crime", "health"]', "data.targets", ["crime", "health"]),
        ("out=runs/a b", "out", "runs/a b"),
        ("out='2024'", "out", "2024"),
        ("out = x=y", "out", "x=y"),
        ("models.weights.vgg16=none", "models.weights", {"vgg16": "none"}),
        ('models.weights."a.b"=none', "models.weights", {"a.b": "none"}),
        ("split={folds = 3}", "split.folds", 3),
        ("publish.reason=two\nseed = 3", "publish.reason", "two\nseed = 3"),
    ],
)
def test_a_change_stands_instead_of_the_file(
    config: Path, change: str, key: str, value: object
) -> None:
    found: Any = load_settings(config, [change])
    for name in key.split("."):
        found = getattr(found, name)
    assert found == value


def test_the_last_change_of_a_key_counts(config: Path) -> None:
    assert load_settings(config, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("seed", "--set seed: give a key and a value"),
        ("=3", "--set =3: give a key and a value"),
        ("a b=3", "--set a b=3: give a key and a value"),
        ("chips.size=3", r"--set chips.size: unknown key 'chips.size'. Did you mean size_px\?"),
        ("size_px=64", r"--set size_px: unknown key 'size_px'. It belongs under \[chips\]"),
        ("chips.size_px=abc", r"--set chips.size_px: .*\(found 'abc'\)"),
        ("out=2024", "--set out: .*found 2024.*--set 'out=\"...\"'"),
        ("data.targets=[crime]", r"--set data.targets=\[crime\]: the value is broken"),
        ("data.dsm=x.tif", "c.toml with --set data.dsm: data: give either images and table"),
        ("models.weights.a.b=none", "a name with a dot needs quotes"),
    ],
)
def test_a_wrong_change_is_named_as_typed(config: Path, change: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_settings(config, [change])


def test_a_fault_of_the_file_is_not_laid_to_a_change(config: Path) -> None:
    config.write_text(PICTURES + "[chips]\nsize_px = 3\n")
    with pytest.raises(InputError, match=r"c\.toml: chips\.size_px"):
        load_settings(config, ["seed=1"])


def test_a_changed_path_is_named_as_typed_when_it_is_read(
    config: Path, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("run", str(config), "--set", "data.images=absent") == 2
    assert "--set data.images='absent'" in capsys.readouterr().err
    assert run_command("run", str(config), "--set", f"out={config}") == 2
    assert f"--set out={str(config)!r}: cannot write" in capsys.readouterr().err


def test_a_change_is_kept_and_asked_for_again(
    town: Path,
    tmp_path: Path,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    change = ["--set", f"out={tmp_path / 'r'}", "--set", "chips.min_valid=0.5"]
    assert run_command("chips", str(town), "-q", *change) == 0
    kept = json.loads((tmp_path / "r" / "config.json").read_text())
    assert kept["chips"]["min_valid"] == 0.5
    capsys.readouterr()
    assert run_command("describe", str(town), *change[:2]) == 2
    assert f"basrelief chips {town} --set out={tmp_path / 'r'}" in capsys.readouterr().err
    assert run_command("describe", str(town), "-q", *change) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_of_files_that_the_package_makes(command: str, town: Path) -> None:
    examples = examples_of(command)
    assert examples
    for words in (shlex.split(example) for example in examples):
        assert words[1] == command
        for word in (word for word in words if word.startswith("basrelief-demo/")):
            place = word.removeprefix("basrelief-demo/")
            # The run is what the command before it, or the demo, leaves.
            assert place == "run" or list(town.parent.glob(place)), word


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_examples_are_options(command: str) -> None:
    known = get_command(cli.app).commands[command]  # type: ignore[attr-defined]
    options = {name for param in known.params for name in param.opts}
    words = " ".join(examples_of(command)).split()
    assert {word for word in words if word.startswith("-")} <= options


def complete(line: str) -> list[str]:
    asked = {
        "_BASRELIEF_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - (0 if line.endswith(" ") else 1)),
    }
    code = "import sys; sys.argv = ['basrelief']; from basrelief.cli import main; main()"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | asked)
    return done.stdout.split()


def test_tab_completes_commands_stages_and_keys() -> None:
    assert complete("basrelief desc") == ["describe"]
    assert complete("basrelief run c.toml --from ev") == ["evaluate"]
    assert complete("basrelief run c.toml --set chips.s") == ["chips.size_px="]


def test_a_command_that_does_not_exist_is_guessed(
    run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("reprot") == 2
    assert "Did you mean 'report', 'export'?" in capsys.readouterr().err


def walk(model: type[BaseModel], schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of a model with its entry in the schema, which a reader finds by the same path."""
    for name, field in model.model_fields.items():
        entry = schema["properties"][name]
        yield name, entry
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            inner = make_schema()["$defs"][entry["$ref"].rpartition("/")[2]]
            yield from walk(kind, inner)


def test_the_schema_knows_and_explains_every_key() -> None:
    entries = list(walk(Settings, make_schema()))
    assert len(entries) > 30
    assert [name for name, entry in entries if not ({"description", "$ref"} & set(entry))] == []
    assert "null" not in json.dumps(make_schema())


def test_the_schema_refuses_what_settings_refuse(run_command: Callable[..., int]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(make_schema())
    good = tomllib.loads(PICTURES + '[split]\nschemes = ["block"]\n')
    assert check.is_valid(good)
    for text in ("[chips]\nsize_px = 3", "[chips]\nsise = 64", '[split]\nschemes = ["all"]'):
        assert not check.is_valid(good | tomllib.loads(text))


def test_a_change_is_read_as_toml_reads_it() -> None:
    for text in ("3", "3.5", "true", '"a b"', "[1, 2]", "{a = 1}"):
        assert parse_change(f"x={text}").value == tomllib.loads(f"x = {text}")["x"]


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_whole_run_ends_with_what_training_fell_short_of(
    command: str,
    tmp_path: Path,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Run(tmp_path / "run")
    run.models.mkdir(parents=True)
    record = {"recipe": "vgg16", "is_asked": True, "is_shortened": False}
    write_json(run.models / "recipes.json", [record | {"random_weights": ["vgg16"]}])
    monkeypatch.setattr(cli, "run_all", lambda *_, **__: run)
    monkeypatch.setattr(town, "write_town", lambda *_, **__: config)
    monkeypatch.setattr(answers, "compare_answers", lambda *_: (["as planted"], True))
    assert run_command(command, str(config) if command == "run" else f"--out={tmp_path / 'd'}") == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"report: {run.report}",
        "note: vgg16 began with random weights (vgg16), not with pretrained ones.",
    ]


def test_the_help_of_typer_is_there() -> None:
    assert isinstance(cli.app, typer.Typer)
    shown = subprocess.run(
        [sys.executable, "-m", "basrelief.cli", "-h"], capture_output=True, text=True, check=True
    )
    assert "--install-completion" in shown.stdout
