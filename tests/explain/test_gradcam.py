from __future__ import annotations

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import Tensor, nn

from basrelief.explain.gradcam import map_heat


class Small(nn.Module):
    """Convolution, ReLU, mean over the map, one linear layer: small enough to do by hand."""

    def __init__(self, n_targets: int = 2) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, n_targets)

    def forward(self, bands: Tensor) -> Tensor:
        pooled: Tensor = torch.relu(self.features(bands)).mean(dim=(2, 3))
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
    n_cells = activation[0, 0].numel()
    is_on = (activation > 0).float()
    weight = network.head.weight[0].detach() * is_on.mean(dim=(2, 3))[0] / n_cells
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
        network.features.weight[0, :, 1, 1] = 1.0
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
