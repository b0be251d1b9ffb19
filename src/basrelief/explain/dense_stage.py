"""Explanations of recipes that rest on dense features: maps, tests, kinds of ground."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.explain.area_sums import SCHEMA, write_areas
from basrelief.explain.contributions import draw_contributions, name_unit, set_scene
from basrelief.explain.dense_checks import check_maps
from basrelief.explain.readout import DenseModel, find_models
from basrelief.explain.records import Findings, Record
from basrelief.explain.tally import list_kinds
from basrelief.judge.resampling import Draws
from basrelief.run import Run, replacing


@dataclass(frozen=True, eq=False)
class Leaves:
    """Where explaining leaves what it finds."""

    findings: Findings
    areas: pq.ParquetWriter
    """Of ``explain/areas.parquet``."""


def explain_dense(
    samples: Samples, asked: Collection[str], settings: Settings, run: Run
) -> Findings:
    """Explain the final model of every recipe that rests on dense features.

    Writes ``explain/<recipe>/contribution-<target>.tif`` and ``explain/areas.parquet`` anew.

    Parameters
    ----------
    asked
        Names of the recipes of the run.
    """
    findings = Findings()
    with (
        replacing(run.explain / "areas.parquet") as part,
        pq.ParquetWriter(part, SCHEMA) as writer,
    ):
        for model in find_models(run, asked):
            _explain_model(model, samples, settings, run, Leaves(findings, writer))
    return findings


def _explain_model(
    model: DenseModel, samples: Samples, settings: Settings, run: Run, leaves: Leaves
) -> None:
    """Explain one model, under the name of every recipe that it is the model of."""
    first, *others = model.recipes
    scene = set_scene(model, samples, settings)
    with replacing(run.explain / first) as part:
        part.mkdir()
        tally, paths = draw_contributions(scene, part, run)
        draws = Draws(np.random.default_rng(settings.seed))
        of_kinds = list_kinds(tally, first, model.targets, draws)
        tests, curves = check_maps(scene, tally, settings, run)
    for other in others:
        _copy_maps(run.explain / first, run.explain / other)
    findings = leaves.findings
    for recipe in model.recipes:
        of_recipe = {"recipe": recipe}
        findings.contributions.extend(_list_maps(model, recipe, [each.name for each in paths]))
        findings.tests.extend(record | of_recipe for record in tests)
        findings.curves.extend(record | of_recipe for record in curves)
        findings.kinds.extend(record | of_recipe for record in of_kinds)
        write_areas(leaves.areas, tally, recipe, model.targets)
    run.say(
        f"explain: {' and '.join(model.recipes)}: {len(paths)} contribution maps, "
        f"{sum(record['passes'] is True for record in tests)} of {len(tests)} tests passed"
    )


def _copy_maps(source: Path, target: Path) -> None:
    """Give the maps to a recipe whose model is the same."""
    with replacing(target) as part:
        shutil.copytree(source, part)


def _list_maps(model: DenseModel, recipe: str, names: list[str]) -> list[Record]:
    return [
        {
            "recipe": recipe,
            "target": target,
            "file": f"explain/{recipe}/{name}",
            "unit": name_unit(target),
            "label": f"what the ground adds to {target}",
        }
        for target, name in zip(model.targets, names, strict=True)
    ]
