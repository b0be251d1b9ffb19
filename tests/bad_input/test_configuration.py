"""A configuration is read, or refused with one line at once, before anything heavy is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from basrelief.config import InputError, load_settings
from basrelief.toml import parse_toml

from .conftest import Place

PICTURES = '[data]\nimages = "pictures"\ntable = "table.csv"\n'
RASTERS = '[data]\ndsm = "{}"\nareas = "a"\nlabels = "b"\n'


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "crime.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_data_alone_is_enough(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, PICTURES))
    assert settings.out == "runs/crime"
    assert settings.chips.size_px == 224
    assert settings.data.targets == ["crime"]


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, PICTURES))
    assert settings.locate("pictures") == tmp_path / "pictures"
    assert settings.locate("/elsewhere/x") == Path("/elsewhere/x")


DEEP = "[" * 20_000 + "]" * 20_000
REFUSED: list[tuple[str | bytes, tuple[str, ...]]] = [
    ("", ("no [data] table",)),
    (PICTURES + "[chips]\nsize = 3\n", ("unknown key 'chips.size'", "Allowed here: min_area")),
    ("speed = 3\n" + PICTURES, ("unknown key 'speed'",)),
    (PICTURES + '[chips]\nsize_px = "big"\n', ("chips.size_px: ", "integer", "'big'")),
    (PICTURES + "[chips]\nsize_px = 100\n", ("chips.size_px: ", "multiple of 32", "100")),
    (PICTURES + "[chips]\nresolution_m = 1e-9\n", ("chips.resolution_m: ", "0.01", "1e-09")),
    (PICTURES + '[split]\nschemes = ["lucky"]\n', ("split.schemes", "'random'", "'lucky'")),
    (PICTURES + "[split]\nfolds = 1\n", ("split.folds: ", "greater than or equal to 2", "1")),
    (PICTURES + 'targets = "some"\n', ("data.targets: ", "'some'")),
    (PICTURES + "targets = [" + '"a",' * 5000 + "]\n", ("data.targets: ", "at most 200", "...")),
    ("data = 3\n", ("data: ", "3")),
    ('[data]\nimages = "x"\n', ("data: table missing beside images",)),
    ('[data]\ndsm = "x"\n', ("data: areas, labels missing beside dsm",)),
    ('[data]\nimages = "x"\ndsm = "y"\n', ("either images and table",)),
    ("[data\n", ("not valid TOML", "line 1")),
    (PICTURES + 'images = "b"\n', ("not valid TOML", "overwrite")),
    (PICTURES + "[models]\nrecipes = []\n", ("models.recipes: ", "at least 1")),
    (PICTURES + "[models]\nepochs = 2.5\n", ("models.epochs: ", "2.5")),
    (PICTURES + "[models]\nepochs = 100_001\n", ("models.epochs: ", "100000")),
    (PICTURES + '[models]\ndevice = "gpu"\n', ("models.device: ", "'cuda'", "'gpu'")),
    (PICTURES + '[models]\nweights = "none"\n', ("models.weights: ", "'none'")),
    (PICTURES + "[split]\nbuffer_m = nan\n", ("split.buffer_m: ", "finite number", "nan")),
    (PICTURES + "[split]\nbuffer_m = inf\n", ("split.buffer_m: ", "finite number", "inf")),
    (PICTURES + "[split]\nblock_m = 1e300\n", ("split.block_m: ", "1000000", "1e+300")),
    (PICTURES + "[split]\nblock_m = 0.0\n", ("split.block_m: ", "equal to 1", "0.0")),
    (PICTURES + "[chips]\nmin_valid = -inf\n", ("chips.min_valid: ", "-inf")),
    (PICTURES + '[publish]\nallow = "all"\n', ("publish.allow: ", "'areas', 'chips'", "'all'")),
    (PICTURES + '[publish]\nallow = "chips"\n', ("publish: ", "needs a reason")),
    (PICTURES + '[publish]\nallow = "chips"\nreason = " "\n', ("publish.reason: ", "' '")),
    (PICTURES + "[publish]\nmin_ground_covered = 2\n", ("publish.min_ground_covered: ", "2")),
    (PICTURES + "[evaluate]\nworlds = 39\n", ("worlds = 39 are too few", "40 or more, or 0")),
    (PICTURES + "[evaluate]\nworlds = 1\n", ("evaluate: ", "worlds = 1 are too few")),
    (PICTURES + "[evaluate]\nworlds = -1\n", ("evaluate.worlds: ", "or equal to 0", "-1")),
    (PICTURES + "[evaluate]\nworlds = 10_001\n", ("evaluate.worlds: ", "10000", "10001")),
    (PICTURES + "[evaluate]\nrefits = 3\n", ("unknown key 'evaluate.refits'", "worlds")),
    (PICTURES + "[publish]\nmin_people = 2\n", ("unknown key 'publish.min_people'",)),
    (PICTURES + "[chips]\nmin-valid = 0.5\n", ("'chips.min-valid'", "Did you mean min_valid?")),
    (PICTURES + "foo-bar = 1\n", ("unknown key 'data.foo-bar'", "Allowed here: area_column")),
    (PICTURES + '"" = 1\n', ("unknown key 'data.'",)),
    (PICTURES + '"a\\nb" = 1\n', ("unknown key 'data.a\\nb'",)),
    (PICTURES + "a" * 9000 + " = 1\n", ("unknown key 'data.aaaa", "...")),
    (PICTURES + "[chip]\nsize_px = 64\n", ("unknown key 'chip'", "Did you mean chips?")),
    ("folds = 3\n" + PICTURES, ("unknown key 'folds'", "It belongs under [split].")),
    (PICTURES + "[chips]\nfolds = 3\n", ("'chips.folds'", "It belongs under [split].")),
    ("seed = 2020-01-01\n" + PICTURES, ("seed: ", "integer", "'2020-01-01'")),
    ("seed = true\n" + PICTURES, ("seed: ", "integer", "True")),
    ("seed = -1\n" + PICTURES, ("seed: ", "equal to 0", "-1")),
    (f"seed = {'9' * 5000}\n" + PICTURES, ("a number has too many digits",)),
    (f"seed = 0x{'f' * 5000}\n" + PICTURES, ("a number has too many digits",)),
    (f"seed = {'9' * 4000}\n" + PICTURES, ("seed: ", "...")),
    (f"x = {DEEP}\n", ("too deep",)),
    (f"[{'.'.join(['a'] * 20_000)}]\n", ("too deep",)),
    (PICTURES + "crs = 'a\0b'\n", ("UTF-16, or no text",)),
    (PICTURES + 'crs = "a\\u0000b"\n', ("data.crs: ", "control sign")),
    (PICTURES.encode("utf-16"), ("UTF-16", "Save it as UTF-8")),
    (b"# caf\xe9\n" + PICTURES.encode(), ("line 1 is not UTF-8", "Save it as UTF-8")),
    (b"\xff\xfe\x00", ("cannot read",)),
    (RASTERS.format("C:\\Users\\me\\dsm.tif"), ("single quotes", "line 2")),
    (RASTERS.format("C:\\data\\dsm.tif"), ("single quotes", "line 2")),
    (RASTERS.format("C:\\temp\\new.tif"), ("data.dsm: ", "single quotes")),
    (RASTERS.format("~nosuchuser/dsm.tif"), ("data.dsm: ", "no such user")),
    (RASTERS.format("a" * 300), ("data.dsm: ", "too long")),
    (RASTERS.format("a") + "crime_years = [1800]\n", ("data.crime_years", "1900", "1800")),
    (RASTERS.format("a") + "crime_years = [2019]\n", ("crime_years needs crime",)),
    ("#" * 2**21 + "\n" + PICTURES, ("has 2 MB",)),
]


@pytest.mark.parametrize(
    ("text", "says"), REFUSED, ids=[f"{k}-{row[1][-1][:24]}" for k, row in enumerate(REFUSED)]
)
def test_bad_settings_get_one_line(
    tmp_path: Path, text: str | bytes, says: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(write(tmp_path, text))
    line = str(caught.value)
    assert [part for part in says if part not in line] == [], line
    assert "\n" not in line
    assert "crime.toml" in line
    assert len(line) < 500


def test_the_mark_that_editors_write_is_no_fault(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, b"\xef\xbb\xbf" + PICTURES.encode())).data.images


def test_a_reason_may_have_several_lines(tmp_path: Path) -> None:
    text = PICTURES + '[publish]\nallow = "chips"\nreason = """one\ntwo"""\n'
    assert load_settings(write(tmp_path, text)).publish.reason == "one\ntwo"


@pytest.mark.parametrize("n_worlds", [0, 40, 100])
def test_worlds_are_none_or_enough(tmp_path: Path, n_worlds: int) -> None:
    config = write(tmp_path, PICTURES + f"[evaluate]\nworlds = {n_worlds}\n")
    assert load_settings(config).evaluate.worlds == n_worlds
    assert load_settings(write(tmp_path, PICTURES)).evaluate.worlds == 100


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.toml: cannot read.*No such file"):
        load_settings(tmp_path / "absent.toml")


@pytest.mark.parametrize("path", ["/dev/zero", "/", "pipe"])
def test_what_is_no_ordinary_file_is_not_read(tmp_path: Path, path: str) -> None:
    if path == "pipe":
        os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="cannot read this file"):
        load_settings(tmp_path / path)


def give_quarters(place: Place) -> None:
    rows = [f"{code},Burglary,3,2019,1" for code in place.labels().iloc[:, 0]]
    text = "\n".join(["LSOA Code,Major Category,Value,Year,Quarter", *rows])
    (place.folder / "counts.csv").write_text(text)
    place.configure(data={"crime": "counts.csv", "targets": ["burglary"]})


BEFORE_TORCH: list[tuple[str, Callable[[Place], object], str]] = [
    ("key", lambda p: p.configure(chips={"min-valid": 1.0}), "Did you mean min_valid?"),
    ("recipe", lambda p: p.configure(models={"recipes": ["vgg61"]}), "Did you mean vgg16?"),
    ("target", lambda p: p.configure(data={"targets": ["crme"]}), "Did you mean crime?"),
    ("labels", lambda p: p.configure(data={"labels": "no.csv"}), "no such file"),
    ("rasters", lambda p: p.configure(data={"dsm": "no/*.tif"}), "no file matches"),
    ("areas", lambda p: p.configure(data={"areas": "no.gpkg"}), "no such file"),
    (
        "capitals",
        lambda p: (p.folder / "dsm.tif").rename(p.folder / "dsm.TIF"),
        "dsm.TIF is there: capitals count.",
    ),
    (
        "capitals of labels",
        lambda p: p.configure(data={"labels": "Labels.CSV"}),
        "labels.csv is there: capitals count.",
    ),
    (
        "header",
        lambda p: p.write_raster("dsm.tif", p.heights(), crs=None),
        "CRS",
    ),
    ("crime", give_quarters, "has a column 'Quarter' beside the year"),
    (
        "number",
        lambda p: p.labels().assign(crime="x").to_csv(p.folder / "labels.csv", index=False),
        "found 'x'",
    ),
]


RUN_EACH = """\
import io, json, sys
from contextlib import redirect_stderr
from basrelief import cli
for config in sys.argv[1:]:
    sys.argv = ["basrelief", "run", config]
    said, code = io.StringIO(), None
    with redirect_stderr(said):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    loaded = sorted({"torch", "timm", "sklearn"} & set(sys.modules))
    print(json.dumps([code, said.getvalue(), loaded]))
"""


def test_refusals_come_before_the_libraries_of_networks(
    copy_place: Callable[[Path], Place], tmp_path: Path
) -> None:
    """In one process for all: to start one takes longer than to refuse."""
    places = [copy_place(tmp_path / str(k)) for k in range(len(BEFORE_TORCH))]
    for place, (_, spoil, _) in zip(places, BEFORE_TORCH, strict=True):
        spoil(place)
    command = [sys.executable, "-c", RUN_EACH, *(str(place.config) for place in places)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line, (name, _, says) in zip(done.stdout.splitlines(), BEFORE_TORCH, strict=True):
        code, said, loaded = json.loads(line)
        assert (code, loaded) == (2, []), name
        assert says in said, name


@settings(max_examples=300, derandomize=True)
@given(cut=st.integers(0, 400), bytes_=st.binary(max_size=6), at=st.integers(0, 400))
@example(cut=400, bytes_=b"\xff", at=3)
def test_a_spoilt_configuration_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: int, bytes_: bytes, at: int
) -> None:
    text = (PICTURES + "[split]\nfolds = 3\n[models]\nrecipes = ['vgg16']\n").encode()
    path = tmp_path_factory.getbasetemp() / "spoilt.toml"
    path.write_bytes(text[:at] + bytes_ + text[at : at + cut])
    reason = ""
    try:
        load_settings(path)
    except InputError as error:
        reason = str(error)
    assert "\n" not in reason


@settings(max_examples=300, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_are_toml_or_a_reason(data: bytes) -> None:
    reason = ""
    try:
        parse_toml(data)
    except ValueError as error:
        reason = str(error)
    assert "\n" not in reason
