"""The final models of a run, as cards and catalogues tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import prod
from pathlib import Path

from safetensors import safe_open

from basrelief.hashes import hash_file
from basrelief.learn.choice import read_recipes
from basrelief.learn.final import FinalModel, read_model
from basrelief.learn.knowledge import LOOKS, order_codes
from basrelief.learn.recipe_files import read_recipe
from basrelief.learn.recipes import (
    DenseRecipe,
    KrigedRecipe,
    NetworkRecipe,
    Recipe,
    SetRecipe,
    StreetRecipe,
)
from basrelief.run import MODEL, Run
from basrelief.tell.provenance import read_date
from basrelief.tell.words import join_words, name_layer


@dataclass(frozen=True)
class Model:
    """A final model: what it is, and the file that it lies in."""

    recipe: Recipe
    final: FinalModel
    weights: Path
    n_parameters: int
    """Numbers in the weights file, those not trained among them."""

    n_bytes: int
    sha256: str
    written: datetime
    """When the weights file was last changed, UTC."""

    backbones: tuple[str, ...]
    """Networks that it, or what it is made of, has or looks through."""

    eyes: tuple[str, ...] = ()
    """What the features are of that it predicts areas from, by code."""

    home: str = ""
    """Its folder, from the folder on that the card lies in."""

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    @property
    def file(self) -> str:
        """The weights file, from the folder on that the card lies in."""
        return f"{self.home}/{self.weights.name}"

    @property
    def sees(self) -> str:
        """What it predicts from."""
        if isinstance(self.recipe, NetworkRecipe):
            return f"{self.final.bands} bands of a chip"
        shown = join_words(
            [name_layer(eye) if eye in LOOKS else f"the table {eye}" for eye in self.eyes]
        )
        seen = f"{len(self.final.features)} features of {shown} of an area's own ground"
        if isinstance(self.recipe, KrigedRecipe):
            place = "place, its district" if self.recipe.districts else "place"
            return f"{seen}; at home also its {place} and its neighbours' scores"
        return seen

    @property
    def architecture(self) -> str:
        """What kind of thing it is, in a few words."""
        if isinstance(self.recipe, NetworkRecipe):
            return self.recipe.backbone
        linear = f"linear model on {len(self.final.features)} features"
        if self.backbones:
            linear += f", some of them of a frozen {' and '.join(self.backbones)}"
        if isinstance(self.recipe, KrigedRecipe):
            linear += ", and a Gaussian process on what it leaves"
        return linear


def read_models(run: Run) -> list[Model]:
    """Read what the run's final models say of themselves, in order of name.

    Models of recipes that an earlier configuration asked for may still lie there: not of this run.
    """
    # Asked of the list of this run, not of the folders that are there.
    names = sorted(str(record["recipe"]) for record in read_recipes(run))
    folders = [run.models / name / "final" for name in names]
    return [
        read_final(folder, folder.relative_to(run.folder).as_posix())
        for folder in folders
        if (folder / "model.json").exists()
    ]


def read_final(folder: Path, home: str) -> Model:
    """Read what one final model says of itself; ``home`` is its folder as cards name it."""
    # What a recipe is made of lies inside it, and may look through a network of its own.
    parts = [folder, *sorted((folder / "members").glob("*/"))]
    recipes = [read_recipe(part / "recipe.toml") for part in parts]
    weights = folder / MODEL
    with safe_open(weights, "np") as file:
        # Shapes stand in the file's head: nothing is loaded to be counted.
        sizes = [prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118
    sets = [each for each in recipes if isinstance(each, SetRecipe)]
    networks = NetworkRecipe | DenseRecipe | StreetRecipe
    seen = [each.backbone for each in recipes if isinstance(each, networks)]
    return Model(
        recipe=recipes[0],
        final=read_model(folder),
        weights=weights,
        n_parameters=sum(sizes),
        n_bytes=weights.stat().st_size,
        sha256=hash_file(weights),
        written=read_date(weights),
        backbones=tuple(dict.fromkeys(seen)),
        eyes=order_codes({each.eye for each in sets}),
        home=home,
    )
