"""The handed cases of the learning side: each ends as its EXPECTED.txt says is right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from basrelief.run import Run, read_json
from basrelief.running import run_all

CASES = Path(__file__).parents[3] / "shared" / "cases" / "learning"

pytestmark = [
    pytest.mark.cases,
    pytest.mark.skipif(not CASES.is_dir(), reason="no handed cases beside the repository"),
]


@dataclass(frozen=True)
class Refused:
    """Exit 2 and one line with these parts."""

    says: tuple[str, ...]
    is_at_the_start: bool = True
    """Whether it comes before a chip is cut."""


@dataclass(frozen=True)
class Taken:
    """Exit 0, with these parts in lines that begin with ``note:``."""

    notes: tuple[str, ...] = ()
    n_chips: int | None = None


def refused(*says: str, late: bool = False) -> Refused:
    return Refused(says, not late)


CHIPS: dict[str, Refused | Taken] = {
    # Told by the chips stage alone.
    "01a-ids-lost-their-zeros": Taken(("24 ids are found by their number",), 24),
    "02-same-name-in-two-folders": Taken(n_chips=24),
    "03-jpeg": Taken(n_chips=24),
    "03b-lower-case-prefix": Taken(n_chips=24),
    "04-16-bit-grey": refused("16 bits a band"),
    "04b-grey-8-bit": Taken(n_chips=24),
    "05-mixed-sizes-not-square": Taken(("are resized to chips.size_px = 64", "not square"), 24),
    "06-alpha-is-nodata": Taken(("are transparent in parts",), 23),
    "07-xlsx-table": Taken(n_chips=24),
    "08-semicolon-decimal-comma": Taken(n_chips=24),
    "08b-tab": Taken(n_chips=24),
    "09-sentinel-9999": Taken(("-9999",), 24),
    "11-capital-ID": Taken(n_chips=24),
    "12-na-words": Taken(n_chips=24),
    "13-pandas-index-column": Taken(n_chips=24),
    "14-same-picture-many-ids": Taken(("32 of 40 pictures are copies of others",), 40),
    "15-split-column": Taken(("is not used",), 24),
    "67-ids-float-with-decimals": Taken(n_chips=24),
    "68-image-location-windows": Taken(n_chips=24),
    "69-id-and-location-disagree": Taken(("found by image_location",), 24),
    "70-latin1-area-names": Taken(n_chips=24),
    "71-utf16-table": Taken(n_chips=24),
    "72-target-also-a-second-time": refused("2 columns are called 'crime'"),
    "74-truncated-labels-percent": Taken(("percent",), 24),
}

START: dict[str, Refused] = {
    "17-second-target-mostly-missing": refused("in none of the", late=True),
    "19-nan-majority-in-val": refused("needs at least 7 chips", "found 5", late=True),
    "22-vit-trainable-3": refused("train.trainable = 3"),
    "26b-dinov2-patch14": refused("sees patches of 14 px"),
    "27b-timm-tag-no-weights": refused('weights = { "resnet18.a1_in1k" = "FILE" }'),
    "27c-timm-tag-unquoted": refused('needs quotes: weights = { "resnet18.a1_in1k" = "none" }'),
    "28d-pth-int": refused("model.pt", "not tensors by name"),
    "34-weights-key-of-recipe": refused("'mine' is no backbone", "resnet18"),
    "34b-weights-key-ignored": refused("resnet34"),
    "35-weights-string": refused('weights = { vgg16 = "none" }'),
    "36-device-cuda0": refused("models.device", "'cpu'"),
    "36b-device-gpu": refused("models.device", "'cpu'"),
    "37-only-1-pictures": refused("at least 7", "found 1", late=True),
    "37-only-2-pictures": refused("at least 7", "found 2", late=True),
    "37-only-3-pictures": refused("at least 7", "found 3", late=True),
    "37-only-5-pictures": refused("at least 7", "found 5", late=True),
    "40-same-name": refused("second recipe named 'vgg16'"),
    "41-recipe-name-slash": refused("../../escape"),
    "51-dense-vit": refused("recipe 'mydense'", "such as 'vgg16'"),
    "52-dense-swin": refused("recipe 'mydense'", "such as 'vgg16'"),
    "53b-dense-efficientnet": refused("recipe 'mydense'", "such as 'vgg16'"),
    "53c-dense-bad-stage": refused("stages = [9]", "stages 0 to 4"),
    "61-one-area-only": refused("scheme 'area' needs at least 3 areas", late=True),
    "63-fp16": refused("models.precision", "'bf16'"),
    "64-recipe-typo": refused("train.freeze_epochs"),
    "65-weights-key-with-recipe-name-online": refused("'resnet50v2'", "resnetv2_50"),
    "66-epochs-float": refused("models.epochs", "2.5"),
}

WHOLE: dict[str, tuple[str, ...]] = {
    "00-base": (),
    "18-price-scale": (),
    "18b-price-scale-coursework": ("its mean", "is far from 0"),
    "20-bn-batch-of-one": (),
    "21-mobilenetv3": (),
    "21c-densenet": (),
    "22b-vit-all": (),
    "23-swin": (),
    "24-convnext": (),
    "25-efficientnet": (),
    "26-xcit": (),
    "27-timm-tag": (),
    "37-only-8-pictures": (),
    "38-constant-predictions": ("there is nothing to see",),
    "50-dense-resnet18-kriged": (),
    "53-dense-convnext": (),
    "61b-one-area-default": (),
    "62-negative-labels": (),
    "73-batch-larger-than-set": (),
    "80-progress": (),
}
"""Networks that are trained, explained and told of; parts of notes."""


@pytest.fixture
def case(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A handed case, in a folder of the test's own."""
    folder = tmp_path / "case"
    shutil.copytree(CASES / request.param, folder)
    return folder


Command = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def check(found: Refused, code: int, folder: Path, capsys: Capture) -> None:
    line = capsys.readouterr().err
    assert code == 2, line
    assert line.startswith("basrelief: ")
    assert line.count("\n") == 1
    assert [part for part in found.says if part not in line] == [], line
    if found.is_at_the_start:
        assert not (folder / "run" / "chips").exists()


@pytest.mark.parametrize(
    ("case", "expected"), list(CHIPS.items()), indirect=["case"], ids=list(CHIPS)
)
def test_pictures_and_tables(
    case: Path, expected: Refused | Taken, run_command: Command, capsys: Capture
) -> None:
    code = run_command("chips", str(case / "config.toml"))
    if isinstance(expected, Refused):
        check(expected, code, case, capsys)
        return
    out = capsys.readouterr()
    assert code == 0, out.err
    notes = read_json(case / "run" / "chips" / "notes.json")
    assert [part for part in expected.notes if not any(part in line for line in notes)] == [], notes
    assert len(pd.read_parquet(case / "run" / "chips" / "chips.parquet")) == expected.n_chips


@pytest.mark.parametrize(
    ("case", "expected"), list(START.items()), indirect=["case"], ids=list(START)
)
def test_what_is_refused_before_training(
    case: Path, expected: Refused, run_command: Command, capsys: Capture
) -> None:
    check(expected, run_command("run", str(case / "config.toml")), case, capsys)
    assert not list((case / "run" / "models").glob("*/"))


def check_explained(run: Path) -> None:
    """Check that a run ends in a report, and that heat is of what the head sees."""
    assert (run / "report.html").exists()
    for path in (run / "explain").glob("*/summary.json"):
        layers = {record["layer"] for record in read_json(path)}
        # Not a layer within the backbone; VGG alone ends in a pooling.
        assert layers <= {"last_map"}


@pytest.mark.slow
@pytest.mark.parametrize(("case", "says"), list(WHOLE.items()), indirect=["case"], ids=list(WHOLE))
def test_what_is_trained_explained_and_told_of(
    case: Path, says: tuple[str, ...], run_command: Command, capsys: Capture
) -> None:
    with (case / "config.toml").open("a") as config:
        # What is asked here needs no other worlds, and they take most of the time.
        config.write("\n[evaluate]\nworlds = 0\n")
    code = run_command("run", str(case / "config.toml"))
    out = capsys.readouterr()
    assert code == 0, out.err
    assert [part for part in says if part not in out.out] == [], out.out
    check_explained(case / "run")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["60-more-epochs"], indirect=True)
def test_more_epochs_say_what_becomes_of_those_before(case: Path, capsys: Capture) -> None:
    check_explained(run_all(case / "config.toml").folder)
    capsys.readouterr()
    run_all(case / "config4.toml")
    assert "2 finished epochs are thrown away" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
@pytest.mark.parametrize("case", ["81-predict-new-place"], indirect=True)
def test_predict_takes_the_runs_first_recipe(case: Path, run_command: Command) -> None:
    run: Run = run_all(case / "config.toml", quiet=True)
    there = str(case / "there")
    place = ["--dsm", f"{case}/lidar/DSM_*.tif", "--dtm", f"{case}/lidar/DTM_*.tif"]
    place += ["--areas", f"{case}/areas.gpkg", "--quiet"]
    assert run_command("predict", str(run.folder), *place, "--out", there) == 0
    assert read_json(case / "there" / "predict.json")["model"]["recipe"] == "net"
    asked = ["--recipe", str(case / "mydense.toml"), "--out", f"{there}2"]
    assert run_command("predict", str(run.folder), *place, *asked) == 0
    assert read_json(case / "there2" / "predict.json")["model"]["recipe"] == "mydense"
