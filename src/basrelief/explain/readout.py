"""What a final model reads of dense features, told for single cells of the ground."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import HEIGHTS
from basrelief.learn.area_models import AreaModel, load_model
from basrelief.learn.features import BACKBONE, find_folder, name_columns
from basrelief.learn.final import read_model
from basrelief.learn.joint import JointProcess
from basrelief.learn.linear import REACH, LinearModel, predict_linear
from basrelief.learn.measures import bring_to_scale
from basrelief.learn.recipe_files import read_recipe
from basrelief.learn.recipes import (
    BandsRecipe,
    DenseRecipe,
    NetworkRecipe,
    SetRecipe,
    StreetRecipe,
    TableRecipe,
)
from basrelief.run import MODEL, Run

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The features of one resolution, pool and stage: one grid of cells on the ground."""

    member: int
    """Position of the dense recipe among the model's members."""

    resolution_m: float
    pool: int
    stage: int
    """Positions among the recipe's pools and stages."""

    mean: Positions
    """(channel,) Where the means stand among the model's features."""

    std: Positions
    """(channel,) Where the standard deviations stand; empty where they were not asked for."""


@dataclass(frozen=True, eq=False)
class Readout:
    """What the cells of one area contribute, as a polynomial of their activations."""

    linear: Floats
    """(channel, target)"""

    square: Floats | None
    """(channel, target) None where spreads were not asked for."""

    constant: Floats
    """(target,)"""

    def read(self, cells: NDArray[np.float32]) -> Floats:
        """Give each cell's contribution, (cell, target), from its activations, (channel, cell).

        The mean over an area's cells, each weighed as it was pooled, is what they add to its
        prediction.
        """
        values = cells.astype(np.float64)  # (channel, cell)
        found: Floats = values.T @ self.linear + self.constant
        if self.square is not None:
            found += (values**2).T @ self.square
        return found


@dataclass(frozen=True, eq=False)
class DenseModel:
    """A final model that reads the ground through dense features, and what it read."""

    recipes: tuple[str, ...]
    """Recipes of this very model."""

    targets: tuple[str, ...]
    """Those that features count for; the others are predicted by their mean."""

    linear: LinearModel
    """Of these targets alone. Where place is joined, what features say beside it."""

    members: tuple[SetRecipe, ...]
    folder: Path
    """The final model's."""

    features: pd.DataFrame
    """One row an area of the place, by ``area_id``; columns as the model learnt them."""

    tables: tuple[pd.DataFrame, ...] = ()
    """The same of each member, as they were measured."""

    layer: str = HEIGHTS
    """What is explained on the ground: a map has the cells of one layer."""

    @cached_property
    def feature_maps(self) -> list[FeatureMap]:
        """Every grid of cells that the model reads."""
        return [
            _find_feature_map(self, k, resolution_m, pool, stage)
            for k, member in self.dense
            for resolution_m in member.resolutions_m or ()
            for pool in range(len(member.pools))
            for stage in range(len(member.stages))
        ]

    @property
    def dense(self) -> list[tuple[int, DenseRecipe]]:
        """The dense members that look at the layer, with their positions."""
        return [
            (k, member)
            for k, member in enumerate(self.members)
            if isinstance(member, DenseRecipe) and member.layer == self.layer
        ]

    def backbone_of(self, member: int) -> Path:
        """Give the file of the network whose features a member is."""
        name = f"{member}-{self.members[member].name}"
        return self.folder / "members" / name / BACKBONE

    def describe(self, area_id: str) -> Floats:
        """Give the features of an area, (feature,)."""
        values: Floats = self.features.loc[area_id].to_numpy(np.float64)
        return values

    def predict(self, x: Floats) -> Floats:
        """Predict the targets, (target,), from the features of one area, without place."""
        values: Floats = predict_linear(self.linear, x[None])[0]
        return values


def find_models(run: Run, asked: Collection[str]) -> list[DenseModel]:
    """Find the final models that rest on dense features and know anything by them.

    Recipes whose models are the same bit for bit are one. A model that pools spreads without
    means is left out with a line: where a cell departs from nothing, its part cannot be told.

    Parameters
    ----------
    asked
        Names of the recipes of the run.
    """
    found: dict[bytes, DenseModel] = {}
    for folder in sorted(run.models.glob("*/final")):
        is_asked = folder.parent.name in asked and (folder / "members").is_dir()
        model = _read_model(folder, run) if is_asked else None
        if model is None:
            continue
        # Explained once: minutes of forward passes would draw the same maps again.
        key = (folder / MODEL).read_bytes()
        if key in found:
            model = replace(found[key], recipes=(*found[key].recipes, folder.parent.name))
        found[key] = model
    return list(found.values())


def make_readout(model: DenseModel, feature_map: FeatureMap, x: Floats) -> Readout:
    """Make the readout of an area's cells of one feature map, from the area's features.

    A mean is a sum over cells, so its part of a linear prediction is too. A standard deviation
    is not: its part is shared out by integrated gradients, along the straight path from ground
    that is everywhere at the training areas' mean to the ground that is there. Both are scaled
    where the model counts a feature no further than its reach, so that the sum stays exact.

    Parameters
    ----------
    x : (feature,)
        The area's features; NaN where unknown.

    References
    ----------
    Sundararajan, Taly and Yan (2017), ICML, 3319-3328 (integrated gradients).
    """
    start, end = _start_of(model, feature_map), _standard(model, x)
    # Per unit of the raw feature; activations are not standardised.
    slope = _path_slope(start, end) / model.linear.scale
    coef = model.linear.coef * slope[:, None]
    centre = model.linear.mean[feature_map.mean]
    linear, constant = coef[feature_map.mean], -centre @ coef[feature_map.mean]
    if not len(feature_map.std):
        return Readout(linear, None, constant)
    # The gradient of a spread s by a cell's activation a is (a - mean) / s, all along the path;
    # times how far the cell is from the path's start, it is a square of a.
    own, spread = np.nan_to_num(x[feature_map.mean]), np.nan_to_num(x[feature_map.std])
    square = coef[feature_map.std] / np.where(spread > 0, spread, np.inf)[:, None]
    # (a - own) (a - centre), multiplied out into a square, a line and a constant.
    linear = linear - (own + centre)[:, None] * square
    return Readout(linear, square, constant + (own * centre) @ square)


def sum_of_cells(model: DenseModel, x: Floats) -> Floats:
    """Give what all cells of an area must add up to, (target,).

    It is the prediction less the prediction of ground that is everywhere at the training
    areas' mean, and, in a stack, less what members contribute that are not dense. With means alone
    that is the prediction less the intercept.
    """
    total = np.zeros(len(model.targets))
    end = np.clip(_standard(model, x), -REACH, REACH)
    for feature_map in model.feature_maps:
        start = np.clip(_start_of(model, feature_map), -REACH, REACH)
        # A feature map on which the area has no ground that counts has no cells: it adds nothing.
        gained = np.where(np.isfinite(x), end - start, 0.0)
        columns = np.concatenate([feature_map.mean, feature_map.std])
        total += gained[columns] @ model.linear.coef[columns]
    return total


def find_linear(fitted: AreaModel) -> LinearModel:
    """Find what a model says of its features: in a joint process, beside place and district."""
    return fitted.beside.linear if isinstance(fitted.beside, JointProcess) else fitted.alone


def keep_targets(model: DenseModel, known: Sequence[int]) -> DenseModel:
    """Keep some of a model's targets, by their positions."""
    known = list(known)
    linear = replace(
        model.linear,
        coef=model.linear.coef[:, known],
        intercept=model.linear.intercept[known],
        weight=model.linear.weight[:, known],
        is_fallback=model.linear.is_fallback[known],
    )
    return replace(model, targets=tuple(model.targets[k] for k in known), linear=linear)


def _read_model(folder: Path, run: Run) -> DenseModel | None:
    """Read a final model; None where there is nothing to explain on the ground."""
    name, paths = folder.parent.name, sorted((folder / "members").iterdir())
    members = []
    for path in paths:
        member = read_recipe(path / "recipe.toml")
        assert isinstance(member, SetRecipe)
        members.append(member)
    dense = [member for member in members if isinstance(member, DenseRecipe)]
    assert not isinstance(read_recipe(folder / "recipe.toml"), NetworkRecipe)
    if not dense:
        if any(isinstance(member, TableRecipe | StreetRecipe) for member in members):
            run.say(f"explain: {name} has no map on the ground: what it knows is of whole areas")
        elif any(isinstance(member, BandsRecipe) for member in members):
            # Each cell's numbers add to a prediction, but nobody sees in a cell what they are of.
            run.say(f"explain: {name} has no map on the ground: its numbers show nothing")
        return None
    if any("mean" not in member.statistics for member in dense):
        run.say(f"explain: {name} left out: it pools spreads without means (statistics)")
        return None
    layers = {member.layer for member in dense}
    layer = HEIGHTS if HEIGHTS in layers else layers.pop()
    if layers - {layer}:
        # A map has the cells of one layer, and what the others add is in the shares' rest.
        run.say(f"explain: {name}: maps show what {layer} add; its photo is drawn by itself alone")
    tables = [pd.read_parquet(find_folder(each, run) / "features.parquet") for each in members]
    model = DenseModel(
        recipes=(name,),
        targets=tuple(read_model(folder).targets),
        linear=find_linear(load_model(folder / MODEL)),
        members=tuple(members),
        folder=folder,
        features=pd.concat([bring_to_scale(each) for each in tables], axis=1).set_axis(
            name_columns(tables), axis=1
        ),
        tables=tuple(tables),
        layer=layer,
    )
    return _leave_out_means(model, run)


def _leave_out_means(model: DenseModel, run: Run) -> DenseModel | None:
    """Keep the targets that dense features count for; None where there is no such target."""
    columns = np.concatenate(
        [each for feature_map in model.feature_maps for each in (feature_map.mean, feature_map.std)]
    )
    is_known = (model.linear.coef[columns] != 0).any(axis=0)
    if not is_known.all():
        # A target predicted by its mean, or in a stack by other members alone.
        names = ", ".join(model.targets[k] for k in np.flatnonzero(~is_known))
        run.say(f"explain: {model.recipes[0]}: no map of {names}: dense features count for nothing")
    known = np.flatnonzero(is_known).tolist()
    return keep_targets(model, known) if known else None


def _find_feature_map(
    model: DenseModel, member: int, resolution_m: float, pool: int, stage: int
) -> FeatureMap:
    """Find a feature map's features among the model's by their names."""
    recipe = model.members[member]
    assert isinstance(recipe, DenseRecipe)
    # A single recipe's table has no prefix, see `basrelief.learn.features.name_columns`.
    of_member = f"{member}/" if len(model.members) > 1 else ""
    prefix = f"{of_member}{resolution_m:g}m/{recipe.pools[pool]}/{recipe.stages[stage]}/"
    names = [str(name) for name in model.features.columns]

    def find(statistic: str) -> Positions:
        start = f"{prefix}{statistic}/"
        return np.array([k for k, name in enumerate(names) if name.startswith(start)], np.int64)

    return FeatureMap(member, resolution_m, pool, stage, find("mean"), find("std"))


def _standard(model: DenseModel, x: Floats) -> Floats:
    """Standardise features without cutting off; what is unknown is at the mean."""
    standard: Floats = np.where(np.isfinite(x), (x - model.linear.mean) / model.linear.scale, 0.0)
    return standard


def _start_of(model: DenseModel, feature_map: FeatureMap) -> Floats:
    """Standardised features of ground that is everywhere at the mean: it has no spread."""
    start = np.zeros(len(model.linear.mean))
    start[feature_map.std] = (
        -model.linear.mean[feature_map.std] / model.linear.scale[feature_map.std]
    )
    return start


def _path_slope(start: Floats, end: Floats) -> Floats:
    """Mean slope of the cut-off along a straight path: the share of it that counts."""
    gained = np.clip(end, -REACH, REACH) - np.clip(start, -REACH, REACH)
    length = end - start
    return np.divide(gained, length, out=np.ones_like(length), where=length != 0)
