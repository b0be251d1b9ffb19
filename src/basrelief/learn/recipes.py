"""Recipes: complete ways to learn, each a TOML file that a person can read."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from basrelief.chips.store import HEIGHTS, Bands
from basrelief.config import InputError, Settings
from basrelief.eyes import name_eye
from basrelief.learn.training_recipes import AugmentRecipe, HeadRecipe, OptimiserRecipe, TrainRecipe
from basrelief.names import suggest
from basrelief.toml import format_toml, parse_toml, read_toml, show, tell_fault
from basrelief.values import FolderName, StrictTable, Text

Rendering = Literal["contrast", "relief", "shaded", "colours"]
LayerName = Literal["heights", "photo"]
Statistic = Literal["mean", "std"]
Ground = Literal["ground", "raised", "roofs", "rough"]
Preprocessing = Literal["weights", "keras-vgg-255", "keras-resnetv2-255"]
Variant = Literal["timm", "keras"]

KERAS_BACKBONE = "resnetv2_50"
"""The backbone that Keras builds otherwise than timm does; VGG16 is the same in both."""

MEAN, PLACE, DISTRICT = "mean", "place", "district"
COMPONENTS = (MEAN, PLACE, DISTRICT)
"""The parts of a prediction besides those of the feature sets, which go by their recipes' names."""


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
    """What the network sees, in order of preference; pictures are shaded."""

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

    def choose_bands(self, kind: Literal["pictures", "heights", "tables"]) -> Bands:
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

    bands: Annotated[list[Text], Field(min_length=3, max_length=3)] = Field(
        default=["red", "green", "blue"]
    )
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
        is_photo = self.layer == "photo"
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


class TableRecipe(_OfAreas):
    """Columns of a table by area, and a linear model on them."""

    kind: Literal["table"]

    table: Text
    """Name of the eye that the table is: its key in ``[data.tables]``, with ``-`` for ``_``."""

    @property
    def eye(self) -> str:
        """What it looks at an area by: a code of `knowledge.CODES`, or a table by its name."""
        return self.table


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


LidarRecipe = StatisticsRecipe | RandomRecipe | DenseRecipe
"""A recipe with features of heights."""

SetRecipe = LidarRecipe | TableRecipe
"""A recipe with a feature set of its own."""

AreaRecipe = SetRecipe | StackRecipe | KrigedRecipe
Recipe = NetworkRecipe | AreaRecipe


def list_recipes() -> list[Recipe]:
    """Read every recipe that comes with the package, in order of name."""
    return [_parse(_shipped(name), name) for name in _shipped_names()]


def load_recipe(typed: str, settings: Settings) -> Recipe:
    """Read a recipe and apply the settings' overrides.

    Parameters
    ----------
    typed
        Name of a shipped recipe, or path of a TOML file relative to the configuration file.

    Raises
    ------
    InputError
        If there is no such recipe (the message lists those there are), or it is not valid.
    """
    # A shipped name wins: a file of one's own is known by its ending.
    names = _shipped_names()
    if typed in names:
        return _override(_parse(_shipped(typed), typed), settings)
    if name_eye(typed) in settings.table_eyes:
        return _of_table(name_eye(typed))
    if not typed.endswith(".toml"):
        names += settings.table_eyes
        raise InputError(
            f"models.recipes: no recipe {typed!r}. There are {', '.join(names)}; "
            f"a recipe of your own is given as the path of a .toml file.{suggest(typed, names)}"
        )
    try:
        table = read_toml(settings.locate(typed))
    except ValueError as error:
        raise InputError(f"models.recipes: {typed!r}: {error}.") from error
    recipe = _check(table, typed)
    if isinstance(recipe, TableRecipe) and recipe.table not in settings.table_eyes:
        eyes = settings.table_eyes
        raise InputError(
            f"recipe {typed!r}: table: no table {recipe.table!r} in [data.tables] "
            f"({', '.join(eyes) or 'which is empty'}).{suggest(recipe.table, eyes)}"
        )
    return _override(recipe, settings)


def _of_table(eye: str) -> TableRecipe:
    """Make the recipe that a table is by itself."""
    about = f"the table {eye} alone: its columns, and a linear model"
    return TableRecipe(kind="table", name=eye, about=about, table=eye)


def find_members(recipe: AreaRecipe, settings: Settings) -> list[SetRecipe]:
    """Find the recipes with features of their own that a recipe rests on; itself, if it has.

    Raises
    ------
    InputError
        If a member does not exist, is a network, or rests on others where it may not.
    """
    if isinstance(recipe, SetRecipe):
        return [recipe]
    members: list[SetRecipe] = []
    for typed in list_typed_members(recipe):
        member = load_recipe(typed, settings)
        if isinstance(recipe, KrigedRecipe):
            # Place comes in once, beside the trend.
            if isinstance(member, NetworkRecipe | KrigedRecipe):
                raise _refuse_member(recipe, "trend", typed)
            members += find_members(member, settings)
            continue
        if not isinstance(member, SetRecipe):
            raise _refuse_member(recipe, "members", typed)
        members.append(member)
    return members


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
        key = "the photo's cells in metres" if recipe.layer == "photo" else "chips.resolution_m"
        raise InputError(
            f"recipe {recipe.name!r}: resolutions_m = {recipe.resolutions_m} must be whole "
            f"multiples of {key} = {cell_m:g}. Change one of the two."
        )
    return round(factor)


def list_typed_members(recipe: Recipe) -> list[str]:
    """List the recipes that a recipe is made of, as typed there; none for most."""
    if isinstance(recipe, KrigedRecipe):
        return [recipe.trend] if isinstance(recipe.trend, str) else recipe.trend
    return recipe.members if isinstance(recipe, StackRecipe) else []


def list_backbones(recipe: Recipe, settings: Settings) -> list[str]:
    """List the backbones whose weights a recipe uses."""
    if isinstance(recipe, NetworkRecipe):
        return [recipe.backbone]
    members = find_members(recipe, settings)
    return [member.backbone for member in members if isinstance(member, DenseRecipe)]


def _refuse_member(recipe: AreaRecipe, key: str, typed: str) -> InputError:
    return InputError(
        f"recipe {recipe.name!r}: {key}: {typed!r} is no recipe of areas with features of its own. "
        "Give one such as 'dense-vgg16' or 'relief-statistics', or the name of a table."
    )


def read_recipe(path: Path) -> Recipe:
    """Read the recipe beside a trained model, as it stands there."""
    return _parse(path.read_text(encoding="utf-8"), str(path))


def format_recipe(recipe: Recipe) -> str:
    """Write a recipe as TOML, everything resolved.

    Examples
    --------
    >>> recipe = StackRecipe(kind="stack", name="a", about="b", members=["c", "d"])
    >>> print(format_recipe(recipe))
    name = "a"
    about = "b"
    kind = "stack"
    members = ["c", "d"]
    <BLANKLINE>
    """
    return format_toml(recipe.model_dump(exclude_none=True))


def _shipped_names() -> list[str]:
    folder = files("basrelief") / "recipes"
    return sorted(
        item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")
    )


def _shipped(name: str) -> str:
    return (files("basrelief") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")


def _parse(text: str, typed: str) -> Recipe:
    try:
        table = parse_toml(text.encode())
    except ValueError as error:
        raise InputError(f"recipe {typed!r}: {error}.") from error
    return _check(table, typed)


def _check(table: dict[str, Any], typed: str) -> Recipe:
    kinds: dict[str, type[Recipe]] = {
        "network": NetworkRecipe,
        "statistics": StatisticsRecipe,
        "random-features": RandomRecipe,
        "dense": DenseRecipe,
        "table": TableRecipe,
        "stack": StackRecipe,
        "kriged": KrigedRecipe,
    }
    # The kind first: against every model at once a misspelt key would be told for each.
    model = kinds.get(str(table.get("kind")))
    if model is None:
        raise InputError(
            f"recipe {typed!r}: kind = {show(table.get('kind'))}; allowed are {', '.join(kinds)}."
        )
    try:
        # As JSON, whose rules for text, numbers and lists are those of TOML; dates become text.
        return model.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        key, reason = tell_fault(error, model)
        raise InputError(f"recipe {typed!r}: {f'{key}: ' if key else ''}{reason}.") from error
    except (ValueError, RecursionError) as error:
        what = "a number has too many digits, or tables lie too deep in each other"
        raise InputError(f"recipe {typed!r}: {what}.") from error


def _override(recipe: Recipe, settings: Settings) -> Recipe:
    """Put the settings' epochs and steps in the place of a network recipe's."""
    models = settings.models
    if not isinstance(recipe, NetworkRecipe):
        return recipe
    # Into the recipe itself: beside a model stands how it was trained, not how it is published.
    train, optimiser = recipe.train, recipe.optimiser
    if models.steps_per_epoch is not None:
        steps = {"steps_per_epoch": models.steps_per_epoch}
        if train.validation_steps is not None and train.steps_per_epoch is not None:
            # A quick look validates in proportion, or validation would take most of it.
            share = min(1.0, models.steps_per_epoch / train.steps_per_epoch)
            steps["validation_steps"] = max(1, round(share * train.validation_steps))
        train = train.model_copy(update=steps)
    if models.epochs is not None:
        # Half at most stays frozen or slow, so that a quick look sees both phases.
        half = models.epochs // 2
        frozen = min(train.frozen_epochs, half)
        train = train.model_copy(update={"epochs": models.epochs, "frozen_epochs": frozen})
        if optimiser.warm_up_learning_rate is not None:
            slow = min(optimiser.warm_up_epochs, half)
            optimiser = optimiser.model_copy(update={"warm_up_epochs": slow})
    return recipe.model_copy(update={"train": train, "optimiser": optimiser})
