"""Readers of pictures, and of files of weights in every layout, for `fuzz.py`: see there."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from spoil import Attempt, spoil

from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn.keras_files import read_keras
from basrelief.learn.weights import create_backbone, load_backbone
from basrelief.sources.picture_files import open_picture
from basrelief.stage_settings import ModelSettings


def pictures(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make pictures of every format and mode that is read; open them."""
    values = rng.integers(0, 256, (64, 48, 4), dtype=np.uint8)
    whole = Image.fromarray(values)
    modes = {"a.png": "RGBA", "b.png": "P", "c.png": "LA", "d.png": "1"}
    modes |= {"e.jpg": "RGB", "f.jpg": "L", "g.jpg": "CMYK", "h.tif": "RGB", "i.tif": "RGBA"}
    for name, mode in modes.items():
        whole.convert("RGB" if mode == "CMYK" else mode).convert(mode).save(folder / name)
    whole.convert("RGB").save(folder / "j.tif", compression="tiff_lzw")
    whole.convert("RGB").save(folder / "k.png", format="EPS")
    sound = {path.name: path.read_bytes() for path in sorted(folder.glob("[a-k].*"))}

    def attempt(rng: np.random.Generator) -> None:
        name = sorted(sound)[int(rng.integers(len(sound)))]
        path = folder / "spoilt" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(spoil(sound[name], rng))
        try:
            picture = open_picture(path, 64)
        except (OSError, ValueError) as error:
            # What the chips stage counts as a picture that cannot be read.
            raise InputError(str(error)) from error
        assert picture.bands.shape == (3, 64, 64)

    return attempt


def weights(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make weights as PyTorch, safetensors and three ages of Keras keep them; load them."""
    torch.manual_seed(int(rng.integers(2**31)))
    state = create_backbone("test_resnet", 32).state_dict()
    torch.save(state, folder / "a.pth")
    torch.save(state, folder / "b.pt", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, folder / "c.ckpt")
    save_file(state, folder / "d.safetensors")
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    with h5py.File(folder / "e.h5", "w") as file:
        file["layers/conv2d/vars/0"], file["layers/conv2d/vars/1"] = kernel, kernel[0, 0, 0]
    with h5py.File(folder / "f.h5", "w") as file:
        file.attrs["layer_names"] = np.array(["block1_conv1"], dtype="S")
        group = file.create_group("block1_conv1")
        group.attrs["weight_names"] = np.array(["x_W_1:0", "x_b_1:0"], dtype="S")
        group.create_dataset("x_W_1:0", data=kernel, compression="gzip", shuffle=True)
        group["x_b_1:0"] = kernel[0, 0, 0]
    with zipfile.ZipFile(folder / "g.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "e.h5", "model.weights.h5")
    sound = {path.name: path.read_bytes() for path in sorted(folder.glob("[a-g].*"))}
    shapes = {"convolutions": [[(3, 3, 3, 4), (4,)]], "batch normalisations": []}

    def attempt(rng: np.random.Generator) -> None:
        name = sorted(sound)[int(rng.integers(len(sound)))]
        path = folder / "spoilt" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(spoil(sound[name], rng))
        if path.suffix in (".h5", ".keras"):
            read_keras("models.weights", path, shapes, "vgg16", "Hint.")
            return
        models = ModelSettings(weights={"test_resnet": str(path)})
        settings = Settings(data=DataSettings(images="a", table="b"), models=models)
        loaded, _ = load_backbone("test_resnet", 32, settings)
        assert all(torch.isfinite(value.float()).all() for value in loaded.state_dict().values())

    return attempt
