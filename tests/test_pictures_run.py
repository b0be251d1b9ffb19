"""What the coursework asked for, in a small run of its form: pictures, a table, two networks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import mean_squared_error
from sklearn.neighbors import KernelDensity

from basrelief.chips.describe import draw_one_band, estimate_density
from basrelief.config import DataSettings, Settings, load_settings
from basrelief.learn.encoders import NetworkPlan, build_empty_network, set_trainable
from basrelief.learn.layers import list_layers
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.run import Run, read_json
from basrelief.running import run_stages
from basrelief.stages import STAGES

N, SIZE_PX = 60, 32

RECIPE = """\
kind = "network"
name = "{name}"
about = "a network that trains in seconds"
backbone = "test_resnet"
bands = ["shaded"]

[head]
kind = "pooled"

[optimiser]
learning_rate = {rate}

[train]
trainable = "all"
epochs = 2
batch_size = 16
"""

CONFIG = f"""\
out = "run"

[data]
images = "pictures"
table = "table.csv"
targets = ["crime"]

[chips]
size_px = {SIZE_PX}

[split]
schemes = ["random"]

[evaluate]
worlds = 0

[models]
recipes = ["one.toml", "two.toml"]
weights = {{ test_resnet = "none" }}
device = "cpu"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures, two of them of one colour, and a table of two domains of them."""
    folder, rng = tmp_path_factory.mktemp("coursework"), np.random.default_rng(4)
    (folder / "pictures").mkdir()
    pixels = rng.integers(0, 255, (N, SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
    pixels[[3, 17]] = 90
    for number, each in enumerate(pixels):
        Image.fromarray(each).save(folder / "pictures" / f"LIDAR_{number}.png")
    areas = [f"E010000{number // 2:02}" for number in range(N)]
    scores = {"crime": rng.normal(size=N).round(3), "health": rng.normal(size=N).round(3)}
    table = pd.DataFrame({"id": range(N), "LSOA11CD": areas} | scores)
    table.to_csv(folder / "table.csv", index=False)
    for name, rate in (("one", 1e-3), ("two", 1e-2)):
        (folder / f"{name}.toml").write_text(RECIPE.format(name=name, rate=rate))
    (folder / "c.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    settings = load_settings(folder / "c.toml")
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, [stage.name for stage in STAGES], set())
    return run


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return run.report.read_text(encoding="utf-8")


def read_cells(page: str, label: str) -> list[list[str]]:
    """The rows of a table of the page, by how the name of its region begins."""
    table = page[page.index(f'aria-label="{label}') :].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>([^<]*)", row) for row in rows]


def test_every_domain_is_described_before_and_after_removal(
    folder: Path, run: Run, page: str
) -> None:
    table = pd.read_csv(folder / "table.csv")
    removal = pd.read_csv(run.describe / "removal.csv")
    assert removal[["target", "rows"]].to_numpy().tolist() == [
        [target, rows] for target in ("crime", "health") for rows in ("before", "after")
    ]
    for target in ("crime", "health"):
        kept = table[target].drop([3, 17])
        for which, values in (("before", table[target]), ("after", kept)):
            told = removal[(removal["target"] == target) & (removal["rows"] == which)]
            expected = values.describe()
            assert told.iloc[0, 2:].to_numpy(float) == pytest.approx(expected.to_numpy())
    rows = read_cells(page, "Scores before and after removal")
    assert [row[:3] for row in rows[1:3]] == [["crime", "all", "60"], ["crime", "kept", "58"]]


def test_what_nobody_asked_for_is_described_and_not_learnt(run: Run) -> None:
    assert "health" not in pd.read_parquet(run.chips / "chips.parquet")
    assert list(pd.read_csv(run.describe / "summary.csv")["target"]) == ["crime"]


def test_a_picture_is_shown_as_one_band_as_pillow_makes_it_grey(
    folder: Path, run: Run, page: str
) -> None:
    with Image.open(run.describe / "one-band.png") as image:
        drawn = np.asarray(image)
    with Image.open(folder / "pictures" / "LIDAR_0.png") as image:
        picture, grey = np.asarray(image), np.asarray(image.convert("L"))
    assert (drawn[:, :SIZE_PX] == picture).all()
    expected = 255 * mpl.colormaps["cividis"](grey / 255.0)[..., :3]
    # Pillow rounds brightness to whole numbers, and a step of the colour map is as wide.
    assert np.abs(drawn[:, SIZE_PX:] - expected).max() <= 6
    assert "as one band in a colour map" in page


def test_the_band_of_a_grey_picture_is_the_picture() -> None:
    ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (3, 32, 1))
    drawn = np.asarray(draw_one_band(ramp))[:, 32:]
    expected = 255 * mpl.colormaps["cividis"](ramp[0] / 255.0)[..., :3]
    assert np.abs(drawn - expected).max() <= 1


def test_the_density_is_that_of_another_library() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=500)
    places, density = estimate_density(values)
    # Scott's rule in one dimension.
    width = values.std(ddof=1) * len(values) ** (-1 / 5)
    other = KernelDensity(bandwidth=width).fit(values[:, None]).score_samples(places[:, None])
    np.testing.assert_allclose(density, np.exp(other), rtol=1e-6)


def test_the_courseworks_networks_have_the_weights_that_keras_counts() -> None:
    # Of VGG16 and ResNet50V2 without their tops, as Keras prints them: 14,714,688 and, without what
    # batch normalisation keeps, 23,519,360.
    settings = Settings(data=DataSettings(images="a", table="b"))
    expected = {"coursework-vgg16": 14_714_688, "coursework-resnet50v2": 23_519_360}
    for name, n_weights in expected.items():
        recipe = load_recipe(name, settings)
        assert isinstance(recipe, NetworkRecipe)
        network = build_empty_network(recipe, NetworkPlan("shaded", ("crime",), 224))
        set_trainable(network, recipe.train.trainable)
        layers = list_layers(network)
        is_head = layers["layer"].str.startswith("head")
        assert layers.loc[~is_head, "weights"].sum() == n_weights
        if name == "coursework-vgg16":
            # Its last two convolutions, and all of its head.
            convolutions = 2 * (9 * 512 * 512 + 512)
            assert layers.loc[~is_head, "trainable"].sum() == convolutions
            dense = [(25_088, 128), (128, 128), (128, 64), (64, 1)]
            assert layers.loc[is_head, "trainable"].tolist() == [n * m + m for n, m in dense]


def test_layers_and_curves_lie_beside_each_network_and_on_the_page(run: Run, page: str) -> None:
    for name in ("one", "two"):
        layers = pd.read_csv(run.models / name / "final" / "layers.csv")
        assert (layers["trainable"] == layers["weights"]).all()
        drawn = Xml.parse(run.models / name / "random" / "0-0" / "history.svg").getroot()
        assert drawn.tag.endswith("svg")
        total = read_cells(page, f"Layers of {name}")[-1]
        assert total[2] == f"{layers['weights'].sum():,}"


def test_both_networks_errors_stand_in_one_table(run: Run, page: str) -> None:
    tested = pd.read_parquet(run.predictions)
    head, *rows = read_cells(page, "Errors of the networks")
    # Networks without weights are called so.
    assert [row[0].split()[0] for row in rows] == ["one", "two"]
    for row in rows:
        told: dict[str, Any] = dict(zip(head, row, strict=True))
        mine = tested[(tested["recipe"] == row[0].split()[0]) & (tested["unit"] == "chip")]
        error = mean_squared_error(mine["y_true"], mine["y_pred"])
        assert float(told["test MSE"]) == pytest.approx(error, abs=5e-4)
        folder = run.models / row[0].split()[0] / "random" / "0-0"
        history = pd.read_csv(folder / "history.csv").set_index("epoch")
        kept = history.loc[read_json(folder / "finished.json")["kept_epoch"]]
        assert float(told["validation loss"]) == pytest.approx(kept["val_loss"], abs=5e-4)
        assert float(told["training loss"]) == pytest.approx(kept["loss"], abs=5e-4)


def test_the_same_chips_are_explained_for_both_networks_side_by_side(run: Run, page: str) -> None:
    by_recipe = {
        name: [
            (record["kind"], record["chip_id"])
            for record in read_json(run.explain / name / "summary.json")
            if record["kind"] in ("most", "least")
        ]
        for name in ("one", "two")
    }
    assert by_recipe["one"] == by_recipe["two"]
    tested = pd.read_parquet(run.predictions).query("recipe == 'one' and unit == 'chip'")
    ordered = tested.sort_values("y_true")["id"].tolist()
    assert dict.fromkeys(by_recipe["one"]) == dict.fromkeys(
        [("most", ordered[-1]), ("most", ordered[-2]), ("least", ordered[0]), ("least", ordered[1])]
    )
    beside = page[page.index("The same chips, side by side") :]
    first = beside[: beside.index("</div>")]
    assert re.findall(r"<figcaption>(\w+)[^:]*: predicted", first) == ["one", "two"]
