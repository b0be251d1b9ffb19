"""Every layout of Keras' weights is read as Keras reads it, and nothing outside the file is."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn.keras_files import read_keras
from basrelief.learn.weights import create_backbone, load_backbone
from basrelief.stage_settings import ModelSettings

Write = Callable[[Any, Any, Path], Path]


def settings_with(**typed: str) -> Settings:
    models = ModelSettings(weights=dict(typed))
    return Settings(data=DataSettings(images="a", table="b"), models=models)


def save_download(keras: Any, model: Any, path: Path) -> Path:
    """As ``vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5`` is laid out."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([layer.name for layer in model.layers], dtype="S")
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}_W_1:0", f"{layer.name}_b_1:0"][: len(layer.weights)]
            group.attrs["weight_names"] = np.array(names, dtype="S")
            for name, values in zip(names, layer.get_weights(), strict=True):
                group[name] = values
    return path


def save_plain_groups(keras: Any, model: Any, path: Path) -> Path:
    """A group a layer and nothing that lists them: numbers in names are all there is."""
    with h5py.File(path, "w") as file:
        for layer in model.layers:
            for name, values in zip(("kernel:0", "bias:0"), layer.get_weights(), strict=False):
                file[f"{layer.name}/{name}"] = values
    return path


def save_nested(keras: Any, model: Any, path: Path) -> Path:
    whole = keras.Sequential([model, keras.layers.Flatten(), keras.layers.Dense(3)])
    whole.build((None, *model.input_shape[1:]))
    # An optimiser brings arrays of the same shapes.
    whole.compile("adam", "mse")
    whole.optimizer.build(whole.trainable_variables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("absl.logging.warning", lambda *_: None)
        if path.name.endswith(".weights.h5"):
            whole.save_weights(path)
        else:
            whole.save(path)
    return path


LAYOUTS: dict[str, tuple[str, Write]] = {
    "as Keras 2's download": ("notop.h5", save_download),
    "groups without lists": ("own.h5", save_plain_groups),
    "nested, Keras 3": ("nested.weights.h5", save_nested),
    "nested, an archive": ("nested.keras", save_nested),
    "nested, a whole model of Keras 2": ("nested.h5", save_nested),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_vgg16_is_read_from(
    layout: str, keras: Any, keras_vgg: tuple[Any, Path], tmp_path: Path
) -> None:
    name, save = LAYOUTS[layout]
    path = save(keras, keras_vgg[0], tmp_path / name)
    loaded, _ = load_backbone("vgg16", 64, settings_with(vgg16=str(path)))
    ours = [m for m in loaded.modules() if isinstance(m, nn.Conv2d)]
    theirs = [layer.get_weights() for layer in keras_vgg[0].layers if layer.weights]
    for convolution, (kernel, bias) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(convolution.weight.detach().permute(2, 3, 1, 0), kernel)
        assert convolution.bias is not None
        np.testing.assert_array_equal(convolution.bias.detach(), bias)


def test_resnet50v2_of_keras_2_makes_the_same_maps(
    keras: Any, keras_resnet: tuple[Any, Path], tmp_path: Path
) -> None:
    model, _ = keras_resnet
    path = tmp_path / "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([layer.name for layer in model.layers], dtype="S")
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{each.name}:0" for each in layer.weights]
            group.attrs["weight_names"] = np.array(names, dtype="S")
            for name, values in zip(names, layer.get_weights(), strict=True):
                group[name] = values
    settings = settings_with(resnetv2_50=str(path))
    loaded, _ = load_backbone("resnetv2_50", 64, settings, "keras")
    chips = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
    with torch.no_grad():
        expected = np.asarray(model(chips).detach().cpu())
        got = loaded.eval().forward_features(torch.from_numpy(chips).permute(0, 3, 1, 2))  # type: ignore[operator]
    np.testing.assert_allclose(got.permute(0, 2, 3, 1), expected, rtol=1e-3, atol=1e-3)


SHAPES = {"convolutions": [[(3, 3, 3, 4), (4,)]], "batch normalisations": []}


def write_small(path: Path, kernel: Any = None) -> Path:
    with h5py.File(path, "w") as file:
        values = np.ones((3, 3, 3, 4), dtype=np.float32) if kernel is None else kernel
        file["layers/conv2d/vars/0"] = values
        file["layers/conv2d/vars/1"] = np.zeros(4, dtype=np.float32)
    return path


@pytest.mark.parametrize("kind", [">f4", "<f8", "<f2"])
def test_numbers_of_any_order_of_bytes_and_length_are_read(kind: str, tmp_path: Path) -> None:
    kernel = np.arange(108).reshape(3, 3, 3, 4)
    path = write_small(tmp_path / "a.h5", kernel.astype(kind))
    read = read_keras("models.weights", path, SHAPES, "vgg16", "Hint.")["convolutions"][0][0]
    np.testing.assert_array_equal(torch.from_numpy(read), kernel)


@pytest.mark.parametrize("is_listed", [True, False])
def test_layers_that_nothing_puts_in_order_are_refused(is_listed: bool, tmp_path: Path) -> None:
    kernels = [np.full((3, 3, 4, 4), value, dtype=np.float32) for value in (1, 2)]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        # The network's own order; the alphabet has it the other way round.
        for name, kernel in zip(("stem", "body"), kernels, strict=True):
            file[f"{name}/kernel:0"], file[f"{name}/bias:0"] = kernel, np.zeros(4, np.float32)
            if is_listed:
                file[name].attrs["weight_names"] = [b"kernel:0", b"bias:0"]
        if is_listed:
            file.attrs["layer_names"] = [b"stem", b"body"]
    wanted = {"convolutions": [[(3, 3, 4, 4), (4,)]] * 2, "batch normalisations": []}
    if is_listed:
        read = read_keras("models.weights", tmp_path / "a.h5", wanted, "vgg16", "Hint.")
        assert [layer[0].max() for layer in read["convolutions"]] == [1, 2]
        return
    with pytest.raises(InputError, match="order its convolutions come, 'body' and 'stem'"):
        read_keras("models.weights", tmp_path / "a.h5", wanted, "vgg16", "Hint.")


def test_blocks_without_a_list_come_by_their_numbers(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(1, 13):
            file[f"block{number}/kernel:0"] = np.full((3, 3, 4, 4), number, dtype=np.float32)
            file[f"block{number}/bias:0"] = np.zeros(4, dtype=np.float32)
    wanted = {"convolutions": [[(3, 3, 4, 4), (4,)]] * 12, "batch normalisations": []}
    read = read_keras("models.weights", tmp_path / "a.h5", wanted, "vgg16", "Hint.")
    assert [layer[0].max() for layer in read["convolutions"]] == list(range(1, 13))


def test_numbers_too_large_for_a_network_are_refused(tmp_path: Path) -> None:
    path = write_small(tmp_path / "a.h5", np.full((3, 3, 3, 4), 1e300))
    with pytest.raises(InputError, match="numbers that are not finite"):
        read_keras("models.weights", path, SHAPES, "vgg16", "Hint.")


@pytest.mark.parametrize(("where", "name"), [("/", b"theano"), ("model_weights", "Theano")])
def test_kernels_that_theano_learnt_are_refused(where: str, name: Any, tmp_path: Path) -> None:
    path = write_small(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file.require_group(where).attrs["backend"] = name
    with pytest.raises(InputError, match=r"learnt with Theano.*mirrors them"):
        read_keras("models.weights", path, SHAPES, "vgg16", "Hint.")


def link_outside(path: Path) -> None:
    write_small(path.with_name("other.h5"))
    with h5py.File(path, "a") as file:
        del file["layers/conv2d"]
        file["layers/conv2d"] = h5py.ExternalLink("other.h5", "/layers/conv2d")


def link_softly(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["layers/conv2d_1"] = h5py.SoftLink("/layers/conv2d")


def store_outside(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["layers/conv2d/vars/0"]
        shape, where = (3, 3, 3, 4), [("/etc/passwd", 0, 432)]
        file.create_dataset("layers/conv2d/vars/0", shape, "f4", external=where)


def draw_from_elsewhere(path: Path) -> None:
    layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "a", (3, 3, 3, 4))
    with h5py.File(path, "a") as file:
        del file["layers/conv2d/vars/0"]
        file.create_virtual_dataset("layers/conv2d/vars/0", layout)


def hold_itself(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["layers/conv2d/again"] = file["layers"]


def hold_two(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["other/layers/conv2d/vars/0"] = np.full((3, 3, 3, 4), 2, dtype=np.float32)
        file["other/layers/conv2d/vars/1"] = np.zeros(4, dtype=np.float32)


def hold_words(path: Path) -> None:
    write_small(path, np.full((3, 3, 3, 4), b"word"))


def hold_whole_numbers(path: Path) -> None:
    write_small(path, np.ones((3, 3, 3, 4), dtype=np.int32))


def hold_nothing_known(path: Path) -> None:
    write_small(path, np.full((3, 3, 3, 4), np.nan, dtype=np.float32))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:900])


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link to another file": (link_outside, "'layers/conv2d' in it is a link"),
    "a soft link": (link_softly, "is a link, which is never followed"),
    "numbers kept elsewhere": (store_outside, "is numbers of another file"),
    "a virtual array": (draw_from_elsewhere, "is numbers of another file"),
    "two networks": (hold_two, "save one network alone: 2 in it"),
    "words": (hold_words, "not decimal numbers"),
    "whole numbers": (hold_whole_numbers, "is int32, not decimal numbers"),
    "not a number": (hold_nothing_known, "not finite"),
    "a file that ends early": (cut_off, "not a Keras file of weights"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_is_refused(kind: str, tmp_path: Path) -> None:
    spoil, says = REFUSED[kind]
    path = write_small(tmp_path / "a.h5")
    spoil(path)
    with pytest.raises(InputError, match=says) as refused:
        read_keras("models.weights", path, SHAPES, "vgg16", "Hint.")
    assert "\n" not in str(refused.value)


def test_a_group_that_holds_itself_is_read_once(tmp_path: Path) -> None:
    path = write_small(tmp_path / "a.h5")
    hold_itself(path)
    read = read_keras("models.weights", path, SHAPES, "vgg16", "Hint.")
    assert [array.shape for array in read["convolutions"][0]] == [(3, 3, 3, 4), (4,)]


def test_an_archive_without_weights_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match="a zip archive without weights"):
        read_keras("models.weights", tmp_path / "a.keras", SHAPES, "vgg16", "Hint.")


def test_an_archive_that_is_damaged_is_refused(tmp_path: Path) -> None:
    source, rng = write_small(tmp_path / "a.h5"), np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(source, "model.weights.h5")
    content = (tmp_path / "a.keras").read_bytes()
    for number in range(150):
        spoilt = bytearray(content)
        at = int(rng.integers(len(spoilt)))
        # Taken out, so that what follows lies elsewhere than the archive says.
        del spoilt[at : at + int(rng.integers(1, 64))]
        if number % 2:
            spoilt = bytearray(content)
            spoilt[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "a.keras").write_bytes(spoilt)
        try:
            read = read_keras("models.weights", tmp_path / "a.keras", SHAPES, "vgg16", "Hint.")
        except InputError:
            continue
        assert read["convolutions"][0][0].shape == (3, 3, 3, 4)


def test_a_shape_that_differs_is_named(tmp_path: Path) -> None:
    path = write_small(tmp_path / "a.h5", np.ones((3, 3, 3, 5), dtype=np.float32))
    with pytest.raises(InputError, match=r"'layers/conv2d' in it is \[\(3, 3, 3, 5\), \(4,\)\] in"):
        read_keras("models.weights", path, SHAPES, "vgg16", "Hint.")


def test_bytes_changed_at_random_never_end_in_another_error(tmp_path: Path) -> None:
    source = create_backbone("vgg11", 32)
    kernels = [m.weight for m in source.modules() if isinstance(m, nn.Conv2d)][:1]
    kernel = kernels[0].detach().permute(2, 3, 1, 0).numpy()[..., :4]
    content, rng = write_small(tmp_path / "a.h5", kernel).read_bytes(), np.random.default_rng(0)
    for number in range(150):
        spoilt = bytearray(content)
        for at in rng.integers(0, len(spoilt), rng.integers(1, 20)):
            spoilt[at] = rng.integers(256)
        path = tmp_path / f"{number}.h5"
        path.write_bytes(spoilt[: rng.integers(1, len(spoilt))] if number % 3 == 0 else spoilt)
        try:
            read = read_keras("models.weights", path, SHAPES, "vgg16", "Hint.")
        except InputError:
            continue
        assert read["convolutions"][0][0].shape == (3, 3, 3, 4)
