"""Heat is of the very map that the head sees, family by family of timm's; or it is said at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from basrelief.config import DataSettings, InputError, Settings
from basrelief.explain.gradcam import map_heat
from basrelief.learn.encoders import Network, NetworkPlan, build_network, cam_layer, check_network
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.training_recipes import HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.stage_settings import ModelSettings

MAP, LAST = "channels second", "channels last"

FAMILIES: dict[str, str | int] = {
    # What the network's paper and timm's code say that comes before the head: a map, or tokens
    # after so many of class, distillation and registers.
    "test_resnet": MAP,
    "resnetv2_18": MAP,
    "test_efficientnet": MAP,
    "mobilenetv3_small_050": MAP,
    "lcnet_035": MAP,
    "ghostnet_050": MAP,
    "densenet121": MAP,
    "regnetx_002": MAP,
    "test_convnext": MAP,
    "test_byobnet": MAP,
    "test_nfnet": MAP,
    "edgenext_xx_small": MAP,
    "mobilevit_xxs": MAP,
    "efficientvit_b0": MAP,
    "repvit_m1": MAP,
    "fastvit_t8": MAP,
    "pvt_v2_b0": MAP,
    "test_coatnet": MAP,
    "tiny_vit_5m_224": MAP,
    "test_mambaout": LAST,
    "swin_tiny_patch4_window7_224": LAST,
    "test_vit": 1,
    "deit_tiny_distilled_patch16_224": 2,
    "vit_tiny_patch16_dinov3_qkvb": 5,
    "test_vit_relpos": 0,
    "vit_tiny_r_s16_p8_224": 1,
    "xcit_nano_12_p16_224": 1,
    "cait_xxs24_224": 1,
    "convit_tiny": 1,
    "levit_128s": 0,
    "gmlp_ti16_224": 0,
    "efficientformer_l1": 0,
}

SIZES = {"efficientformer_l1": 224, "swin_tiny_patch4_window7_224": 224}
"""Of those that are no fun at 64 pixels."""

NO_MAP = {
    "coat_lite_tiny": "is no map of the picture",
    "crossvit_tiny_240": r"is no map of the picture|cannot (take|build)",
    "pit_ti_224": r"numbers in the shape \(1, 1, 256\)\) is no map of the picture",
    "efficientvim_m1": "is no map of the picture",
    "vit_small_patch14_dinov2": "sees patches of 14 px",
}


def make_recipe(backbone: str, **head: Any) -> NetworkRecipe:
    return NetworkRecipe(
        kind="network",
        name="tiny",
        about="tiny",
        backbone=backbone,
        bands=["shaded"],
        head=HeadRecipe(**head),
        optimiser=OptimiserRecipe(learning_rate=1e-3),
        train=TrainRecipe(trainable="all", epochs=1, batch_size=2),
    )


def settings_with(backbone: str, size_px: int) -> Settings:
    models = ModelSettings(weights={backbone: "none"}, device="cpu")
    settings = Settings(data=DataSettings(images="a", table="b"), models=models)
    chips = settings.chips.model_copy(update={"size_px": size_px})
    return settings.model_copy(update={"chips": chips})


def build(backbone: str, size_px: int) -> Network:
    plan, generator = NetworkPlan("shaded", ("crime",), size_px), torch.Generator().manual_seed(0)
    recipe = make_recipe(backbone, kind="flatten", hidden=[32])
    return build_network(recipe, plan, settings_with(backbone, size_px), generator).eval()


def lay_out(values: Tensor, layout: str | int) -> Tensor:
    """Lay what a backbone returned out as (chip, channel, row, col)."""
    if layout == MAP:
        return values
    if layout == LAST:
        return values.movedim(3, 1)
    tokens = values[:, int(layout) :]
    side = round(tokens.shape[1] ** 0.5)
    assert side**2 == tokens.shape[1]
    return tokens.reshape(len(tokens), side, side, -1).movedim(3, 1)


@pytest.mark.parametrize("backbone", FAMILIES)
def test_heat_is_by_the_gradient_of_what_the_backbone_returned(
    backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size_px = SIZES.get(backbone, 64)
    network = build(backbone, size_px)
    chips = torch.rand(2, 3, size_px, size_px, generator=torch.Generator().manual_seed(1)) * 255
    returned: list[Tensor] = []
    forward: Any = network.backbone.forward_features

    def keep(bands: Tensor) -> Tensor:
        features: Tensor = forward(bands)
        features.retain_grad()
        returned.append(features)
        return features

    with monkeypatch.context() as patch:
        patch.setattr(network.backbone, "forward_features", keep)
        network(chips).sum().backward()
    (features,) = returned
    assert features.grad is not None
    cells = lay_out(features.detach(), FAMILIES[backbone])
    gradient = lay_out(features.grad, FAMILIES[backbone])
    assert cells.shape[2] == cells.shape[3]
    by_hand = (gradient.mean(dim=(2, 3), keepdim=True) * cells).sum(dim=1, keepdim=True)
    expected = nn.functional.interpolate(by_hand, (size_px, size_px), mode="bilinear")[:, 0]
    heat = map_heat(network, cam_layer(network), chips, 0)
    atol = 1e-4 * float(expected.abs().max())
    np.testing.assert_allclose(heat, expected.detach(), rtol=1e-3, atol=atol)
    assert float(expected.abs().max()) > 0


@pytest.mark.parametrize("backbone", NO_MAP)
def test_a_backbone_without_a_map_is_refused_at_the_start(backbone: str) -> None:
    with pytest.raises(InputError, match=NO_MAP[backbone]) as refused:
        check_network(make_recipe(backbone), settings_with(backbone, 64))
    assert "\n" not in str(refused.value)


def test_tokens_stand_where_timm_itself_lays_them_out() -> None:
    network = build("test_vit", 64)
    bands = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    ours = network.extract_maps(bands * 255)
    backbone: Any = network.backbone
    normal = network.normalise(network.scale(bands * 255))
    theirs = backbone.forward_intermediates(
        normal, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
    )
    torch.testing.assert_close(ours, theirs[-1])
