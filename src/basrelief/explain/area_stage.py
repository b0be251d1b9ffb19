"""Explanations of models of areas that rest on dense features: maps, checks, kinds of ground."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.explain.area_samples import check_areas
from basrelief.explain.area_sums import SCHEMA, write_areas
from basrelief.explain.contributions import UNIT, draw_contributions, set_scene
from basrelief.explain.findings import Findings
from basrelief.explain.readout import DenseModel, find_models
from basrelief.explain.tally import list_kinds
from basrelief.judge.resampling import Draws
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
            _explain_model(model, samples, settings, run, findings, writer)
            explained.update(model.recipes)
    return explained


def _explain_model(
    model: DenseModel,
    samples: Samples,
    settings: Settings,
    run: Run,
    findings: Findings,
    writer: pq.ParquetWriter,
) -> None:
    """Explain one model, under the name of every recipe that it is the model of."""
    first, *others = model.recipes
    scene = set_scene(model, samples, settings)
    with replacing(run.explain / first) as part:
        part.mkdir()
        tally, paths = draw_contributions(scene, part, run)
        tests, curves = check_areas(scene, tally, settings.seed, run)
    # Copies, not links: a recipe's folder can be handed on by itself.
    for other in others:
        with replacing(run.explain / other) as part:
            shutil.copytree(run.explain / first, part)
    for recipe in model.recipes:
        # Anew for each recipe, so that its intervals do not depend on which others were run.
        draws = Draws(np.random.default_rng(settings.seed))
        findings.add("contributions", recipe, _list_maps(model, recipe, paths))
        findings.add("tests", recipe, tests)
        findings.add("curves", recipe, curves)
        findings.add("kinds", recipe, list_kinds(tally, recipe, model.targets, draws))
        write_areas(writer, tally, recipe, model.targets)
    run.say(
        f"explain: {' and '.join(model.recipes)}: {len(paths)} contribution maps, "
        f"{sum(record['passes'] is True for record in tests)} of {len(tests)} tests passed"
    )


def _list_maps(model: DenseModel, recipe: str, paths: Sequence[Path]) -> list[Record]:
    return [
        {
            "target": target,
            "file": f"explain/{recipe}/{path.name}",
            "unit": UNIT,
        }
        for target, path in zip(model.targets, paths, strict=True)
    ]
