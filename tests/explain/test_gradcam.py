from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from basrelief.config import DataSettings, Settings
from basrelief.explain.gradcam import map_heat
from basrelief.learn.encoders import Network, NetworkPlan, build_network, cam_layer
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.training_recipes import HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.stage_settings import ModelSettings


class Small(nn.Module):
    """Convolution, ReLU, mean over the map, one linear layer: small enough to do by hand."""

    def __init__(self, n_targets: int = 2) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, n_targets)

    def forward(self, bands: Tensor) -> Tensor:
        pooled: Tensor = self.features(bands).mean(dim=(2, 3))
        result: Tensor = self.head(pooled)
        return result


def make_small(seed: int = 0) -> Small:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Small()


def make_chips(n_chips: int = 3) -> Tensor:
    return torch.rand(n_chips, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_heat_equals_captums() -> None:
    network, chips = make_small(), make_chips()
    inputs = chips.clone().requires_grad_()
    raw = LayerGradCam(network, network.features).attribute(inputs, target=1)
    expected = LayerAttribution.interpolate(raw, (16, 16), "bilinear")[:, 0].detach()
    heat = map_heat(network, network.features, chips, 1, n_at_once=2)
    np.testing.assert_allclose(heat, expected, rtol=1e-6, atol=1e-7)


def test_heat_equals_weights_times_activations_done_by_hand() -> None:
    network, chips = make_small(), make_chips(1)
    layer = network.features
    activation = layer(chips).detach()
    # A mean over the map passes the same gradient to every cell.
    weight = network.head.weight[0].detach() / activation[0, 0].numel()
    by_hand = (weight[:, None, None] * activation[0]).sum(dim=0, keepdim=True)[None]
    expected = nn.functional.interpolate(by_hand, (16, 16), mode="bilinear")[0, 0]
    heat = map_heat(network, layer, chips, 0)[0]
    np.testing.assert_allclose(heat, expected, rtol=1e-4, atol=1e-7)


def test_turning_the_output_round_turns_the_heat_round() -> None:
    network, chips = make_small(), make_chips()
    heat = map_heat(network, network.features, chips, 0)
    with torch.no_grad():
        network.head.weight.neg_()
    np.testing.assert_allclose(map_heat(network, network.features, chips, 0), -heat)


def test_a_flat_picture_gives_a_flat_map() -> None:
    network = make_small()
    heat = map_heat(network, network.features, torch.full((1, 3, 16, 16), 0.5), 0)
    assert np.ptp(heat) < 1e-7


def test_heat_falls_on_a_planted_object_and_has_its_sign() -> None:
    network = make_small()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        convolution = network.features[0]
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight[0, :, 1, 1] = 1.0
        network.head.weight[0, 0] = -2.0
    chips = torch.zeros(1, 3, 16, 16)
    chips[:, :, 3:7, 9:13] = 1.0
    heat = map_heat(network, network.features, chips, 0)[0]
    row, col = np.unravel_index(np.argmin(heat), heat.shape)
    assert 3 <= row < 7
    assert 9 <= col < 13
    assert heat.max() <= 0


def test_frozen_weights_can_be_explained() -> None:
    network, chips = make_small(), make_chips()
    heat = map_heat(network, network.features, chips, 0)
    network.requires_grad_(False)
    np.testing.assert_array_equal(map_heat(network, network.features, chips, 0), heat)


def test_the_network_comes_back_in_its_own_mode_and_without_gradients() -> None:
    network, chips = make_small(), make_chips()
    network.train()
    network.head.eval()
    map_heat(network, network.features, chips, 0)
    assert (network.training, network.head.training) == (True, False)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not chips.requires_grad


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit"])
def test_heat_is_of_the_very_map_that_the_head_sees(backbone: str) -> None:
    recipe = NetworkRecipe(
        kind="network",
        name="tiny",
        about="tiny",
        backbone=backbone,
        bands=["shaded"],
        head=HeadRecipe(kind="flatten", hidden=[8]),
        optimiser=OptimiserRecipe(learning_rate=1e-3),
        train=TrainRecipe(trainable="all", epochs=1, batch_size=2),
    )
    models = ModelSettings(weights={backbone: "none"})
    settings = Settings(data=DataSettings(images="a", table="b"), models=models)
    plan, generator = NetworkPlan("shaded", ("crime",), 64), torch.Generator().manual_seed(0)
    network = build_network(recipe, plan, settings, generator).eval()
    chips = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 255
    cells = network.extract_maps(chips).detach().requires_grad_()  # (chip, channel, row, col)
    (gradient,) = torch.autograd.grad(network.head(cells).sum(), cells)
    by_hand = (gradient.mean(dim=(2, 3), keepdim=True) * cells.detach()).sum(dim=1, keepdim=True)
    expected = nn.functional.interpolate(by_hand, (64, 64), mode="bilinear")[:, 0]
    heat = map_heat(network, cam_layer(network), chips, 0)
    np.testing.assert_allclose(heat, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert np.ptp(heat) > 0


def build_ours(recipe: str, backbone: str, weights: Path) -> Network:
    """Build a coursework's network of 64 pixels on Keras' weights."""
    models = ModelSettings(weights={backbone: str(weights)})
    settings = Settings(data=DataSettings(images="a", table="b"), models=models)
    loaded = load_recipe(recipe, settings)
    assert isinstance(loaded, NetworkRecipe)
    plan = NetworkPlan("shaded", ("crime",), 64)
    return build_network(loaded, plan, settings, torch.Generator().manual_seed(0)).eval()


def map_theirs(
    keras: Any, base: Any, layer: str, head: nn.Sequential, pictures: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weigh the output of one of Keras' layers by its gradients; predictions too."""
    tapped = keras.Model(base.input, base.get_layer(layer).output)
    cells = tapped(pictures).detach().requires_grad_()
    # What Keras does from that layer on, as a model of its own.
    inputs = keras.Input(cells.shape[1:])
    answer, behind = inputs, False
    for each in base.layers:
        answer = each(answer) if behind else answer
        behind = behind or each.name == layer
    answer = keras.layers.Flatten()(answer)
    dense = [module for module in head if isinstance(module, nn.Linear)]
    for each in dense[:-1]:
        answer = keras.layers.Dense(each.out_features, activation="relu")(answer)
    rest = keras.Model(inputs, keras.layers.Dense(1)(answer))
    theirs = [each for each in rest.layers if isinstance(each, keras.layers.Dense)]
    for each, ours in zip(theirs, dense, strict=True):
        each.set_weights([values.detach().numpy().T for values in ours.parameters()])
    predicted = rest(cells)
    (gradient,) = torch.autograd.grad(predicted.sum(), cells)
    heat = (gradient.mean(dim=(1, 2), keepdim=True) * cells.detach()).sum(dim=3, keepdim=True)
    large = keras.ops.image.resize(heat, pictures.shape[1:3], interpolation="bilinear")
    return large[..., 0].numpy(), predicted.detach().numpy()


@pytest.mark.parametrize(
    ("recipe", "backbone", "module", "layer"),
    [
        ("coursework-vgg16", "vgg16", "vgg16", "block5_conv3"),
        ("coursework-resnet50v2", "resnetv2_50", "resnet_v2", "post_relu"),
    ],
)
def test_heat_equals_that_of_keras_own_layer_and_gradients(
    recipe: str,
    backbone: str,
    module: str,
    layer: str,
    keras: Any,
    keras_vgg: tuple[Any, Path],
    keras_resnet: tuple[Any, Path],
) -> None:
    base, weights = keras_vgg if backbone == "vgg16" else keras_resnet
    network = build_ours(recipe, backbone, weights)
    chips = np.random.default_rng(1).uniform(0, 255, (3, 64, 64, 3)).astype(np.float32)
    prepared = getattr(keras.applications, module).preprocess_input(chips.copy()) / 255
    expected, predicted = map_theirs(keras, base, layer, network.head, prepared)
    bands = torch.from_numpy(chips).permute(0, 3, 1, 2)
    heat = map_heat(network, cam_layer(network), bands, 0)
    np.testing.assert_allclose(network(bands).detach(), predicted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(heat, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert np.ptp(expected) > 1e-3 * np.abs(predicted).max()
