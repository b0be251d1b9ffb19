import pytest
import torch
from torch import Tensor, nn

from basrelief.config import DataSettings, InputError, Settings
from basrelief.learn.encoders import (
    FlattenInKerasOrder,
    Network,
    NetworkPlan,
    ScaleRelief,
    build_empty_network,
    build_network,
    cam_layer,
    set_trainable,
)
from basrelief.learn.recipe_files import load_recipe
from basrelief.learn.recipes import NetworkRecipe, Preprocessing
from basrelief.learn.training_recipes import HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.learn.weights import Normalise
from basrelief.stage_settings import ModelSettings

TINY = ("vgg16", "resnetv2_50", "test_resnet", "test_vit")
SETTINGS = Settings(
    data=DataSettings(images="a", table="b"),
    models=ModelSettings(weights=dict.fromkeys((*TINY, "vgg11"), "none")),
)
PLAN = NetworkPlan("shaded", ("crime", "income"), 32)


def recipe_of(
    backbone: str = "test_resnet",
    head: HeadRecipe | None = None,
    preprocessing: Preprocessing = "weights",
) -> NetworkRecipe:
    return NetworkRecipe(
        kind="network",
        name="tiny",
        about="tiny",
        backbone=backbone,
        bands=["shaded"],
        preprocessing=preprocessing,
        head=head or HeadRecipe(),
        optimiser=OptimiserRecipe(learning_rate=1e-3),
        train=TrainRecipe(trainable="all", epochs=1, batch_size=2),
    )


def build(recipe: NetworkRecipe, plan: NetworkPlan = PLAN, seed: int = 0) -> Network:
    return build_network(recipe, plan, SETTINGS, torch.Generator().manual_seed(seed)).eval()


@pytest.fixture(scope="module")
def vgg() -> Network:
    return build(recipe_of("vgg16", preprocessing="keras-vgg-255"))


def some_chips(n: int = 2, size: int = 32) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1)) * 255


@pytest.mark.parametrize("backbone", TINY)
def test_any_backbone_gives_a_map_and_one_number_a_target(backbone: str) -> None:
    network = build(recipe_of(backbone))
    assert network.extract_maps(some_chips()).ndim == 4
    assert network(some_chips()).shape == (2, 2)


def test_the_courseworks_vgg16_has_the_courseworks_layers() -> None:
    recipe = load_recipe("coursework-vgg16", SETTINGS)
    assert isinstance(recipe, NetworkRecipe)
    network = build_empty_network(recipe, NetworkPlan("shaded", ("crime",), 224))
    dense = [module for module in network.head if isinstance(module, nn.Linear)]
    assert [(d.in_features, d.out_features) for d in dense] == [
        (7 * 7 * 512, 128),
        (128, 128),
        (128, 64),
        (64, 1),
    ]
    assert [m.p for m in network.head if isinstance(m, nn.Dropout)] == [0.6] * 3
    set_trainable(network, recipe.train.trainable)
    n_trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert n_trained == 2 * (9 * 512 * 512 + 512) + sum(
        p.numel() for p in network.head.parameters()
    )


def test_a_map_is_flattened_in_the_order_of_keras() -> None:
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert torch.equal(FlattenInKerasOrder()(maps)[0], maps[0].permute(1, 2, 0).reshape(-1))


def test_a_pooled_head_starts_at_the_mean_of_the_labels() -> None:
    network = build(recipe_of())
    network.target_mean.copy_(torch.tensor([0.2, 7.0]))
    torch.testing.assert_close(network(some_chips()), torch.tensor([[0.2, 7.0]] * 2))


def test_dense_layers_start_as_in_keras() -> None:
    head = HeadRecipe(kind="flatten", hidden=[50])
    dense = next(m for m in build(recipe_of(head=head)).head if isinstance(m, nn.Linear))
    limit = (6 / (dense.in_features + dense.out_features)) ** 0.5
    assert limit * 0.95 < float(dense.weight.detach().abs().max()) <= limit
    assert float(dense.bias.detach().abs().max()) == 0


def test_the_same_generator_builds_the_same_network_and_leaves_torch_alone() -> None:
    before = torch.random.get_rng_state()
    recipe = recipe_of(head=HeadRecipe(kind="flatten"))
    one, two, other = (build(recipe, seed=seed)(some_chips()) for seed in (3, 3, 4))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("preprocessing", "expected"),
    [
        ("keras-vgg-255", [(30 - 103.939) / 255, (20 - 116.779) / 255, (10 - 123.68) / 255]),
        ("keras-resnetv2-255", [(v / 127.5 - 1) / 255 for v in (10, 20, 30)]),
        (
            "weights",
            [
                (v / 255 - m) / s
                for v, m, s in zip(
                    (10, 20, 30), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True
                )
            ],
        ),
    ],
)
def test_normalisation_is_the_recipes(preprocessing: Preprocessing, expected: list[float]) -> None:
    network = build(recipe_of("vgg11", preprocessing=preprocessing))
    pixel = torch.tensor([10.0, 20.0, 30.0]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(network.normalise(pixel).flatten(), torch.tensor(expected))


def test_normalisation_travels_with_the_weights(vgg: Network) -> None:
    other = build_empty_network(recipe_of("vgg16"), PLAN)
    assert isinstance(other.normalise, Normalise)
    other.load_state_dict(vgg.state_dict())
    assert torch.equal(other.normalise(some_chips()), vgg.normalise(some_chips()))


def test_relief_is_stretched_to_the_range_of_pictures() -> None:
    relief = torch.tensor([[-1.0, 45.0, 125.0], [40.0, 90.0, 999.0]])[..., None, None]
    got = ScaleRelief()(relief)[..., 0, 0]
    torch.testing.assert_close(got, torch.tensor([[0.0, 127.5, 127.5], [255.0] * 3]))


def test_explanations_look_at_the_last_map(vgg: Network) -> None:
    assert cam_layer(vgg) is vgg.get_submodule("backbone.features.29")
    for backbone in ("resnetv2_50", "test_resnet", "test_vit"):
        network = build(recipe_of(backbone))
        assert cam_layer(network) is network.last_map


def test_no_activation_overwrites_what_it_was_given(vgg: Network) -> None:
    for network in (vgg, build(recipe_of("test_resnet"))):
        modules = list(network.modules())
        assert not any(getattr(module, "inplace", False) for module in modules)


def test_only_the_last_convolutions_are_trained(vgg: Network) -> None:
    set_trainable(vgg, 2)
    names = {n for n, p in vgg.backbone.named_parameters() if p.requires_grad}
    assert names == {f"features.{i}.{kind}" for i in (26, 28) for kind in ("weight", "bias")}
    assert all(p.requires_grad for p in vgg.head.parameters())


def test_more_convolutions_than_there_are_is_refused(vgg: Network) -> None:
    with pytest.raises(InputError, match=r"trainable = 99 counts .* the backbone has 13"):
        set_trainable(vgg, 99)


def test_frozen_batch_normalisation_stays_as_it_is() -> None:
    network = build(recipe_of("test_resnet"))
    set_trainable(network, "none")
    before = {k: v.clone() for k, v in network.backbone.state_dict().items()}
    network.train()(some_chips())
    after = network.backbone.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    set_trainable(network, "all")
    assert any(m.training for m in network.train().modules() if isinstance(m, nn.BatchNorm2d))
