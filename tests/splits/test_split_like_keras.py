"""The random split beside Keras' own iterator: the same pictures in every part."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import train_test_split

from basrelief.chips.stage import make_chips
from basrelief.config import DataSettings, Settings
from basrelief.run import Run
from basrelief.splits.stage import assign_splits
from basrelief.stage_settings import ChipSettings, SplitSettings

SEED = 251238730
ONE_COLOUR = (9910, 13369, 60416, 67791, 70819, 71771, 73127)
"""Of the set in the coursework's format, as its own description lists them."""


def split_theirs(frame: pd.DataFrame, folder: Path, seed: int) -> dict[int, list[str]]:
    """Split the rows that are used as the coursework did; ids by the number of our fold."""
    image = pytest.importorskip("keras.src.legacy.preprocessing.image")
    frame = frame.assign(picture=[f"LIDAR_{name}.png" for name in frame["id"]])
    rest, test = train_test_split(frame, test_size=0.2, random_state=seed)
    generator = image.ImageDataGenerator(validation_split=0.2)
    parts = {0: test["picture"].tolist()}
    for fold, subset in ((1, "validation"), (2, "training")):
        flow = generator.flow_from_dataframe(
            rest,
            directory=str(folder),
            x_col="picture",
            y_col="crime",
            class_mode="raw",
            subset=subset,
        )
        parts[fold] = flow.filenames
    return {
        fold: [name.removeprefix("LIDAR_").removesuffix(".png") for name in names]
        for fold, names in parts.items()
    }


def split_ours(folder: Path, out: Path, seed: int) -> dict[int, list[str]]:
    """Run the stages up to the split; ids by fold, in the order in which they are written."""
    settings = Settings(
        seed=seed,
        data=DataSettings(
            images=str(folder / "LIDAR"),
            table=str(folder / "EmbeddingData.csv"),
            targets=["crime"],
        ),
        chips=ChipSettings(size_px=32),
        split=SplitSettings(schemes=["random"]),
    )
    run = Run(out, quiet=True)
    make_chips(settings, run)
    assign_splits(settings, run)
    folds = pd.read_parquet(run.splits / "folds.parquet")
    assert set(folds["scheme"]) == {"random"}
    return {int(str(fold)): list(part["id"]) for fold, part in folds.groupby("fold")}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Pictures in no order, two of one colour, three rows without one, four without a row."""
    folder, rng = tmp_path / "made", np.random.default_rng(3)
    (folder / "LIDAR").mkdir(parents=True)
    ids = rng.permutation(np.arange(1000, 1070))
    for number in ids[:-3]:
        colours = rng.integers(0, 255, (32, 32, 3), np.uint8)
        if number in ids[[5, 40]]:
            colours[:] = 7
        Image.fromarray(colours).save(folder / "LIDAR" / f"LIDAR_{number}.png")
    table: dict[str, Any] = {"id": ids[4:], "crime": rng.normal(size=66)}
    pd.DataFrame(table).to_csv(folder / "EmbeddingData.csv", index=False)
    return folder


@pytest.mark.parametrize("seed", [SEED, 0])
def test_a_made_set_is_split_as_keras_splits_it(made: Path, seed: int, tmp_path: Path) -> None:
    frame = pd.read_csv(made / "EmbeddingData.csv", dtype={"id": str})
    used = frame[(np.arange(66) != 1) & (np.arange(66) != 36) & (np.arange(66) < 63)]
    expected = split_theirs(used, made / "LIDAR", seed)
    assert split_ours(made, tmp_path / "run", seed) == expected
    assert [len(expected[fold]) for fold in range(3)] == [13, 9, 39]


@pytest.mark.real
def test_the_coursework_set_is_split_as_keras_splits_it(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "coursework"
    frame = pd.read_csv(folder / "EmbeddingData.csv", dtype={"id": str})
    used = frame[~frame["id"].isin([str(number) for number in ONE_COLOUR])]
    expected = split_theirs(used, folder / "LIDAR", SEED)
    assert split_ours(folder, tmp_path / "run", SEED) == expected
    assert [len(expected[fold]) for fold in range(3)] == [130, 103, 416]
