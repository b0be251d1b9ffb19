"""Explanations of models of areas that rest on dense features: maps, checks, kinds of ground."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.explain.area_samples import check_areas
from basrelief.explain.area_sums import SCHEMA, write_areas
from basrelief.explain.contributions import UNIT, Scene, draw_contributions, set_scene
from basrelief.explain.controls import find_verdict
from basrelief.explain.findings import Findings
from basrelief.explain.readout import DenseModel, find_models
from basrelief.explain.refits import BlockRefits, refit_without_blocks
from basrelief.explain.shares import keep_explained, measure_shares
from basrelief.explain.tally import list_kinds
from basrelief.run import Record, Run, replacing


def explain_areas(
    samples: Samples, asked: Collection[str], settings: Settings, run: Run, findings: Findings
) -> set[str]:
    """Explain the final model of every recipe that rests on dense features.

    Writes ``explain/<recipe>/contribution-<target>.tif`` and ``explain/areas.parquet`` anew.

    Parameters
    ----------
    asked
        Names of the recipes of the run.
    findings
        What is found is added to them.

    Returns
    -------
    Names of the recipes explained.
    """
    explained = set[str]()
    with (
        replacing(run.explain / "areas.parquet") as part,
        pq.ParquetWriter(part, SCHEMA) as writer,
    ):
        for model in find_models(run, asked):
            explained |= _explain_model(model, samples, settings, run, findings, writer)
    return explained


def _explain_model(
    model: DenseModel,
    samples: Samples,
    settings: Settings,
    run: Run,
    findings: Findings,
    writer: pq.ParquetWriter,
) -> set[str]:
    """Explain one model, under the name of every recipe that it is the model of: these names."""
    first, *others = model.recipes
    whole = set_scene(model, samples, settings)
    shares = measure_shares(whole)
    for recipe in model.recipes:
        findings.add("shares", recipe, shares)
    scene = keep_explained(whole, shares, run)
    if scene is None:
        return set()
    refits = fit_refits(scene) if scene.has_kinds else None
    with replacing(run.explain / first) as part:
        part.mkdir()
        tally, paths = draw_contributions(scene, part, run, refits)
        found = check_areas(scene, tally, settings.seed, run)
    # Copies, not links: a recipe's folder can be handed on by itself.
    for other in others:
        with replacing(run.explain / other) as part:
            shutil.copytree(run.explain / first, part)
    for recipe in model.recipes:
        targets = scene.model.targets
        findings.add("contributions", recipe, _list_maps(scene.model, recipe, paths))
        findings.add_checked(recipe, found)
        if scene.has_kinds:
            bounds = bound_kinds(refits, tally)
            findings.add_kinds(recipe, list_kinds(tally, recipe, targets, *bounds))
            write_areas(writer, tally, recipe, targets)
    verdicts = Counter(
        find_verdict([test for test in found.tests if test["target"] == target])
        for target in scene.model.targets
    )
    run.say(
        f"explain: {' and '.join(model.recipes)}: {len(paths)} contribution maps: "
        f"stands {verdicts['stands']}, fails {verdicts['fails']}, open {verdicts['open']}"
    )
    return set(model.recipes)


def fit_refits(scene: Scene) -> BlockRefits | None:
    """Fit a scene's model again without groups of blocks; None where these are too few."""
    known = [scene.samples.targets.index(target) for target in scene.model.targets]
    return refit_without_blocks(scene.fitted, scene.data, scene.blocks, known, scene.seed)


def bound_kinds(
    refits: BlockRefits | None, area_ids: Collection[str]
) -> tuple[NDArray[np.float64] | None, int]:
    """Give the standard errors of what kinds add to an average area, and the refits behind.

    Returns
    -------
    errors : (kind, target)
        In the targets' units; the last kind is the edges. None without refits.
    n_refits
    """
    return (None, 0) if refits is None else (refits.measure_errors(area_ids), len(refits.sums))


def _list_maps(model: DenseModel, recipe: str, paths: Sequence[Path]) -> list[Record]:
    return [
        {
            "target": target,
            "file": f"explain/{recipe}/{path.name}",
            "unit": UNIT,
            "layer": model.layer,
        }
        for target, path in zip(model.targets, paths, strict=True)
    ]
