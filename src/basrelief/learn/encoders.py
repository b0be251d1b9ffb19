"""Networks that see a chip as it is stored and answer in the label's own unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from basrelief.chips.store import Bands
from basrelief.config import InputError, Settings
from basrelief.learn.maps import extract_map, find_patch, is_attending
from basrelief.learn.recipes import NetworkRecipe, Preprocessing
from basrelief.learn.training_recipes import HeadRecipe, Trainable
from basrelief.learn.weights import (
    CAFFE_MEAN,
    Normalise,
    check_weights,
    create_backbone,
    describe_size_fault,
    list_convolutions,
    load_backbone,
    timm_normalisation,
)

RELIEF_RANGES = ((0.0, 40.0), (0.0, 90.0), (0.0, 250.0))
"""Lowest and highest height above ground (m), slope (degrees) and altitude (m) told apart."""


N_COLOURS = 3
"""Bands that a backbone sees: what photographs have."""

ANOTHER = "Use another backbone, such as 'resnet50', 'convnext_tiny' or 'vit_small_patch16_224'."


@dataclass(frozen=True)
class NetworkPlan:
    """What a network is for: fixed when it is trained, kept beside its weights."""

    bands: Bands
    targets: tuple[str, ...]
    size_px: int

    @property
    def has_photo(self) -> bool:
        """Whether a branch of its own sees the photo of the same ground."""
        return self.bands == "relief+photo"

    @property
    def n_branches(self) -> int:
        """Backbones side by side."""
        return 1 + self.has_photo


class ScaleRelief(nn.Module):
    """Stretch relief bands to the 0 to 255 of pictures, by ranges that are the same everywhere."""

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        low, high = torch.tensor(RELIEF_RANGES).T
        # Constants of the code: no part of what is trained and saved.
        self.register_buffer("low", low.reshape(-1, 1, 1), persistent=False)
        self.register_buffer("high", high.reshape(-1, 1, 1), persistent=False)

    def forward(self, chips: Tensor) -> Tensor:
        """Stretch and clip, (chip, band, row, col) before and after."""
        return ((chips - self.low) / (self.high - self.low)).clamp(0, 1) * 255


class FlattenInKerasOrder(nn.Module):
    """Flatten a map as (row, col, channel), so that dense weights mean what they mean in Keras."""

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (chip, channel, row, col) into (chip, value)."""
        return maps.permute(0, 2, 3, 1).flatten(1)


class AveragePool(nn.Module):
    """Average a map over rows and columns."""

    def forward(self, maps: Tensor) -> Tensor:
        """Turn (chip, channel, row, col) into (chip, channel)."""
        return maps.mean((2, 3))


class Network(nn.Module):
    """Scaling, normalisation, backbone and head in one.

    Takes raw bands, (chip, band, row, col), and returns predictions in the unit of the
    labels, (chip, target).
    """

    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self,
        plan: NetworkPlan,
        backbones: Sequence[nn.Module],
        normalise: Normalise,
        head: nn.Sequential,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.scale = nn.Identity() if plan.bands == "shaded" else ScaleRelief()
        self.normalise = normalise
        self.backbone = backbones[0]
        # Late fusion: each branch learns what its own bands show, and the head joins both.
        self.photo_backbone = backbones[1] if plan.has_photo else None
        # Nothing but a name for what the head sees, so that explanations can read it.
        self.last_map = nn.Identity()
        self.head = head
        # In the state, so that a model on another machine answers in the labels' own unit.
        self.register_buffer("target_mean", torch.zeros(len(plan.targets)))
        self.register_buffer("target_std", torch.ones(len(plan.targets)))

    @property
    def backbones(self) -> list[nn.Module]:
        """The backbone, and behind it that of the photo where there is one."""
        photo = self.photo_backbone
        return [self.backbone] if photo is None else [self.backbone, photo]

    def extract_maps(self, chips: Tensor) -> Tensor:
        """Run the backbones on (chip, band, row, col): (chip, channel, row, col)."""
        maps = extract_map(self.backbone, self.normalise(self.scale(chips[:, :N_COLOURS])))
        if self.photo_backbone is None:
            return maps
        seen = extract_map(self.photo_backbone, self.normalise(chips[:, N_COLOURS:]))
        return torch.cat([maps, seen], dim=1)

    def forward(self, chips: Tensor) -> Tensor:
        """Predict labels, (chip, target), of chips, (chip, band, row, col)."""
        return self.answer(self.extract_maps(chips))

    def answer(self, maps: Tensor) -> Tensor:
        """Predict labels, (chip, target), from maps, (chip, channel, row, col)."""
        maps = self.last_map(maps)
        # The head counts in fp32: bf16 would round a score of 0.5 to the nearest 0.004.
        with torch.autocast(maps.device.type, enabled=False):
            standardised: Tensor = self.head(maps.float())
        return standardised * self.target_std + self.target_mean

    def train(self, mode: bool = True) -> Network:
        """Switch to training, but leave frozen batch normalisation as it is."""
        super().train(mode)
        for module in self.modules():
            # Its running means belong to frozen weights: two epochs of chips would spoil them.
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and _is_frozen(module):
                module.eval()
        return self


def build_network(
    recipe: NetworkRecipe, plan: NetworkPlan, settings: Settings, generator: torch.Generator
) -> Network:
    """Build a network ready to be trained, with the weights that the settings name.

    Parameters
    ----------
    generator
        Everything random in the weights is drawn from it.

    Raises
    ------
    InputError
        If the backbone does not exist or its weights cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        # timm draws from torch's global generator and takes no other.
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        # Each branch begins from the same weights, and learns its own.
        loaded = [
            load_backbone(recipe.backbone, plan.size_px, settings, recipe.variant)
            for _ in range(plan.n_branches)
        ]
        normalise = _override_normalisation(recipe.preprocessing) or loaded[0][1]
        return _assemble(recipe, plan, [backbone for backbone, _ in loaded], normalise)


def check_network(recipe: NetworkRecipe, settings: Settings) -> None:
    """Find out, before any chip is cut, whether a network can be built, trained and explained.

    Weights in a file are read for it; those that would be fetched are not.

    Raises
    ------
    InputError
        As `build_network`; or if more is to be trained than there is, the backbone gives its head
        no map of the picture, or does not take chips of this size.
    """
    check_weights(recipe.backbone, settings, recipe.variant)
    bands = recipe.choose_bands("heights" if settings.data.has_rasters else "pictures")
    plan = NetworkPlan(bands, ("",), settings.chips.size_px)
    if settings.models.weights.get(recipe.backbone) is None:
        network = build_empty_network(recipe, plan)
    else:
        network = build_network(recipe, plan, settings, torch.Generator().manual_seed(0))
    set_trainable(network, recipe.train.trainable)
    chip = torch.zeros(1, N_COLOURS * plan.n_branches, plan.size_px, plan.size_px)
    seen = chip[:, :N_COLOURS]
    if isinstance(recipe.train.trainable, int) and is_attending(network.backbone, seen):
        raise InputError(
            f"{_name(recipe)}: train.trainable = {recipe.train.trainable} counts convolutions from "
            "the last, and this backbone's last layers are none. Use 'all' or 'none'."
        )
    if recipe.train.batch_size > 1:
        return
    try:
        network.train()(chip)
    except ValueError as error:
        raise InputError(
            f"recipe {recipe.name!r}: train.batch_size = 1 leaves batch normalisation a single "
            f"number to go by at chips.size_px = {plan.size_px}. Use 2 or more."
        ) from error


def build_empty_network(recipe: NetworkRecipe, plan: NetworkPlan) -> Network:
    """Build a network that a trained state will be loaded into."""
    with torch.random.fork_rng(devices=[]):
        backbones = [
            create_backbone(recipe.backbone, plan.size_px, recipe.variant)
            for _ in range(plan.n_branches)
        ]
        # A placeholder: the state to be loaded brings its own.
        return _assemble(recipe, plan, backbones, timm_normalisation(recipe.backbone))


def measure_weights(recipe: NetworkRecipe, settings: Settings) -> tuple[int, int]:
    """Measure how large a network's weights are, in bytes: all of them, and those it trains."""
    bands = recipe.choose_bands("heights" if settings.data.has_rasters else "pictures")
    network = build_empty_network(recipe, NetworkPlan(bands, ("",), settings.chips.size_px))
    set_trainable(network, recipe.train.trainable)
    parts = list(network.parameters())
    sizes = [each.numel() * each.element_size() for each in parts]
    trained = [size for size, each in zip(sizes, parts, strict=True) if each.requires_grad]
    return sum(sizes), sum(trained)


def cam_layer(network: Network) -> nn.Module:
    """Find the layer whose output explains a prediction: the last map, after its activation.

    That is what the head sees (Keras' ``post_relu`` in ResNet50V2), or in networks that end in
    a pooling what goes into it (``block5_conv3`` in VGG16, twice as fine).
    """
    layers = getattr(network.backbone, "features", None)
    # Of two branches the head sees both maps at once, and heat is of both.
    if network.plan.has_photo:
        return network.last_map
    if isinstance(layers, nn.Sequential) and isinstance(layers[-1], nn.MaxPool2d):
        # A layer of Keras has its activation in it; here the activation is the next module.
        return layers[-2]
    return network.last_map


def set_trainable(network: Network, trainable: Trainable) -> None:
    """Freeze each backbone but for ``all`` of it, ``none``, or its last convolutions.

    Raises
    ------
    InputError
        If more convolutions are asked for than there are.
    """
    network.requires_grad_(True)
    if trainable == "all":
        return
    for backbone in network.backbones:
        backbone.requires_grad_(False)
        if trainable == "none":
            continue
        convolutions = list_convolutions(backbone)
        if trainable > len(convolutions):
            raise InputError(
                f"train.trainable = {trainable} counts convolutions from the last, and the "
                f"backbone has {len(convolutions)}. Use 'all', 'none', or a smaller number."
            )
        for convolution in convolutions[-trainable:]:
            convolution.requires_grad_(True)


def _assemble(
    recipe: NetworkRecipe, plan: NetworkPlan, backbones: Sequence[nn.Module], normalise: Normalise
) -> Network:
    n_channels, n_rows, n_cols = _try_map(recipe, plan, backbones[0].eval()).shape[1:]
    shape = (n_channels * plan.n_branches, n_rows, n_cols)
    head = _make_head(recipe.head, shape, len(plan.targets))
    return Network(plan, backbones, normalise, head)


@torch.no_grad()
def _try_map(recipe: NetworkRecipe, plan: NetworkPlan, backbone: nn.Module) -> Tensor:
    """Run a trial chip: it tells the head's width, and whether there is a map at all."""
    chip = torch.zeros(1, 3, plan.size_px, plan.size_px)
    patch_px = find_patch(backbone)
    if plan.size_px % patch_px:
        # timm leaves the rest out without a word, and heat would lie beside what it is of.
        raise InputError(
            f"{_name(recipe)}: sees patches of {patch_px} px, and chips.size_px = {plan.size_px} "
            f"is no multiple: what lies behind the last one would not be seen. {ANOTHER}"
        )
    try:
        return extract_map(backbone, chip)
    except InputError as error:
        raise InputError(f"{_name(recipe)}: {error}. {ANOTHER}") from error
    # timm's networks refuse sizes in many ways, and each says which it wants.
    except Exception as error:
        raise InputError(
            f"{_name(recipe)}: cannot take pictures of chips.size_px = {plan.size_px} "
            f"{describe_size_fault(error, recipe.backbone)}"
        ) from error


def _name(recipe: NetworkRecipe) -> str:
    return f"recipe {recipe.name!r}: backbone = {recipe.backbone!r}"


def _make_head(recipe: HeadRecipe, map_shape: tuple[int, ...], n_targets: int) -> nn.Sequential:
    """Stack dense layers on a map of (channel, row, col)."""
    is_flat = recipe.kind == "flatten"
    n_channels, n_rows, n_cols = map_shape
    if is_flat:
        layers: list[nn.Module] = [FlattenInKerasOrder()]
        width = n_channels * n_rows * n_cols
    else:
        layers = [AveragePool(), nn.LayerNorm(n_channels), nn.Dropout(recipe.dropout)]
        width = n_channels
    for hidden in recipe.hidden:
        layers += [_make_dense(width, hidden), nn.ReLU(), nn.Dropout(recipe.dropout)]
        width = hidden
    last = _make_dense(width, n_targets)
    if not is_flat:
        # Zero, so that training starts at the mean of the labels and has to earn its way.
        nn.init.zeros_(last.weight)
    return nn.Sequential(*layers, last)


def _make_dense(n_in: int, n_out: int) -> nn.Linear:
    """Make a dense layer as Keras starts it: Glorot-uniform, zero bias."""
    dense = nn.Linear(n_in, n_out)
    nn.init.xavier_uniform_(dense.weight)
    nn.init.zeros_(dense.bias)
    return dense


def _override_normalisation(preprocessing: Preprocessing) -> Normalise | None:
    """Keras' preprocess_input and then 1/255, or None for that of the weights."""
    if preprocessing == "keras-vgg-255":
        return Normalise((2, 1, 0), CAFFE_MEAN, (255.0,) * 3)
    if preprocessing == "keras-resnetv2-255":
        return Normalise((0, 1, 2), (127.5,) * 3, (127.5 * 255,) * 3)
    return None


def _is_frozen(module: nn.Module) -> bool:
    return not any(parameter.requires_grad for parameter in module.parameters())
