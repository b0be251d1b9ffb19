"""A final model put into a folder of its own, with all that others need to use and to judge it.

What the folder holds is decided by the report: it lists in ``publish.json`` the models that have
seen no withheld label, of the run itself or of its refit. Nothing is fitted here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from basrelief import __version__
from basrelief.chips.store import load_samples
from basrelief.config import InputError, Settings, read_settings
from basrelief.judge.new_places import refuse_runs
from basrelief.learn.area_models import AreaModel, load_model, save_model
from basrelief.learn.choice import list_asked, read_recipes
from basrelief.learn.exported import FORMAT, HOME, hash_numbers, write_export
from basrelief.learn.features import copy_makers
from basrelief.learn.linear import REACH
from basrelief.learn.recipe_files import format_recipe
from basrelief.learn.recipes import (
    KrigedRecipe,
    NetworkRecipe,
    Recipe,
    StackRecipe,
    list_typed_members,
)
from basrelief.marks import check_files, read_mark, refuse_foreign_folder
from basrelief.names import suggest
from basrelief.run import (
    MODEL,
    Record,
    Run,
    check_format,
    prepare_folder,
    read_json,
    replacing,
    write_json,
)
from basrelief.sources.credits import InputCredits
from basrelief.sources.licences import Credit
from basrelief.tell.cards.cards import open_cards, write_model_card
from basrelief.tell.cards.stac import write_model_item
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.models import Model, read_final
from basrelief.tell.publication import Basis
from basrelief.tell.release.gate import Release, decide_release, find_bounds
from basrelief.tell.release.models import find_bar
from basrelief.tell.release.narrow import narrow_facts

LEARNT_FROM = "training.parquet"
COEFFICIENTS = "coefficients.json"

LICENCE = re.compile(r"[A-Za-z0-9(][A-Za-z0-9.+:() -]{0,199}")
"""Signs that SPDX names a licence with, or several joined by ``AND``, ``OR`` and ``WITH``."""


@dataclass(frozen=True)
class Offer:
    """A model that may be handed out, and what is told of it."""

    model: Model
    facts: Facts
    """Of the run that it is of: a refit where one had to be made."""

    narrowed: Facts
    release: Release
    licence: str
    """As SPDX has it, or ``other``."""

    @property
    def training(self) -> Record:
        """How far it was trained."""
        return next(r for r in self.facts.trainings if r["recipe"] == self.model.name)

    @property
    def basis(self) -> Basis:
        """How the run came about that it is of."""
        assert self.narrowed.publication is not None
        return self.narrowed.publication.basis

    @property
    def has_seed(self) -> bool:
        """Whether its seed may be told: see `narrow_settings`."""
        assert self.narrowed.publication is not None
        return self.narrowed.publication.is_whole


def export_model(run: Run, recipe: str | None, out: Path, licence: str | None = None) -> None:
    """Write a folder with one final model of a finished run, for others to use anywhere.

    Parameters
    ----------
    recipe
        By default the first that the run was asked for.
    licence
        What the model is handed out under, as SPDX has it; by default its card says that whoever
        hands it on has to choose.

    Raises
    ------
    InputError
        If the report is not finished or is of other models, there is no such recipe, the gate does
        not let its model out, the folder is not empty, lies in a run or cannot be written, or the
        licence is no name of one.
    """
    typed = f"--out {str(out)!r}"
    # Whatever lies in a run is replaced, or keeps the run from going on.
    refuse_runs(out, typed)
    _refuse_licence(licence)
    offer = _find_offer(run, recipe, licence)
    if out.exists():
        if not out.is_dir():
            raise InputError(f"{typed}: a file. Give a new folder.")
        # Cards and licence are there to be completed by hand, and would be lost.
        refuse_foreign_folder(out, typed, (), "An exported model")
    prepare_folder(out.parent, typed)
    with replacing(out) as part:
        part.mkdir()
        _copy_model(offer, part / HOME)
        # What is told is of the files as they are handed out.
        copied = replace(read_final(part / HOME, HOME), written=offer.model.written)
        _tell_model(replace(offer, model=copied), part)
        write_export(part, offer.model.name, offer.training)
    run.say(f"export: {offer.model.name} in {out}; README.md says how to use it, and what it tells")


def _refuse_licence(licence: str | None) -> None:
    """Refuse what catalogues cannot take for a licence's name."""
    if licence is not None and not LICENCE.fullmatch(licence):
        raise InputError(
            f"--licence {licence!r}: no name of a licence as SPDX has it, such as CC-BY-4.0 or "
            "MIT. Without --licence the folder says that it has to be chosen."
        )


def _find_offer(run: Run, recipe: str | None, licence: str | None) -> Offer:
    """Find the model that is asked for among those that the report lets out."""
    published, settings = _read_report(run)
    name = _choose_recipe(run, recipe)
    kind = published["drawn_from"]["kind"]
    source = Run(run.release, run.quiet, lender=run) if kind == "refit" else run
    model = _read_offered(source, name, published, settings)
    release = decide_release(load_samples(run).areas, settings.publish)
    # Only their number can be compared: the record names no area.
    if len(release.shown) != published["areas_published"]:
        raise _ask_for_report(run, "its report is of other areas")
    facts = replace(
        read_facts(settings, source),
        credits=InputCredits(
            **{
                key: tuple(Credit(**each) for each in own)
                for key, own in published["credits"].items()
            }
        ),
    )
    # The file that says so lies beside the configuration, which is not at hand here.
    if published["is_made_up"]:
        facts = replace(facts, truth=dict.fromkeys(facts.samples.targets, "made up"))
    basis = Basis(kind, published["drawn_from"]["n_without"])
    narrowed = narrow_facts(facts, release, basis)
    # A card of one model: others stand in it as what it is held against, and no more. What joins
    # place predicts elsewhere as what speaks for LIDAR in it.
    labels = dict.fromkeys([facts.tell(name), facts.find_speaker(facts.tell(name))])
    own = [training for training in facts.trainings if training["recipe"] == name]
    narrowed = replace(narrowed, asked=list(labels), trainings=own)
    return Offer(model, replace(facts, trainings=own), narrowed, release, licence or "other")


def _read_report(run: Run) -> tuple[Record, Settings]:
    """Read what the report lets out, and the settings of the run."""
    check_format(run.folder)
    if read_mark(run, "report").fingerprint is None:
        raise _ask_for_report(run, "its report is not finished, which decides what may go out")
    check_files(run, "report")
    published = read_json(run.folder / "publish.json")
    settings = read_settings(run.folder / "config.json")
    # As the report took them: it asks for no ground where nothing looks at any.
    settings = settings.model_copy(update={"publish": find_bounds(settings)})
    bounds = settings.publish.model_dump()
    if "models" not in published or bounds != {key: published.get(key) for key in bounds}:
        raise _ask_for_report(run, "its report was written under other settings")
    return published, settings


def _ask_for_report(run: Run, why: str) -> InputError:
    return InputError(f"{run.folder}: {why}. Run: basrelief report CONFIG")


def _choose_recipe(run: Run, typed: str | None) -> str:
    """Choose the recipe: by default the first that the run was asked for."""
    trained = read_recipes(run)
    known = [str(record["recipe"]) for record in trained]
    if typed is not None and typed not in known:
        raise InputError(
            f"--recipe {typed!r}: {run.folder} has no model of it. It has {', '.join(known)}."
            f"{suggest(typed, known)}"
        )
    return typed or list_asked(trained)[0]


def _read_offered(source: Run, name: str, published: Record, settings: Settings) -> Model:
    """Read a model, if it is one that the report lets out."""
    offers = {each["recipe"]: each["numbers_sha256"] for each in published["models"]}
    typed = str(source.owner.folder)
    said = f"What may be handed out is {', '.join(offers) or 'none of its models'}."
    folder = source.models / name / "final"
    if not (folder / "model.json").is_file():
        raise InputError(f"{typed}: has no final model of {name!r}. {said}")
    model = read_final(folder, HOME)
    if name not in offers:
        withheld = "the scores that it learnt from are withheld, as publish.json says"
        why = find_bar(model, settings.publish) or withheld
        raise InputError(f"--recipe {name!r}: {why}. {said}")
    # One fitted since may have learnt from scores that are withheld.
    if hash_numbers(model.weights) != offers[name]:
        raise _ask_for_report(source.owner, f"its model of {name} is not that of its report")
    return replace(model, recipe=_name_members(model.recipe, read_recipes(source)))


def _name_members(recipe: Recipe, trained: Sequence[Record]) -> Recipe:
    """Call what a recipe is made of by its name: what was typed may be a path."""
    names = next(record["made_of"] for record in trained if record["recipe"] == recipe.name)
    if not list_typed_members(recipe):
        return recipe
    if isinstance(recipe, KrigedRecipe):
        trend = names[0] if isinstance(recipe.trend, str) else names
        return recipe.model_copy(update={"trend": trend})
    assert isinstance(recipe, StackRecipe)
    return recipe.model_copy(update={"members": names})


def _copy_model(offer: Offer, target: Path) -> None:
    """Copy what predicts, and of it no more than predicting needs."""
    model, source = offer.model, offer.model.weights.parent
    target.mkdir()
    (target / "recipe.toml").write_text(format_recipe(model.recipe), encoding="utf-8")
    final = model.final
    if not offer.has_seed:
        # As on the public page. It draws nothing here but a sample of more than 1,000 areas.
        final = final.model_copy(update={"seed": Settings.model_fields["seed"].default})
    write_json(target / "model.json", final.model_dump(mode="json"))
    if isinstance(model.recipe, NetworkRecipe):
        shutil.copy(model.weights, target / MODEL)
        return
    fitted = load_model(model.weights)
    # Place and district stay behind: they hold a number for each area learnt from, its score's or
    # nearly, and serve nowhere else.
    save_model(AreaModel(fitted.set_names, fitted.alone, None), target / MODEL)
    write_json(target / COEFFICIENTS, list_coefficients(fitted, model))
    shutil.copy(source / LEARNT_FROM, target / LEARNT_FROM)
    for member in sorted((source / "members").iterdir()):
        kept = target / "members" / member.name
        kept.mkdir(parents=True)
        shutil.copy(member / "recipe.toml", kept / "recipe.toml")
        copy_makers(member, kept)


def list_coefficients(fitted: AreaModel, model: Model) -> Record:
    """List the numbers of a linear model by name, to be read without this program.

    Returns
    -------
    A prediction is ``intercept`` plus the sum, over features, of ``coef`` times the feature less
    its ``mean``, over its ``scale``, cut off at ``reach`` both ways; an unknown feature is 0 there.
    """
    linear = fitted.alone
    names, targets = list(model.final.features), model.final.targets
    known = np.where(np.isfinite(linear.intercept), linear.intercept, 0.0)
    return {
        "reach": REACH,
        "features": {
            name: {"mean": mean, "scale": scale}
            for name, mean, scale in zip(
                names, linear.mean.tolist(), linear.scale.tolist(), strict=True
            )
        },
        "targets": {
            target: {"intercept": intercept, "coef": dict(zip(names, coef, strict=True))}
            for target, intercept, coef in zip(
                targets, known.tolist(), linear.coef.T.tolist(), strict=True
            )
        },
    }


def _tell_model(offer: Offer, folder: Path) -> None:
    """Write the card, the catalogue's item, the licence and how to begin."""
    told = (offer.facts, offer.narrowed, offer.release)
    settled = None if offer.licence == "other" else offer.licence
    write_model_card(folder / "model_card.md", offer.model, told, list_revealed(offer), settled)
    # Of the areas that may be shown alone.
    shown = replace(offer.facts, samples=offer.narrowed.samples)
    write_model_item(folder, offer.model, shown, offer.licence)
    content: dict[str, Any] = {
        "model": offer.model,
        "final": offer.model.final,
        "is_network": isinstance(offer.model.recipe, NetworkRecipe),
        "revealed": list_revealed(offer),
        "licence": offer.licence,
        "credits": offer.narrowed.credits.words,
        "is_made_up": bool(offer.facts.truth),
        "version": __version__,
        "format": FORMAT,
    }
    for name, template in (("README.md", "export.md.j2"), ("LICENCE.md", "licence.md.j2")):
        with replacing(folder / name) as part:
            part.write_text(
                open_cards().get_template(template).render(content) + "\n", encoding="utf-8"
            )


def list_revealed(offer: Offer) -> list[str]:
    """List what the folder tells of the areas that were learnt from, for whoever hands it out."""
    n, shown = offer.model.final.n_areas, len(offer.release.shown)
    n_hidden = offer.basis.n_without or len(offer.release.hidden)
    withheld = (
        f"{n_hidden:,} areas are withheld: none of their scores had a part in any of its numbers."
        if n_hidden
        else "No area is withheld, so that every score that it learnt from may be told."
    )
    revealed = [f"It learnt from {n:,} areas, of the {shown:,} that may be shown. {withheld}"]
    if isinstance(offer.model.recipe, NetworkRecipe):
        return [
            *revealed,
            "A network can remember what it was trained on: take it that it tells the scores of "
            "these areas, and how their chips look. It predicts single chips, finer than areas.",
        ]
    revealed += [
        f"`{HOME}/{MODEL}` and `{HOME}/{COEFFICIENTS}`: coefficients are sums over the scores "
        "learnt from. With the features beside them, whoever has the program can work scores of "
        "single areas out of them, some of them exactly.",
        f"`{HOME}/{LEARNT_FROM}`: the codes of these areas, the square of ground that each lies "
        "in, and what was measured of their ground. It tells how like them a new place is.",
        f"`{HOME}/model.json`: mean, spread, least and greatest of each score and feature.",
    ]
    if isinstance(offer.model.recipe, KrigedRecipe):
        revealed.append(
            "Left out: place and district, which hold a number for each area learnt from. Where "
            "no score is known they add nothing, and LIDAR alone predicts: the skills that the "
            f"card tells of {offer.model.name} were had with them, and are not to be expected "
            "elsewhere; those of LIDAR alone stand beside them."
        )
    return revealed
