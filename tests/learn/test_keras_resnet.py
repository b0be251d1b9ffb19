"""Keras' ResNet50V2: the same maps from the same file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn.keras_resnet import KerasBatchNorm
from basrelief.learn.weights import check_weights, create_backbone, load_backbone
from basrelief.stage_settings import ModelSettings


def settings_with(path: Path | str) -> Settings:
    weights = {"resnetv2_50": str(path)}
    return Settings(data=DataSettings(images="a", table="b"), models=ModelSettings(weights=weights))


def run_ours(path: Path | str, chips: Tensor) -> Tensor:
    model, normalise = load_backbone("resnetv2_50", 64, settings_with(path), "keras")
    with torch.no_grad():
        maps: Tensor = model.eval().forward_features(normalise(chips))  # type: ignore[operator]
    return maps


@pytest.mark.parametrize("size_px", [64, 75])
def test_maps_equal_those_of_keras_from_the_file_that_it_writes(
    size_px: int, keras: Any, keras_resnet: tuple[Any, Path]
) -> None:
    chips = np.random.default_rng(0).uniform(0, 255, (2, size_px, size_px, 3)).astype(np.float32)
    model = keras.applications.ResNet50V2(
        weights=None, include_top=False, input_shape=(size_px, size_px, 3)
    )
    model.load_weights(keras_resnet[1])
    prepared = keras.applications.resnet_v2.preprocess_input(chips.copy())
    expected = model(prepared).detach().numpy()
    got = run_ours(keras_resnet[1], torch.from_numpy(chips).permute(0, 3, 1, 2))
    # As a share of the largest: most values are 0, after the last activation.
    scale = np.abs(expected).max()
    np.testing.assert_allclose(got.permute(0, 2, 3, 1) / scale, expected / scale, atol=1e-4, rtol=0)
    assert 0.01 < (expected > 0).mean() < 0.99


def test_what_batches_leave_behind_equals_keras(keras: Any) -> None:
    theirs = keras.layers.BatchNormalization(epsilon=1.001e-5)
    ours = KerasBatchNorm(5).train()
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        # Few values a channel: there the two kinds of spread differ.
        maps = torch.randn(2, 5, 2, 1, generator=generator) * 3 + 1
        expected = theirs(maps.permute(0, 2, 3, 1), training=True)
        got = ours(maps).permute(0, 2, 3, 1)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    mean, spread = (each.value.detach() for each in theirs.weights[2:])
    torch.testing.assert_close(ours.running_mean, mean)
    torch.testing.assert_close(ours.running_var, spread)


def test_a_file_of_ones_own_travels_as_safetensors_too(
    keras_resnet: tuple[Any, Path], tmp_path: Path
) -> None:
    model, _ = load_backbone("resnetv2_50", 64, settings_with(keras_resnet[1]), "keras")
    save_file(model.state_dict(), tmp_path / "a.safetensors")
    chips = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 255
    got = run_ours(tmp_path / "a.safetensors", chips)
    assert torch.equal(got, run_ours(keras_resnet[1], chips))


def test_random_weights_start_as_those_of_keras() -> None:
    model = create_backbone("resnetv2_50", 64, "keras")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            n_in, n_out = (n * module.weight[0, 0].numel() for n in module.weight.shape[1::-1])
            limit = (6 / (n_in + n_out)) ** 0.5
            largest = float(module.weight.detach().abs().max())
            assert limit * 0.95 < largest < limit * 1.0001
            assert module.bias is None or not module.bias.any()


def test_without_a_file_the_line_says_how_keras_writes_one() -> None:
    nothing = Settings(data=DataSettings(images="a", table="b"))
    with pytest.raises(
        InputError,
        match=r"from a file alone.*ResNet50V2\(include_top=False\)\.save_weights.*resnetv2_50 = ",
    ):
        check_weights("resnetv2_50", nothing, "keras")


def test_timms_network_refuses_keras_weights_before_anything_runs(
    keras_resnet: tuple[Any, Path],
) -> None:
    with pytest.raises(InputError, match="timm's resnetv2_50 is another network"):
        check_weights("resnetv2_50", settings_with(keras_resnet[1]))


def test_a_file_of_another_network_is_refused_with_both_counts(
    keras_vgg: tuple[Any, Path],
) -> None:
    with pytest.raises(InputError, match=r"its 13 convolutions do not fit the 53 of resnetv2_50"):
        load_backbone("resnetv2_50", 64, settings_with(keras_vgg[1]), "keras")


def test_timms_weights_are_refused_by_the_variant_of_keras(tmp_path: Path) -> None:
    save_file(create_backbone("resnetv2_50", 64).state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"tensors are missing .* has Keras' network, not timm's"):
        load_backbone("resnetv2_50", 64, settings_with(tmp_path / "a.safetensors"), "keras")
