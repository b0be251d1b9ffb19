"""The evaluate stage: held-out predictions of every recipe and baseline, and what they are worth.

It goes scheme by scheme and recipe by recipe, so that what grows with the place is one recipe's
rows, and one squared error an item, target and repeat for each recipe of a scheme.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from libpysal.graph import Graph

from basrelief.chips.store import Samples, load_samples
from basrelief.config import Settings
from basrelief.judge.audit import build_audit
from basrelief.judge.baselines import PLACE
from basrelief.judge.compare import (
    Errors,
    average_targets,
    choose_listed,
    collect_errors,
    compare_pairs,
    list_comparisons,
    order_recipes,
    prefer_recipe,
)
from basrelief.judge.failures import find_neighbours, measure_failures
from basrelief.judge.intervals import add_intervals, measure_coverage
from basrelief.judge.partial import measure_partial
from basrelief.judge.predictions import EvaluationInputs, predict_scheme
from basrelief.judge.resampling import Draws
from basrelief.judge.scores import score_predictions, sum_up
from basrelief.judge.tables import Tables, open_tables
from basrelief.judge.targeting import measure_targeting, rank_areas
from basrelief.learn.choice import choose_baselines, choose_recipes
from basrelief.learn.features import read_features
from basrelief.learn.recipes import NetworkRecipe, StatisticsRecipe
from basrelief.learn.threads import sparing_threads
from basrelief.run import Record, Run, read_json, replacing, write_json
from basrelief.splits.folds import block_of
from basrelief.splits.groups import blocks_of_areas


@dataclass
class Findings:
    """What is kept of every recipe and scheme: a few figures each, by the file they go to."""

    scores: list[Record] = field(default_factory=list)
    comparisons: list[Record] = field(default_factory=list)
    preferred: list[Record] = field(default_factory=list)
    coverage: list[Record] = field(default_factory=list)
    targeting: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)
    member_weights: list[Record] = field(default_factory=list)
    over_targets: list[Record] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Relations:
    """What ties chips and areas to others of their kind, by id."""

    groups: dict[str, pd.Series[Any]]
    """By unit: what each chip, and each area, is resampled with."""

    districts: pd.Series[Any] | None
    """Of each area, by its code; None where none is known."""

    neighbours: Graph | None
    """Which areas touch; None without polygons."""


def evaluate_recipes(settings: Settings, run: Run) -> None:
    """Write ``predictions.parquet``, ``scores.*`` and the files of ``evaluate/``.

    Each recipe, and each baseline that the data allow, predicts what the folds held out.
    """
    samples = load_samples(run)
    recipes, _ = choose_recipes(settings)
    inputs = EvaluationInputs(
        samples, settings, run, [*recipes, *choose_baselines(recipes, settings)]
    )
    asked = {recipe.name for recipe in recipes}
    relations = Relations(
        group_units(samples, settings), _find_districts(samples), find_neighbours(samples)
    )
    found = Findings()
    with open_tables(run) as tables, sparing_threads(len(samples.areas)):
        for scheme in inputs.schemes:
            _judge_scheme(inputs, scheme, relations, asked, tables, found)
    _write_findings(found, asked, run)
    _write_partial(inputs, relations.groups["area"])


def group_units(samples: Samples, settings: Settings) -> dict[str, pd.Series[Any]]:
    """Name what each chip and area is resampled with: its block, or its area without places.

    Returns
    -------
    For each unit, groups by id. Chips of pictures without an area are missing.
    """
    areas = samples.areas["area_id"].to_numpy(dtype=object).astype(str)
    chip_ids = samples.chips["chip_id"]
    if samples.has_places:
        centres = samples.chips[["easting", "northing"]].to_numpy(np.float64)
        blocks = block_of(centres, settings.split.block_m)
        by_area = pd.Series(blocks_of_areas(samples, areas, settings), index=areas)
        return {"chip": pd.Series(blocks, index=chip_ids), "area": by_area}
    # Without places the area is the largest thing known to err together.
    largest = samples.membership.sort_values("weight", kind="stable").groupby("chip_id").last()
    return {"chip": largest["area_id"], "area": pd.Series(areas, index=areas)}


def _find_districts(samples: Samples) -> pd.Series[Any] | None:
    """District of each area by its code; None where none is known."""
    if "lad" not in samples.areas or not samples.areas["lad"].notna().any():
        return None
    districts: pd.Series[Any] = samples.areas.set_index("area_id")["lad"]
    return districts


def _judge_scheme(
    inputs: EvaluationInputs,
    scheme: str,
    relations: Relations,
    asked: set[str],
    tables: Tables,
    found: Findings,
) -> None:
    """Judge every recipe in one scheme by itself, then each against the others."""
    items = {"area": inputs.areas.ids}
    errors: dict[str, dict[str, Errors]] = {"chip": {}, "area": {}}
    place = None
    for predicted in predict_scheme(inputs, scheme):
        is_of_areas = predicted.unit == "area"
        frame = add_intervals(predicted.frame, relations.districts if is_of_areas else None)
        tables.predictions.append(frame)
        found.member_weights += predicted.member_weights
        if predicted.applicability is not None:
            tables.applicability.append(predicted.applicability)
        if is_of_areas:
            if predicted.recipe == PLACE:
                # It comes before whatever is held against it. Its bounds are not kept in memory.
                place = frame[["target", "repeat", "id", "y_true", "y_pred", "y_mean"]]
            _judge_areas(frame, place, inputs, relations, tables, found)
        # The same draws for every recipe: what is compared is resampled alike.
        rng = np.random.default_rng(inputs.settings.seed)
        scores = score_predictions(frame, relations.groups, rng)
        found.scores += scores
        if predicted.recipe in asked:
            _say_scores(scores, inputs.labels.get(predicted.recipe, predicted.recipe), inputs.run)
        of_unit = items.setdefault(predicted.unit, pd.Index(frame["id"].unique().astype(str)))
        errors[predicted.unit][predicted.recipe] = collect_errors(
            frame, of_unit, inputs.samples.targets
        )
    for unit, by_recipe in errors.items():
        if by_recipe:
            groups = relations.groups[unit].reindex(items[unit]).reset_index(drop=True)
            key = {"scheme": scheme, "unit": unit}
            _compare_recipes(by_recipe, groups, key, inputs, asked, found)


def _judge_areas(
    frame: pd.DataFrame,
    place: pd.DataFrame | None,
    inputs: EvaluationInputs,
    relations: Relations,
    tables: Tables,
    found: Findings,
) -> None:
    """Judge what only areas have: coverage, who would be found, and where predictions fail."""
    recipe, scheme = frame["recipe"].iloc[0], frame["scheme"].iloc[0]
    # Named, so that leaving a recipe out changes no figure of another.
    rng = inputs.rng(recipe, scheme, "judge")
    found.coverage += measure_coverage(frame, relations.districts)
    found.targeting += measure_targeting(frame, place, rng, relations.groups["area"])
    residuals, records = measure_failures(frame, inputs.samples, rng, relations.neighbours)
    found.failures += records
    tables.residuals.append(residuals)
    # Of the scheme that maps show: ranks of several would contradict each other.
    if scheme == choose_listed(inputs.schemes):
        tables.ranked.append(rank_areas(frame, inputs.samples))


def _say_scores(scores: list[Record], label: str, run: Run) -> None:
    """Say what a recipe's skill comes to, as soon as it is known."""
    for record in scores:
        run.say(
            f"evaluate: {label}, {record['target']}, scheme {record['scheme']}, by "
            f"{record['unit']}: {sum_up(record)}"
        )


def _compare_recipes(
    errors: dict[str, Errors],
    groups: pd.Series[Any],
    key: Record,
    inputs: EvaluationInputs,
    asked: set[str],
    found: Findings,
) -> None:
    """Compare every pair of recipes in one scheme, and prefer the simplest that none beats.

    ``groups`` is what each item is resampled with; ``key`` says which scheme and unit.
    """
    # Of two alike the cheaper is preferred, so networks come last.
    networks = {each.name for each in inputs.recipes if isinstance(each, NetworkRecipe)}
    order = order_recipes(list(errors), networks)
    draws = Draws(np.random.default_rng(inputs.settings.seed))
    found.over_targets += [key | each for each in average_targets(errors, groups, PLACE, draws)]
    pairs = compare_pairs(errors, order, inputs.samples.targets, groups, draws)
    for target, records in pairs.items():
        found.comparisons += [each | key for each in list_comparisons(records, asked)]
        wanted = {"target": target} | key
        skills = {r["recipe"]: r for r in found.scores if r.items() >= wanted.items()}
        known = [name for name in order if name in skills]
        if known:
            found.preferred.append(wanted | prefer_recipe(records, skills, known))


def _write_findings(found: Findings, asked: set[str], run: Run) -> None:
    """Write scores, and what else was found, as JSON."""
    with replacing(run.folder / "scores.parquet") as part:
        pd.DataFrame(found.scores).to_parquet(part, index=False)
    write_json(run.scores, found.scores)
    folder = run.folder / "evaluate"
    # Every list but the scores, which have a file of their own.
    for name in vars(found).keys() - {"scores"}:
        write_json(folder / f"{name}.json", getattr(found, name))
    leakage = read_json(run.splits / "leakage.json")
    audit = build_audit(found.scores, found.comparisons, leakage, asked)
    write_json(folder / "audit.json", audit)


def _write_partial(inputs: EvaluationInputs, blocks: pd.Series[Any]) -> None:
    """Write what slope and altitude add, where there are relief statistics."""
    path = inputs.run.folder / "evaluate" / "partial.json"
    # What an earlier evaluation left must not stand beside these figures.
    path.unlink(missing_ok=True)
    for recipe in inputs.recipes:
        if isinstance(recipe, StatisticsRecipe):
            rng = inputs.rng("partial")
            (features,) = read_features(recipe, inputs.settings, inputs.run)
            write_json(path, measure_partial(inputs.samples, features, blocks, rng))
