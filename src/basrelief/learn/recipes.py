"""Recipes: complete ways to learn, as typed models of what stands in their files."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from basrelief.chips.store import HEIGHTS, PHOTO, STREET, Bands
from basrelief.config import DataKind, InputError
from basrelief.eyes import COLOURS, OVERLAYS
from basrelief.learn.training_recipes import AugmentRecipe, HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.values import FolderName, StrictTable, Text

Rendering = Literal["contrast", "relief", "shaded", "colours"]
LayerName = Literal["heights", "photo"]
Statistic = Literal["mean", "std"]
StreetStatistic = Literal["mean", "std", "count"]
Ground = Literal["ground", "raised", "roofs", "rough"]
Preprocessing = Literal["weights", "keras-vgg-255", "keras-resnetv2-255"]
Variant = Literal["timm", "keras"]

KERAS_BACKBONE = "resnetv2_50"
"""The backbone that Keras builds otherwise than timm does; VGG16 is the same in both."""

MEAN_PART, PLACE, DISTRICT = "mean", "place", "district"
COMPONENTS = (MEAN_PART, PLACE, DISTRICT)
"""The parts of a prediction besides those of the feature sets, which go by their recipes' names."""


def _check_overlay(layer: str) -> str:
    if layer not in OVERLAYS:
        raise ValueError(f"allowed are {', '.join(OVERLAYS)}")
    return layer


OverlayName = Annotated[Text, AfterValidator(_check_overlay)]
"""A layer beside heights."""


class NetworkRecipe(StrictTable):
    """A network that sees one chip and predicts its label."""

    kind: Literal["network"]
    name: FolderName
    about: Text
    """One line."""

    backbone: Text
    """A timm model; ``vgg16`` and ``resnetv2_50`` (ResNet50V2) are those of the coursework."""

    variant: Variant = "timm"
    """Who builds it: ``keras`` pads, strides and normalises ``resnetv2_50`` as Keras does."""

    bands: Annotated[list[Bands], Field(min_length=1)]
    """What the network sees, in order of preference; pictures are shaded. ``relief+photo`` gives
    the photo of the same ground a backbone of its own, of the same kind (late fusion)."""

    preprocessing: Preprocessing = "weights"
    """The normalisation of the weights, or Keras' ``preprocess_input`` and then 1/255."""

    standardise_targets: bool = True
    """Learn standardised labels; several targets always are."""

    head: HeadRecipe
    augment: AugmentRecipe = AugmentRecipe()
    optimiser: OptimiserRecipe
    train: TrainRecipe

    @model_validator(mode="after")
    def _check_variant(self) -> Self:
        if self.variant == "keras" and self.backbone != KERAS_BACKBONE:
            raise ValueError(
                f"variant = 'keras' is for backbone = {KERAS_BACKBONE!r} alone; leave it out"
            )
        return self

    @property
    def unit(self) -> Literal["chip", "area"]:
        """What a prediction is for."""
        return "chip"

    def choose_bands(self, kind: DataKind) -> Bands:
        """Pick the first of ``bands`` that the samples have.

        Raises
        ------
        InputError
            If the samples are pictures and the recipe wants relief only.
        """
        for bands in self.bands:
            if kind == "heights" or bands == "shaded":
                return bands
        raise InputError(
            f"recipe {self.name!r}: needs heights (bands = {self.bands}), but the data are "
            "pictures. Use a recipe whose bands include 'shaded', or give rasters (data.dsm)."
        )


class _OfAreas(StrictTable):
    """What every recipe of areas has."""

    name: FolderName
    about: Text
    """One line."""

    @property
    def unit(self) -> Literal["chip", "area"]:
        """What a prediction is for."""
        return "area"


class StatisticsRecipe(_OfAreas):
    """Numbers that describe an area's relief, and a linear model on them."""

    kind: Literal["statistics"]

    @property
    def eye(self) -> str:
        """What it looks at an area by: a code of `knowledge.CODES`, or a table by its name."""
        return HEIGHTS


class RandomRecipe(_OfAreas):
    """Responses of random filters to an area's relief, and a linear model on them."""

    kind: Literal["random-features"]

    n_filters: Annotated[int, Field(ge=1)] = 256
    """Patches of the ground that serve as filters; each gives two features."""

    patch_px: Annotated[int, Field(ge=2, le=31)] = 5
    """Side of a filter, in cells."""

    cell_m: Annotated[float, Field(gt=0)] = 2.0
    """Ground size of a cell that the filters see, in metres; heights are averaged to it."""

    bias: float = -1.0
    """Added to each response before what is below 0 is cut off."""

    @property
    def eye(self) -> str:
        """What it looks at an area by: a code of `knowledge.CODES`, or a table by its name."""
        return HEIGHTS


class DenseRecipe(_OfAreas):
    """A frozen network's activations, pooled over each area, and a linear model on them."""

    kind: Literal["dense"]

    backbone: Text
    """A timm model that can be read at its stages."""

    stages: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    """Which stages are read, as timm counts them: 3 is the fourth block of VGG16."""

    layer: LayerName = "heights"
    """What is looked at: heights, or the photo of ``[data.photo]``."""

    resolutions_m: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = None
    """Ground sizes of a pixel that the network sees, in metres: multiples of the layer's cells; by
    default these themselves."""

    rendering: Rendering = "contrast"
    """How the layer becomes a picture: heights in one of three ways, a photo as ``colours``."""

    bands: Annotated[list[Text], Field(min_length=3, max_length=3)] = Field(default=[*COLOURS])
    """Of a photo: the bands that the network sees in the place of red, green and blue."""

    pools: Annotated[list[Ground], Field(min_length=1)] = Field(default=["raised"])
    """Which ground of an area counts, each a set of features of its own: ``ground``, all of it;
    ``raised``, what stands 2.5 m above the ground and higher; ``roofs``, what is 6 to 12 m above
    it; ``rough``, what is below 6 m and uneven, as gardens, hedges, low trees and cars are."""

    statistics: Annotated[list[Statistic], Field(min_length=1)] = Field(default=["mean"])
    """What is taken over an area's cells. With ``mean`` alone a prediction is a sum over cells."""

    @property
    def eye(self) -> str:
        """What it looks at an area by: a code of `knowledge.CODES`, or a table by its name."""
        return self.layer

    @model_validator(mode="after")
    def _check_layer(self) -> Self:
        is_photo = self.layer == PHOTO
        if is_photo != (self.rendering == "colours"):
            allowed = "'colours'" if is_photo else "'contrast', 'relief' or 'shaded'"
            raise ValueError(
                f"rendering = {self.rendering!r} cannot show layer = {self.layer!r}: give {allowed}"
            )
        if is_photo and self.pools != ["ground"]:
            raise ValueError(
                f"pools = {self.pools}: what is raised or rough is not seen in a photo; give "
                'pools = ["ground"], all of it with data'
            )
        return self

    def list_resolutions(self, cell_m: float) -> list[float]:
        """List the pixels that the network sees, in metres, over a layer of such cells."""
        return self.resolutions_m or [cell_m]


class BandsRecipe(_OfAreas):
    """The numbers of a layer of many bands, pooled over each area, and a linear model."""

    kind: Literal["bands"]

    layer: OverlayName = "embedding"
    """What is pooled: the embeddings of ``[data.embedding]``, or the photo of ``[data.photo]``."""

    statistics: Annotated[list[Statistic], Field(min_length=1)] = Field(default=["mean"])
    """What is taken over an area's cells."""

    @property
    def eye(self) -> str:
        """What it looks at an area by: a code of `knowledge.CODES`, or a table by its name."""
        return self.layer


class TableRecipe(_OfAreas):
    """Columns of a table by area, and a linear model on them."""

    kind: Literal["table"]

    table: Text
    """Name of the eye that the table is: its key in ``[data.tables]``, with ``-`` for ``_``."""

    @property
    def eye(self) -> str:
        """What it looks at an area by: a code of `knowledge.CODES`, or a table by its name."""
        return self.table


class StreetRecipe(_OfAreas):
    """What a frozen network makes of street pictures, pooled over those of each area."""

    kind: Literal["street"]

    backbone: Text
    """A timm model, or one of the coursework's; seen as its head sees it."""

    # Backbones halve a picture five times.
    size_px: Annotated[int, Field(ge=32, le=1024, multiple_of=32)] = 224
    """Side of the square that a picture is brought to, whatever its shape."""

    statistics: Annotated[list[StreetStatistic], Field(min_length=1)] = Field(
        default=["mean", "std", "count"]
    )
    """What is taken over an area's pictures: the mean of each channel, its standard deviation, and
    how many pictures there are."""

    @property
    def eye(self) -> str:
        """What it looks at an area by: a code of `knowledge.CODES`, or a table by its name."""
        return STREET


class StackRecipe(_OfAreas):
    """Several recipes with features of their own, with weights learnt on inner folds."""

    kind: Literal["stack"]

    members: Annotated[list[Text], Field(min_length=2)]
    """Names or paths of recipes of areas that are not stacks."""


class KrigedRecipe(_OfAreas):
    """Eyes and place together: what recipes that see no place look at, and where areas are."""

    kind: Literal["kriged"]

    trend: Text | Annotated[list[Text], Field(min_length=1)]
    """Name or path of a recipe of areas that joins no place, or several: each is a part."""

    districts: bool = True
    """Whether areas of one district have something in common besides their distance."""


SetRecipe = StatisticsRecipe | RandomRecipe | DenseRecipe | BandsRecipe | TableRecipe | StreetRecipe
"""A recipe with a feature set of its own."""

AreaRecipe = SetRecipe | StackRecipe | KrigedRecipe
Recipe = NetworkRecipe | AreaRecipe


def find_multiple(cell_m: float, recipe: DenseRecipe, resolution_m: float) -> int:
    """Find how many cells of a recipe's layer are a pixel of its network.

    Raises
    ------
    InputError
        If it is no whole number.
    """
    factor = resolution_m / cell_m
    # Resampling would blur the texture that the features rest on.
    if round(factor) < 1 or abs(factor - round(factor)) > 1e-6:
        key = "the photo's cells in metres" if recipe.layer == PHOTO else "chips.resolution_m"
        raise InputError(
            f"recipe {recipe.name!r}: resolutions_m = {recipe.resolutions_m} must be whole "
            f"multiples of {key} = {cell_m:g}. Change one of the two."
        )
    return round(factor)


def check_resolutions(recipe: DenseRecipe, chip_m: float) -> None:
    """Find out whether a network can see heights at a recipe's resolutions.

    Parameters
    ----------
    chip_m
        ``chips.resolution_m``: the cells of the layer of heights.

    Raises
    ------
    InputError
        As `find_multiple`.
    """
    # How fine a photo is stands in its files, which are opened later.
    if recipe.layer == HEIGHTS:
        for resolution_m in recipe.list_resolutions(chip_m):
            find_multiple(chip_m, recipe, resolution_m)


def list_typed_members(recipe: Recipe) -> list[str]:
    """List the recipes that a recipe is made of, as typed there; none for most."""
    if isinstance(recipe, KrigedRecipe):
        return [recipe.trend] if isinstance(recipe.trend, str) else recipe.trend
    return recipe.members if isinstance(recipe, StackRecipe) else []
