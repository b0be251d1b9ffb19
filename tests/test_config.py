from __future__ import annotations

from pathlib import Path

import pytest

from basrelief.config import InputError, load_settings

PICTURES = '[data]\nimages = "pictures"\ntable = "table.csv"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "crime.toml"
    path.write_text(text)
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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"no \[data\] table"),
        (
            PICTURES + "[chips]\nsize = 3\n",
            r"unknown key 'chips.size'. Did you mean size_px\? Allowed here: min_area",
        ),
        ("speed = 3\n" + PICTURES, r"unknown key 'speed'"),
        (PICTURES + '[chips]\nsize_px = "big"\n', r"chips.size_px: .*integer.*'big'"),
        (PICTURES + "[chips]\nsize_px = 100\n", r"chips.size_px: .*multiple of 32.*100"),
        (PICTURES + '[split]\nschemes = ["lucky"]\n', r"split.schemes.*'random'.*'lucky'"),
        (PICTURES + "[split]\nfolds = 1\n", r"split.folds: .*greater than or equal to 2.*1"),
        (PICTURES + 'targets = "some"\n', r"data.targets: .*'some'"),
        ("data = 3\n", r"data: .*3"),
        ('[data]\nimages = "x"\n', r"data: table missing beside images"),
        ('[data]\ndsm = "x"\n', r"data: areas, labels missing beside dsm"),
        ('[data]\nimages = "x"\ndsm = "y"\n', r"either images and table"),
        ("[data\n", r"not valid TOML"),
        (PICTURES + "[models]\nrecipes = []\n", r"models.recipes: .*at least 1"),
        (PICTURES + "[split]\nbuffer_m = nan\n", r"split.buffer_m"),
        (PICTURES + '[publish]\nallow = "all"\n', r"publish.allow: .*'areas', 'chips'.*'all'"),
        (PICTURES + '[publish]\nallow = "chips"\n', r"publish: .*needs a reason"),
        (PICTURES + '[publish]\nallow = "chips"\nreason = " "\n', r"publish.reason: .*' '"),
        (PICTURES + "[publish]\nmin_ground_covered = 2\n", r"publish.min_ground_covered: .*2"),
        (PICTURES + "[evaluate]\nworlds = 39\n", r"worlds = 39 are too few.*40 or more, or 0"),
        (PICTURES + "[evaluate]\nworlds = 1\n", r"evaluate: .*worlds = 1 are too few"),
        (PICTURES + "[evaluate]\nworlds = -1\n", r"evaluate.worlds: .*or equal to 0.*-1"),
        (PICTURES + "[evaluate]\nworlds = 10_001\n", r"evaluate.worlds: .*10000.*10001"),
        (PICTURES + "[evaluate]\nrefits = 3\n", r"unknown key 'evaluate.refits'.*worlds"),
        (PICTURES + "[publish]\nmin_people = 2\n", r"unknown key 'publish.min_people'"),
    ],
)
def test_bad_settings_get_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load_settings(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "crime.toml" in str(caught.value)


@pytest.mark.parametrize("n_worlds", [0, 40, 100])
def test_worlds_are_none_or_enough(tmp_path: Path, n_worlds: int) -> None:
    config = write(tmp_path, PICTURES + f"[evaluate]\nworlds = {n_worlds}\n")
    assert load_settings(config).evaluate.worlds == n_worlds
    assert load_settings(write(tmp_path, PICTURES)).evaluate.worlds == 100


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.toml: cannot read.*No such file"):
        load_settings(tmp_path / "absent.toml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "crime.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"crime.toml: cannot read"):
        load_settings(tmp_path / "crime.toml")
