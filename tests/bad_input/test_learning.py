"""What people give networks, one thing wrong at a time: a line that says what, or a note."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from PIL import Image
from safetensors.torch import save_file

from basrelief.learn.weights import create_backbone
from basrelief.run import read_json
from basrelief.toml import format_toml

N = 24

MINE = """\
kind = "network"
name = "mine"
about = "a copy with another backbone"
backbone = "test_resnet"
bands = ["relief", "shaded"]

[head]
kind = "pooled"

[optimiser]
learning_rate = 1e-3

[train]
trainable = "all"
epochs = 1
batch_size = 8
"""

DENSE = """\
kind = "dense"
name = "mine"
about = "a"
backbone = "test_resnet"
stages = [2]
resolutions_m = [2.0]
"""


@dataclass(frozen=True)
class Set:
    """A folder with ``c.toml``, ``mine.toml``, ``table.csv`` and ``LIDAR/``: pictures whose label
    is how bright they are. A test changes what it spoils."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "c.toml"

    def configure(self, **tables: dict[str, Any]) -> None:
        values = tomllib.loads(self.config.read_text(encoding="utf-8"))
        for name, change in tables.items():
            values[name] = values.get(name, {}) | change
        self.config.write_text(format_toml(values), encoding="utf-8")

    def change_recipe(self, *changes: tuple[str, str]) -> None:
        path = self.folder / "mine.toml"
        text = path.read_text(encoding="utf-8")
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")

    def use(self, backbone: str, *changes: tuple[str, str]) -> None:
        """Take another backbone, with random weights."""
        self.change_recipe(('"test_resnet"', f'"{backbone}"'), *changes)
        self.configure(models={"weights": {backbone: "none"}})

    def weigh(self, typed: str) -> None:
        """Give the backbone a file of weights."""
        self.configure(models={"weights": {"test_resnet": typed}})

    def picture(self, number: int) -> Path:
        return self.folder / "LIDAR" / f"LIDAR_{100 + number}.png"

    def read(self, number: int) -> Image.Image:
        with Image.open(self.picture(number)) as picture:
            return picture.copy()

    def table(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "table.csv", dtype={"id": str})

    def write_table(self, table: pd.DataFrame) -> None:
        table.to_csv(self.folder / "table.csv", index=False)


@pytest.fixture(scope="session")
def _sound_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("set"), np.random.default_rng(0)
    (folder / "LIDAR").mkdir()
    (folder / "mine.toml").write_text(MINE)
    levels = rng.uniform(50, 200, N)
    for number, level in enumerate(levels):
        values = rng.normal(level, 15, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(values).save(Set(folder).picture(number))
    ids = [str(100 + number) for number in range(N)]
    Set(folder).write_table(pd.DataFrame({"id": ids, "crime": (levels / 100).round(3)}))
    Set(folder).config.write_text("")
    Set(folder).configure(
        data={"images": "LIDAR", "table": "table.csv", "targets": ["crime"]},
        chips={"size_px": 32},
        split={"schemes": ["random"]},
        models={"recipes": ["mine.toml"], "weights": {"test_resnet": "none"}},
    )
    return folder


@pytest.fixture
def pictures(_sound_set: Path, tmp_path: Path) -> Set:
    """The set, in a folder of the test's own."""
    shutil.copytree(_sound_set, tmp_path / "set")
    return Set(tmp_path / "set")


Spoil = Callable[[Set], object]


def save_changed(change: Callable[[torch.Tensor], torch.Tensor]) -> Spoil:
    def save(pictures: Set) -> None:
        state = create_backbone("test_resnet", 32).state_dict()
        torch.save(
            state | {"conv1.0.weight": change(state["conv1.0.weight"])}, pictures.folder / "a.pth"
        )
        pictures.weigh("a.pth")

    return save


def give_list(pictures: Set) -> None:
    torch.save([1, 2], pictures.folder / "a.pt")
    pictures.weigh("a.pt")


def give_module(pictures: Set) -> None:
    torch.save(create_backbone("test_resnet", 32), pictures.folder / "a.pt")
    pictures.weigh("a.pt")


def give_another(pictures: Set) -> None:
    save_file(create_backbone("vgg11", 32).state_dict(), pictures.folder / "a.safetensors")
    pictures.weigh("a.safetensors")


def give_pipe(pictures: Set) -> None:
    os.mkfifo(pictures.folder / "a.pth")
    pictures.weigh("a.pth")


def give_text(pictures: Set) -> None:
    (pictures.folder / "a.pth").write_text("not weights")
    pictures.weigh("a.pth")


def give_keras(pictures: Set) -> None:
    pictures.weigh("a.h5")


def spoil_vgg(spoil: Callable[[h5py.File], object]) -> Spoil:
    def give(pictures: Set) -> None:
        with h5py.File(pictures.folder / "a.h5", "w") as file:
            spoil(file)
        pictures.use("vgg11")
        pictures.configure(models={"weights": {"vgg11": "a.h5"}})

    return give


def link_out(file: h5py.File) -> None:
    file["block1_conv1"] = h5py.ExternalLink("/etc/passwd", "/")


def store_out(file: h5py.File) -> None:
    outside = [("/etc/passwd", 0, 432)]
    file.create_dataset("block1_conv1/kernel:0", (3, 3, 3, 4), "f4", external=outside)


def write_vgg(file: h5py.File, value: float) -> None:
    """Write a VGG11 as Keras 2 does, its first kernel all one value."""
    inside, names = 3, list[str]()
    for block, outside, n_layers in (
        (1, 64, 1),
        (2, 128, 1),
        (3, 256, 2),
        (4, 512, 2),
        (5, 512, 2),
    ):
        for number in range(1, n_layers + 1):
            names.append(f"block{block}_conv{number}")
            layer = file.create_group(names[-1]).create_group(names[-1])
            layer["kernel:0"] = np.full((3, 3, inside, outside), 0.01, np.float32)
            layer["bias:0"] = np.zeros(outside, np.float32)
            own = [f"{names[-1]}/{role}:0" for role in ("kernel", "bias")]
            file[names[-1]].attrs["weight_names"] = [name.encode() for name in own]
            inside = outside
    file.attrs["layer_names"] = [name.encode() for name in names]
    file["block1_conv1/block1_conv1/kernel:0"][...] = value


def set_weights(**weights: str) -> Spoil:
    return lambda pictures: pictures.configure(models={"weights": weights})


REFUSED_BEFORE_CHIPS: dict[str, tuple[Spoil, list[str]]] = {
    "a recipe's name for its backbone's": (
        set_weights(mine="none"),
        ["'mine' is no backbone", 'mean weights = { test_resnet = "none" }?'],
    ),
    "a misspelt backbone": (
        set_weights(**{"test-resnet": "none"}),
        ["'test-resnet' is no backbone", 'mean weights = { test_resnet = "none" }?'],
    ),
    "weights of a backbone not in use": (
        set_weights(test_resnet="none", vgg19="gone.pth"),
        ["'vgg19' is no backbone of this run's recipes (mine)", "backbones are test_resnet"],
    ),
    "weights as a text": (
        lambda p: p.configure(models={"weights": "none"}),
        ["models.weights", 'weights = { vgg16 = "none" }'],
    ),
    "a dot without quotes": (
        lambda p: p.configure(models={"weights": {"resnet18": {"a1_in1k": "none"}}}),
        ['needs quotes: weights = { "resnet18.a1_in1k" = "none" }'],
    ),
    "weights that are not there": (
        lambda p: p.weigh("gone.pth"),
        ['weights = { test_resnet = "gone.pth" }', "there is no such file"],
    ),
    "a folder of weights": (lambda p: p.weigh("LIDAR"), ["LIDAR", "is a folder. Give the file"]),
    "a pipe of weights": (give_pipe, ["a.pth", "not an ordinary file"]),
    "a text for weights": (give_text, ["a.pth", "not a plain file of weights, or damaged"]),
    "a list for weights": (give_list, ["a.pt", "something of type list, not tensors by name"]),
    "a pickled network": (give_module, ["a.pt", "holds Python objects ('timm.models"]),
    "weights of another network": (give_another, ["tensors are missing", "the first 'conv1"]),
    "weights that are no numbers": (
        save_changed(lambda values: values / 0),
        ["a.pth", "'conv1.0.weight'", "not finite"],
    ),
    "weights that no network has": (
        save_changed(lambda values: values + 1e38),
        ["a.pth", "'conv1.0.weight'", "as large as 1e+38, which no network has"],
    ),
    "Keras' weights that no network has": (
        spoil_vgg(lambda file: write_vgg(file, 1e38)),
        ["a.h5", "block1_conv1", "as large as 1e+38, which no network has"],
    ),
    "weights in whole numbers": (
        save_changed(lambda values: values.to(torch.int16)),
        ["'conv1.0.weight' is torch.int16"],
    ),
    "Keras' weights for timm's network": (give_keras, ["a.h5", "Keras files are read for VGG"]),
    "Keras' weights that link elsewhere": (
        spoil_vgg(link_out),
        ["'block1_conv1' in it is a link, which is never followed"],
    ),
    "Keras' weights that lie elsewhere": (
        spoil_vgg(store_out),
        ["'block1_conv1/kernel:0' in it is numbers of another file"],
    ),
    "an empty file of Keras'": (
        spoil_vgg(lambda file: None),
        ["its 0 convolutions do not fit the 8 of vgg11"],
    ),
    "a backbone that timm lacks": (
        lambda p: p.use("test_resent"),
        ["'test_resent': timm has no model", "test_resnet"],
    ),
    "a backbone that gives several maps": (
        lambda p: p.use("coat_lite_tiny"),
        ["backbone = 'coat_lite_tiny'", "is no map of the picture", "such as 'resnet50'"],
    ),
    "a backbone that gives one number a picture": (
        lambda p: p.use("pit_ti_224"),
        ["backbone = 'pit_ti_224'", "is no map of the picture"],
    ),
    "patches that no chip is made of": (
        lambda p: p.use("vit_small_patch14_dinov2"),
        ["vit_small_patch14_dinov2", "chips.size_px = 32", "patches of 14 px"],
    ),
    "more convolutions than there are": (
        lambda p: p.use("test_vit", ('"all"', "3")),
        ["train.trainable = 3", "Use 'all', 'none'"],
    ),
    "convolutions that are not the last": (
        lambda p: p.use("test_vit", ('"all"', "1")),
        ["train.trainable = 1", "last layers are none"],
    ),
    "batches of one": (
        lambda p: p.change_recipe(("batch_size = 8", "batch_size = 1")),
        ["train.batch_size = 1", "Use 2 or more"],
    ),
    "a GPU that is not there": (
        lambda p: p.configure(models={"device": "cuda"}),
        ["models.device = 'cuda': this machine has none", "'cpu'"],
    ),
    "a GPU by number": (
        lambda p: p.configure(models={"device": "cuda:0"}),
        ["models.device", "'cpu'", "cuda:0"],
    ),
    "a GPU by another word": (
        lambda p: p.configure(models={"device": "gpu"}),
        ["models.device", "'cpu'", "gpu"],
    ),
    "a precision of another program": (
        lambda p: p.configure(models={"precision": "16-mixed"}),
        ["models.precision", "'bf16'"],
    ),
    "half an epoch": (
        lambda p: p.configure(models={"epochs": 2.5}),
        ["models.epochs", "integer", "2.5"],
    ),
    "a key that recipes do not have": (
        lambda p: p.change_recipe(("epochs = 1", "epoch = 1")),
        ["mine.toml", "train.epoch"],
    ),
}


@pytest.mark.parametrize("kind", REFUSED_BEFORE_CHIPS)
def test_is_refused_before_a_chip_is_cut(
    kind: str, pictures: Set, expect_line: Callable[..., None]
) -> None:
    if "GPU that is not" in kind and torch.cuda.is_available():
        pytest.skip("this machine has one")
    spoil, says = REFUSED_BEFORE_CHIPS[kind]
    spoil(pictures)
    expect_line(pictures.config, *says)


DENSE_REFUSED = {
    "attention over the picture": ("test_vit", "2", ["depends on more than", "such as 'vgg16'"]),
    "windows of attention": ("swin_tiny_patch4_window7_224", "2", ["cannot be read piece by"]),
    "means over the picture": ("mobilenetv3_small_050", "3", ["depends on more than the 512"]),
    "a stage that is not there": ("test_resnet", "9", ["stages = [9]", "stages 0 to 4"]),
}


@pytest.mark.parametrize("kind", DENSE_REFUSED)
def test_a_dense_recipe_is_refused_before_a_chip_is_cut(
    kind: str, place: Any, expect_line: Callable[..., None]
) -> None:
    backbone, stage, says = DENSE_REFUSED[kind]
    text = DENSE.replace("test_resnet", backbone).replace("[2]", f"[{stage}]")
    (place.folder / "mine.toml").write_text(text)
    place.configure(models={"recipes": ["mine.toml"], "weights": {backbone: "none"}})
    expect_line(place.config, "recipe 'mine'", *says)


STACK = """\
kind = "stack"
name = "both"
about = "a"
members = {members}
"""

CLASHES: dict[str, tuple[dict[str, str], list[str]]] = {
    "a member twice": ({"one": "one"}, ["['one', 'one']", "'one' stands for two"]),
    "two members of one name": ({"one": "one", "two": "ONE"}, ["'ONE' stands for two"]),
    "a member called as a part of predictions": (
        {"one": "one", "two": "Place"},
        ["'Place' is a part of every prediction (mean, place, district)"],
    ),
    "a member called as another recipe of the run": (
        {"one": "one", "two": "relief-statistics"},
        ["two recipes of this run are named 'relief-statistics'", "other features"],
    ),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("kind", CLASHES)
def test_features_of_one_name_are_refused_before_a_chip_is_cut(
    kind: str, command: str, place: Any, expect_line: Callable[..., None]
) -> None:
    names, says = CLASHES[kind]
    for file, name in names.items():
        (place.folder / f"{file}.toml").write_text(DENSE.replace('"mine"', f'"{name}"'))
    members = [f"{file}.toml" for file in (*names, "one")[:2]]
    (place.folder / "both.toml").write_text(STACK.format(members=members))
    place.configure(
        models={"recipes": ["both.toml", "relief-statistics"], "weights": {"test_resnet": "none"}}
    )
    expect_line(place.config, "recipe ", *says, command=command)


def test_one_recipe_in_two_stacks_is_no_clash(place: Any, run_command: Callable[..., int]) -> None:
    for name in ("both", "again"):
        text = STACK.format(members=["relief-statistics", "random-features"])
        (place.folder / f"{name}.toml").write_text(text.replace('"both"', f'"{name}"'))
    place.configure(models={"recipes": ["both.toml", "again.toml", "random-features"]})
    assert run_command("check", str(place.config)) == 0


def test_resolutions_that_do_not_fit_are_refused_before_a_chip_is_cut(
    place: Any, expect_line: Callable[..., None]
) -> None:
    (place.folder / "mine.toml").write_text(DENSE.replace("2.0", "3.0"))
    place.configure(models={"recipes": ["mine.toml"], "weights": {"test_resnet": "none"}})
    expect_line(place.config, "resolutions_m = [3.0]", "multiples of chips.resolution_m = 2")


def save_all(how: Callable[[Set, int], object]) -> Spoil:
    def save(pictures: Set) -> None:
        for number in range(N):
            how(pictures, number)

    return save


def deepen(pictures: Set, number: int) -> None:
    values = np.asarray(pictures.read(number))[..., 0].astype(np.uint16) * 200
    Image.fromarray(values).save(pictures.picture(number))


def call_png(kind: str) -> Callable[[Set, int], object]:
    return lambda pictures, number: pictures.read(number).save(
        pictures.picture(number), format=kind
    )


def rename(name: str) -> Callable[[Set, int], object]:
    def move(pictures: Set, number: int) -> None:
        target = pictures.folder / "LIDAR" / name.format(100 + number)
        target.parent.mkdir(exist_ok=True)
        pictures.picture(number).rename(target)

    return move


def save_as(suffix: str) -> Callable[[Set, int], object]:
    def save(pictures: Set, number: int) -> None:
        pictures.read(number).save(pictures.picture(number).with_suffix(suffix))
        pictures.picture(number).unlink()

    return save


def copy_as_bmp(pictures: Set) -> None:
    pictures.read(0).save(pictures.picture(0).with_suffix(".jpg"))


def pipe_all(pictures: Set, number: int) -> None:
    pictures.picture(number).unlink()
    os.mkfifo(pictures.picture(number))


def change_column(name: str, change: Callable[[pd.Series[Any]], Any]) -> Spoil:
    def write(pictures: Set) -> None:
        table = pictures.table()
        pictures.write_table(table.assign(**{name: change(table["id"])}))

    return write


def call_all(pictures: Set) -> None:
    pictures.write_table(pictures.table().rename(columns={"crime": "all"}))
    pictures.configure(data={"targets": ["all"]})


def hide_all(pictures: Set, number: int) -> None:
    picture = pictures.read(number).convert("RGBA")
    picture.putalpha(0)
    picture.save(pictures.picture(number))


PICTURES_REFUSED: dict[str, tuple[Spoil, list[str]]] = {
    "sixteen bits": (
        save_all(deepen),
        ["2 of the first 2 pictures cannot be read", "LIDAR_100.png: has 16 bits a band"],
    ),
    "PostScript called PNG": (
        save_all(call_png("EPS")),
        ["LIDAR_100.png: is PostScript (EPS), and called .png"],
    ),
    "JPEG called PNG": (save_all(call_png("JPEG")), ["LIDAR_100.png: is a JPEG, and called .png"]),
    "all transparent": (
        save_all(hide_all),
        ["every picture is of one colour", "if their fourth band is no alpha, save three bands"],
    ),
    "a target called all": (
        call_all,
        ['has no column for "all"', 'rename the column "all", such as to "total"'],
    ),
    "pipes": (save_all(pipe_all), ["data.images = 'LIDAR'", "holds no picture"]),
    "pictures of another kind": (save_all(save_as(".bmp")), ["it holds .bmp", ".png, .jpg"]),
    "two pictures of one id": (
        copy_as_bmp,
        ["'LIDAR_100.jpg' and 'LIDAR_100.png' are both called as a row says"],
    ),
    "another beginning of names": (
        save_all(rename("DSM_{}.png")),
        ["none of its 24 rows has a picture", "'DSM_100.png'", "LIDAR_(id).png"],
    ),
    "ids and locations that disagree": (
        change_column("image_location", lambda ids: "LIDAR_" + ids[::-1].to_numpy() + ".png"),
        ["in 24 rows id and image_location mean different pictures"],
    ),
    "nothing but one colour": (
        save_all(lambda p, n: Image.new("RGB", (32, 32)).save(p.picture(n))),
        ["every picture is of one colour"],
    ),
}


@pytest.mark.parametrize("kind", PICTURES_REFUSED)
def test_pictures_are_refused(kind: str, pictures: Set, expect_line: Callable[..., None]) -> None:
    spoil, says = PICTURES_REFUSED[kind]
    spoil(pictures)
    expect_line(pictures.config, *says, command="chips")


def clear_half(pictures: Set, number: int) -> None:
    picture = pictures.read(number).convert("RGBA")
    alpha = np.full((32, 32), 255, dtype=np.uint8)
    alpha[: 32 if number == 0 else 16] = 0
    picture.putalpha(Image.fromarray(alpha))
    picture.save(pictures.picture(number))


def resize(width: int, height: int, every: int = 1) -> Callable[[Set, int], object]:
    def save(pictures: Set, number: int) -> None:
        if number % every == 0:
            pictures.read(number).resize((width, height)).save(pictures.picture(number))

    return save


def repeat_pictures(pictures: Set, number: int) -> None:
    if number >= 8:
        shutil.copyfile(pictures.picture(number % 8), pictures.picture(number))


def tear_one(pictures: Set) -> None:
    path = pictures.picture(3)
    path.write_bytes(path.read_bytes()[:200])


def move_below(pictures: Set) -> None:
    (pictures.folder / "LIDAR" / "old").mkdir()
    shutil.copy(pictures.picture(0), pictures.folder / "LIDAR" / "old")


def double_row(pictures: Set) -> None:
    table = pictures.table()
    pictures.write_table(pd.concat([table, table.head(1).assign(crime=9.0)]))


def fade(pictures: Set, number: int) -> None:
    picture = pictures.read(number).convert("RGBA")
    picture.putalpha(1)
    picture.save(pictures.picture(number))


def add_page(pictures: Set, number: int) -> None:
    picture, path = pictures.read(number), pictures.picture(number)
    picture.save(path.with_suffix(".tif"), save_all=True, append_images=[Image.new("L", (32, 32))])
    path.unlink()


def save_tiff(pictures: Set, number: int, **options: Any) -> None:
    path = pictures.picture(number)
    bands = np.asarray(pictures.read(number).convert("RGB")).transpose(2, 0, 1)
    # A blue band again, as infrared.
    bands = np.concatenate([bands, bands[:1]])[: 3 if "nodata" in options else 4].copy()
    if "nodata" in options:
        bands[:, :8] = options["nodata"]
    with (
        warnings.catch_warnings(action="ignore"),
        rasterio.open(
            path.with_suffix(".tif"),
            "w",
            driver="GTiff",
            **{"width": 32, "height": 32, "count": len(bands), "dtype": "uint8"},
            photometric="RGB",
            **options,
        ) as file,
    ):
        file.write(bands)
    path.unlink()


def group_half(pictures: Set) -> None:
    table = pictures.table()
    for number in range(12, N):
        path = pictures.picture(number)
        path.rename(path.with_name(f"LIDAR_{2600 + number}.png"))
    ids = [own if k < 12 else f"{2600 + k:,}" for k, own in enumerate(table["id"])]
    pictures.write_table(table.assign(id=ids))


def blank_three(pictures: Set) -> None:
    table = pictures.table()
    table.loc[3:5, "id"] = None
    pictures.write_table(table)


NOTED: dict[str, tuple[Spoil, str, int]] = {
    "faint ground": (save_all(fade), "24 of 24 pictures have pixels that are transparent in", N),
    "pages": (save_all(add_page), "24 of 24 pictures have several pages, of which the first", N),
    "infrared": (save_all(save_tiff), "24 of 24 pictures have a fourth band that is no alpha", N),
    "declared nodata": (
        save_all(lambda p, n: save_tiff(p, n, nodata=255)),
        "24 of 24 pictures are transparent in parts, or nodata (25% of their pixels)",
        N,
    ),
    "thousands set apart in half": (
        group_half,
        "12 ids have commas between thousands, and are found without them: '2,612' is 2612",
        N,
    ),
    "rows without an id": (blank_three, "3 of its 24 rows have no id and are left out", N - 3),
    "zeros lost from ids": (save_all(rename("LIDAR_00{}.png")), "24 ids are found by their", N),
    "transparent ground": (save_all(clear_half), "23 of 23 pictures are transparent in parts", 23),
    "sizes that differ": (
        save_all(resize(64, 64, every=3)),
        "8 of 24 pictures are resized to chips.size_px = 32 (8 of 64 x 64)",
        N,
    ),
    "oblong pictures": (save_all(resize(64, 32)), "24 are not square and are squashed", N),
    "copies of pictures": (
        save_all(repeat_pictures),
        "16 of 24 pictures are copies of others, pixel by pixel (such as 108 of 100); 8 pictures "
        "have several labels",
        N,
    ),
    "a column of parts": (
        change_column("split", lambda ids: ["train"] * 18 + ["test"] * 6),
        "its column 'split' (test, train) is not used",
        N,
    ),
    "a running number as id": (
        lambda p: p.write_table(
            p.table().assign(image_location=lambda t: "x/LIDAR_" + t["id"] + ".png", id=range(N))
        ),
        "pictures are found by image_location (24 of 24 rows)",
        N,
    ),
    "pictures in a sub-folder besides": (move_below, "1 pictures in its sub-folders are not", N),
    "a torn picture": (tear_one, "1 pictures cannot be read and are left out: LIDAR_103.png", 23),
    "two rows of an id": (
        double_row,
        "ids with more than one row, which differ; the first one is taken: 100",
        N,
    ),
}


@pytest.mark.parametrize("kind", NOTED)
def test_pictures_are_taken_with_a_note(
    kind: str, pictures: Set, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, says, n_used = NOTED[kind]
    spoil(pictures)
    assert run_command("chips", str(pictures.config)) == 0, capsys.readouterr().err
    folder = pictures.folder / "runs" / "c" / "chips"
    assert [says in line for line in read_json(folder / "notes.json")] == [True]
    assert f"note: {read_json(folder / 'notes.json')[0]}" in capsys.readouterr().out
    assert len(pd.read_parquet(folder / "chips.parquet")) == n_used


SOUND: dict[str, Spoil] = {
    "as it is": lambda p: None,
    "grey": save_all(lambda p, n: p.read(n).convert("L").save(p.picture(n))),
    "opaque with alpha": save_all(lambda p, n: p.read(n).convert("RGBA").save(p.picture(n))),
    "JPEG": save_all(save_as(".jpg")),
    "TIFF": save_all(save_as(".tif")),
    "all of another size": save_all(resize(64, 64)),
    "small letters": save_all(rename("lidar_{}.PNG")),
    "decimal ids": lambda p: p.write_table(p.table().assign(id=lambda t: t["id"] + ".00")),
    "ID": lambda p: p.write_table(p.table().rename(columns={"id": "ID"})),
    "Windows paths": lambda p: p.write_table(
        pd.DataFrame({"image_location": "C:\\data\\LIDAR_" + p.table()["id"] + ".png"}).assign(
            crime=p.table()["crime"]
        )
    ),
    "in folders": lambda p: save_all(rename("a/LIDAR_{}.png"))(p),
}


@pytest.mark.parametrize("kind", SOUND)
def test_sound_pictures_are_taken_without_a_word(
    kind: str, pictures: Set, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    SOUND[kind](pictures)
    assert run_command("chips", str(pictures.config)) == 0, capsys.readouterr().err
    folder = pictures.folder / "runs" / "c" / "chips"
    assert read_json(folder / "notes.json") == []
    chips = pd.read_parquet(folder / "chips.parquet")
    assert chips["crime"].tolist() == pictures.table()["crime"].tolist()


def test_a_target_that_a_part_does_not_know_is_refused_before_training(
    pictures: Set, run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    table = pictures.table()
    rare = table["crime"].where(table.index < 3)
    pictures.write_table(table.assign(rare=rare))
    pictures.configure(data={"targets": ["crime", "rare"]})
    assert run_command("run", str(pictures.config)) == 2
    line = capsys.readouterr().err
    assert "target 'rare' has a label in 3 of 24 chips, and in none of the" in line
    assert not list((pictures.folder / "runs" / "c" / "models").glob("*/"))


def test_copies_on_both_sides_of_a_split_are_counted(
    pictures: Set, run_command: Callable[..., int]
) -> None:
    save_all(repeat_pictures)(pictures)
    assert run_command("chips", str(pictures.config)) == 0
    assert run_command("split", str(pictures.config)) == 0
    run = pictures.folder / "runs" / "c"
    (record,) = read_json(run / "splits" / "leakage.json")
    chips = pd.read_parquet(run / "chips" / "chips.parquet").set_index("chip_id")
    folds = pd.read_parquet(run / "splits" / "folds.parquet").set_index("id")["fold"]
    seen = {int(own) % 8 for own in folds.index[folds == 2]}
    shared = [int(own) % 8 in seen for own in folds.index[folds == 0]]
    assert record["share_same_picture"] == pytest.approx(np.mean(shared))
    assert chips.loc["108", "same_as"] == "100"


def own_stack(member: str) -> str:
    return STACK.format(members=["relief-statistics", member]).replace('"both"', '"a"')


EARLY: dict[str, tuple[dict[str, Any], dict[str, str], tuple[str, ...]]] = {
    "a folder for weights": (
        {"recipes": ["vgg16"], "weights": {"vgg16": "wf"}},
        {"wf/a.txt": ""},
        ('weights = { vgg16 = "wf" }: is a folder. Give the file',),
    ),
    "a table for weights": (
        {"recipes": ["vgg16"], "weights": {"vgg16": "labels.csv"}},
        {},
        ('"labels.csv" }: not a kind of file that is read', ".safetensors"),
    ),
    "weights that are not there": (
        {"recipes": ["vgg16"], "weights": {"vgg16": "absent.h5"}},
        {},
        ("there is no such file",),
    ),
    "a member that is the stack itself": (
        {"recipes": ["a.toml"]},
        {"a.toml": own_stack("a.toml")},
        ("'a': members: 'a.toml' is no recipe of areas with features of its own",),
    ),
    "a ring of stacks": (
        {"recipes": ["a.toml"]},
        {"a.toml": own_stack("b.toml"), "b.toml": own_stack("a.toml")},
        ("'a': members: 'b.toml' is no recipe of areas",),
    ),
    "a kind that there is not": (
        {"recipes": ["a.toml"]},
        {"a.toml": own_stack("vgg16").replace('"stack"', '"stak"')},
        ("kind = 'stak'; allowed are network",),
    ),
    "resolutions that do not fit": (
        {"recipes": ["dense-vgg16"], "weights": {"vgg16": "none"}},
        {},
        ("resolutions_m = [1.0] must be whole multiples of chips.resolution_m = 2",),
    ),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("kind", EARLY)
def test_what_needs_no_network_is_refused_before_torch_is_loaded(
    kind: str, command: str, place: Any, refused: Callable[..., None], monkeypatch: Any
) -> None:
    models, files, says = EARLY[kind]
    (place.folder / "wf").mkdir()
    for name, text in files.items():
        (place.folder / name).write_text(text)
    place.configure(models=models)
    # No module of this name can be imported: it is the one that loads torch.
    monkeypatch.setitem(sys.modules, "basrelief.learn.stage", None)
    monkeypatch.setattr("basrelief.check.foresee_chips", lambda *_: pytest.fail("read heights"))
    refused(*says, command=command)
