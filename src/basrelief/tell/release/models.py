"""Which final models may be handed out, and why others may not."""

from __future__ import annotations

from collections.abc import Iterable

from basrelief.learn.exported import hash_numbers
from basrelief.learn.recipe_files import read_recipe
from basrelief.learn.recipes import NetworkRecipe, StreetRecipe, TableRecipe
from basrelief.run import Record
from basrelief.stage_settings import PublishSettings
from basrelief.tell.models import Model
from basrelief.tell.publication import Basis
from basrelief.tell.release.gate import Release


def list_offers(
    models: Iterable[Model], release: Release, basis: Basis, publish: PublishSettings
) -> list[Record]:
    """List the models that may be handed out, with the hash of their numbers.

    Parameters
    ----------
    models
        Of what the public version is drawn from: of a refit where one had to be made. None of
        these has seen a label that is withheld.
    """
    if basis.kind == "nothing" or publish.allow == "nothing" or not release.shown:
        return []
    return [
        {"recipe": model.name, "numbers_sha256": hash_numbers(model.weights)}
        for model in models
        if find_bar(model, publish) is None
    ]


def find_bar(model: Model, publish: PublishSettings) -> str | None:
    """Say what keeps a model of labels shown from being handed out; None where nothing does."""
    if isinstance(model.recipe, NetworkRecipe):
        # It would judge single buildings for whoever has it, as the heat maps of chips do.
        is_barred = publish.allow != "chips"
        why = 'it predicts single chips, finer than areas; publish.allow = "chips" lets it out'
        return why if is_barred else None
    # By the recipes that lie beside it: its own may name a part by a path.
    members = (model.weights.parent / "members").glob("*/recipe.toml")
    if any(isinstance(read_recipe(path), TableRecipe | StreetRecipe) for path in members):
        return (
            "it rests on tables or street pictures, and what they say of each area would go out "
            "with it"
        )
    return None
