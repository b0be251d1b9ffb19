"""How each recipe learnt: what it is, and the learning curves of networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from basrelief.learn.choice import read_trained
from basrelief.learn.curves import draw_curves
from basrelief.learn.layers import LAYERS
from basrelief.learn.measures import MEASURES
from basrelief.learn.recipe_files import format_recipe
from basrelief.learn.recipes import NetworkRecipe, StatisticsRecipe
from basrelief.learn.training_recipes import KEEP_WORDS, Keep
from basrelief.run import Record, read_json
from basrelief.tell.facts import Facts, Panel, select
from basrelief.tell.findings import STRICT_FIRST
from basrelief.tell.training import say_precision
from basrelief.tell.words import count, format_number, open_sentence


def gather(facts: Facts) -> dict[str, Any]:
    """Gather each recipe's description and the learning curves of its networks."""
    names = dict.fromkeys(record["recipe"] for record in facts.scores)
    shown = [_show_model(facts, name) for name in names]
    # Baselines have none of these, and nothing that could be told.
    contents = ("about", "recipe", "panels")
    models = [model for model in shown if any(model[key] for key in contents)]
    return {"models": models, "errors": list_errors(facts)}


def list_errors(facts: Facts) -> list[Record]:
    """List the error of each network in training, in validation and on test chips, by scheme.

    The first two are losses of the epoch whose weights are kept, as they were learnt: of one raw
    target that is its mean squared error, and otherwise one of standardised scores.
    """
    found = []
    for record in select(facts.scores, unit="chip"):
        path = facts.run.models / facts.find_code(record["recipe"]) / record["scheme"] / "0-0"
        # Baselines are scored by chip too, and never trained so.
        if not (path / "history.csv").exists():
            continue
        epochs = pd.read_csv(path / "history.csv").set_index("epoch")
        kept = epochs.loc[read_json(path / "finished.json")["kept_epoch"]]
        losses = {"training": float(kept["loss"]), "validation": float(kept["val_loss"])}
        found.append(record | losses)
    return found


def _list_layers(path: Path) -> list[Record]:
    """List the layers of a network, and their sum; none of one trained before they were told."""
    if not path.exists():
        return []
    layers = pd.read_csv(path, dtype={"layer": str})
    total = {"layer": "all", "kind": count(len(layers), "layer")}
    sums = {name: int(layers[name].sum()) for name in ("weights", "trainable")}
    return [*layers.to_dict("records"), total | sums]  # type: ignore[list-item]


def _show_model(facts: Facts, name: str) -> dict[str, Any]:
    code = facts.find_code(name)
    recipe = read_trained(facts.run, code)
    trained = select(facts.trainings, recipe=code)
    return {
        "name": name,
        "about": recipe.about if recipe else "",
        "precision": open_sentence(say_precision(trained[0])) if trained else "",
        "recipe": format_recipe(recipe) if recipe else "",
        "panels": [
            _draw_history(name, scheme, path, recipe.train.keep)
            # The curves that say most about new ground come first.
            for scheme in STRICT_FIRST
            # Networks are trained once a scheme, on its first fold.
            if isinstance(recipe, NetworkRecipe)
            and (path := facts.run.models / code / scheme / "0-0" / "history.csv").exists()
        ],
        "layers": _list_layers(facts.run.models / code / "final" / LAYERS),
        "measures": MEASURES if isinstance(recipe, StatisticsRecipe) else (),
    }


def _draw_history(name: str, scheme: str, path: Path, keep: Keep) -> Panel:
    history = pd.read_csv(path)
    best = history.iloc[int(np.nanargmin(history["val_loss"]))]
    finished = read_json(path.with_name("finished.json"))
    kept, views = finished["kept_epoch"], finished.get("views")
    seen = f", on {count(views, 'view')} of each chip, drawn once" if views else ""
    caption = (
        f"{count(len(history), 'epoch')} in {history['seconds'].sum() / 60:.1f} min{seen}; "
        f"validation loss is lowest, {format_number(best['val_loss'], 3)}, after epoch "
        f"{best['epoch']:.0f}. "
        f"The weights are those of epoch {kept}, {KEEP_WORDS[keep]}."
    )
    alt = f"Learning curves of {name}, scheme {scheme}: {caption}"
    return Panel(draw_curves(history, alt), f"Scheme {scheme}: {caption}")
