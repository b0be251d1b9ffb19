"""The explain stage: heat maps of networks' chips, contribution maps of the ground of areas."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from basrelief.chips.store import Samples, load_samples
from basrelief.config import Settings
from basrelief.explain.area_stage import explain_areas
from basrelief.explain.checks import check_maps
from basrelief.explain.chip_samples import are_alike, map_chips, sample_chips
from basrelief.explain.controls import Grouping
from basrelief.explain.findings import Findings
from basrelief.explain.gallery import draw_gallery
from basrelief.explain.heat_kinds import list_heat_kinds, list_places
from basrelief.judge.claims import find_claimed
from basrelief.judge.resampling import Draws
from basrelief.judge.stage import group_units
from basrelief.learn.choice import read_recipes
from basrelief.learn.encoders import Network
from basrelief.learn.knowledge import LIDAR, find_eyes
from basrelief.learn.predict import load_network
from basrelief.learn.recipe_files import read_recipe
from basrelief.learn.recipes import NetworkRecipe
from basrelief.run import Record, Run, replacing, write_json
from basrelief.stage_settings import SCHEMES


def explain_recipes(settings: Settings, run: Run) -> None:
    """Explain every recipe: galleries of networks' chips, maps of the ground of areas.

    Reads ``predictions.parquet`` and models. Writes ``explain/<recipe>/`` anew, of networks
    ``<target>-<kind>-<rank>.png`` (the chip, and the chip under its heat), a GeoTIFF of the
    heat beside it where places are known, and ``summary.json``; of recipes that rest on dense
    features ``contribution-<target>.tif``. ``contributions.json`` lists these, ``tests.json``
    what explanations were tested on, ``controls.json`` how maps that are wrong stood the same,
    ``curves.json`` how predictions moved in two of these tests, ``shares.json`` how much of the
    predictions maps explain,
    ``kinds.json`` what kinds of ground add, or how hot they are; ``areas.parquet`` tells for each
    area what its kinds of ground add.
    """
    samples, findings = load_samples(run), Findings(find_claimed(run))
    predictions = pd.read_parquet(run.predictions)
    explained = explain_networks(samples, predictions, settings, run, findings)
    names = set(predictions["recipe"]) - _find_unasked(run)
    explained |= explain_areas(samples, names, settings, run, findings)
    # Files that list all recipes last: a kill before leaves those of the run before, whole.
    run.explain.mkdir(exist_ok=True)
    findings.write(run.explain)
    _remove_others(run.explain, explained)


def _find_unasked(run: Run) -> set[str]:
    """Find the recipes of other eyes than LIDAR that nobody asked for.

    They are there to be held against; each would take as long to draw as what was asked for.
    """
    return {
        record["recipe"]
        for record in read_recipes(run)
        if set(find_eyes(record["knows"])) - set(LIDAR) and not record["is_asked"]
    }


def explain_networks(
    samples: Samples, predictions: pd.DataFrame, settings: Settings, run: Run, findings: Findings
) -> set[str]:
    """Explain each network recipe's highest, lowest and worst predicted test chips.

    The network is that of the strictest scheme that was run.

    Parameters
    ----------
    findings
        What is found is added to them.

    Returns
    -------
    Names of the recipes explained.
    """
    explained, groups = set[str](), group_units(samples, settings)["chip"]
    of_chips = predictions[predictions["unit"] == "chip"]
    for name, scheme, folder in find_networks(of_chips, run):
        is_asked = (of_chips["recipe"] == name) & (of_chips["scheme"] == scheme)
        tested = of_chips[is_asked]
        network = load_network(folder, settings)
        key = {"recipe": name, "scheme": scheme}
        # Whole or not at all: pictures of two runs must not lie side by side.
        with replacing(run.explain / name) as part:
            part.mkdir()
            summary, kinds = list[Record](), list[Record]()
            for target in run.track(samples.targets, f"explain {name}"):
                of_target = tested[tested["target"] == target]
                kinds += check_heat(
                    name, network, samples, of_target, groups, settings.seed, findings
                )
                if are_alike(of_target):
                    run.say(
                        f"explain: {name} predicts {target} alike for all {len(of_target)} chips: "
                        "there is nothing to see"
                    )
                    continue
                drawn = draw_gallery(network, samples, of_target, target, part)
                summary += [key | record for record in drawn]
            write_json(part / "summary.json", summary)
        findings.add_kinds(name, kinds)
        explained.add(name)
        run.say(f"explain: {name} (scheme {scheme}): {len(summary)} chips")
    return explained


def find_networks(predictions: pd.DataFrame, run: Run) -> list[tuple[str, str, Path]]:
    """Find each network of a run: recipe, the last scheme that was evaluated, its folder.

    The schemes run from the one that leaks by construction to whole blocks with a buffer; a
    picture of what a leaking network learnt would flatter it.

    Parameters
    ----------
    predictions
        Of chips. Models of recipes and schemes that an earlier configuration asked for may still
        lie there: what was not evaluated is not of this run.
    """
    evaluated = set(predictions[["recipe", "scheme"]].itertuples(index=False, name=None))
    found = []
    # Fold 0 of repeat 0 is the only one that networks are trained on.
    for name in sorted({recipe for recipe, _ in evaluated}):
        folders = [
            (scheme, run.models / name / scheme / "0-0")
            for scheme in reversed(SCHEMES)
            if (name, scheme) in evaluated
        ]
        done = [(scheme, path) for scheme, path in folders if _is_trained_network(path)]
        if done:
            found.append((name, *done[0]))
    return found


def check_heat(
    recipe: str,
    network: Network,
    samples: Samples,
    tested: pd.DataFrame,
    groups: pd.Series[Any],
    seed: int,
    findings: Findings,
) -> list[Record]:
    """Check the heat of one target's test chips, and tell the kinds of ground that it lies on.

    Parameters
    ----------
    tested
        Rows of ``predictions.parquet`` of one target, one a chip.
    groups
        By chip, the block or area that it is resampled with.

    Returns
    -------
    Records of ``kinds.json`` without recipe; what was checked is added to ``findings``.
    """
    mapped = map_chips(network, samples, tested, groups)
    if mapped is None:
        return []
    explanation, batch = sample_chips(network, mapped, seed)
    found = check_maps(explanation, [batch], seed)
    ground, places = list_places(samples, mapped.rows, mapped.heat.shape[1:])
    blocks = Grouping(mapped.groups.tolist(), Draws(np.random.default_rng(seed)))
    kinds = list_heat_kinds(mapped.heat, ground, places, blocks)
    findings.add_checked(recipe, found)
    return [{"target": mapped.target} | record for record in kinds]


def _is_trained_network(folder: Path) -> bool:
    """Whether a folder holds a network whose training has ended."""
    if not (folder / "finished.json").exists():
        return False
    return isinstance(read_recipe(folder / "recipe.toml"), NetworkRecipe)


def _remove_others(folder: Path, explained: Collection[str]) -> None:
    """Remove the explanations of recipes that are no longer in the run."""
    for old in folder.glob("*/"):
        if old.name not in explained:
            shutil.rmtree(old)
