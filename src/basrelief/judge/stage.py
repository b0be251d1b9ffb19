"""The evaluate stage: held-out predictions of every recipe and baseline, and what they are worth.

It goes scheme by scheme and recipe by recipe: what grows with the place is one recipe's rows,
and one squared error an item, target and repeat for each recipe of a scheme.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from basrelief.chips.store import Samples, load_samples
from basrelief.config import Settings
from basrelief.judge.audit import build_audit
from basrelief.judge.baselines import PLACE
from basrelief.judge.compare import (
    Errors,
    average_targets,
    choose_listed,
    collect_errors,
    compare_errors,
    order_recipes,
    prefer_recipe,
)
from basrelief.judge.failures import find_neighbours, measure_failures
from basrelief.judge.intervals import add_intervals, measure_coverage
from basrelief.judge.partial import measure_partial
from basrelief.judge.predictions import Held, Trial, predict_scheme
from basrelief.judge.resampling import Draws
from basrelief.judge.scores import score_predictions, verdict
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
    """What is kept of every recipe and scheme: a few numbers each."""

    scores: list[Record] = field(default_factory=list)
    comparisons: list[Record] = field(default_factory=list)
    preferred: list[Record] = field(default_factory=list)
    coverage: list[Record] = field(default_factory=list)
    targeting: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)
    kept: list[Record] = field(default_factory=list)
    over_targets: list[Record] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Bench:
    """What every recipe is judged with."""

    trial: Trial
    asked: set[str]
    """Recipes that the user wants to know about; the others are what they have to beat."""

    listed: str
    groups: dict[str, pd.Series[Any]]
    """What each chip and area is resampled with, by id."""

    districts: pd.Series[Any] | None
    neighbours: Any
    tables: Tables
    findings: Findings


def evaluate_recipes(settings: Settings, run: Run) -> None:
    """Write ``predictions.parquet``, ``scores.*`` and the files of ``evaluate/``.

    Each recipe, and each baseline that the data allow, predicts what the folds held out.
    """
    samples = load_samples(run)
    recipes, _ = choose_recipes(settings)
    baselines = choose_baselines(recipes, settings)
    trial = Trial(samples, settings, run, [*recipes, *baselines])
    with open_tables(run) as tables:
        bench = Bench(
            trial=trial,
            asked={recipe.name for recipe in recipes},
            listed=choose_listed(trial.schemes),
            groups=group_units(samples, settings),
            districts=_find_districts(samples),
            neighbours=find_neighbours(samples),
            tables=tables,
            findings=Findings(),
        )
        with sparing_threads(len(samples.areas)):
            for scheme in trial.schemes:
                _judge_scheme(bench, scheme)
    _write_findings(bench)
    _write_partial(bench)


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
    largest = samples.membership.sort_values("weight", kind="stable").groupby("chip_id").last()
    return {"chip": largest["area_id"], "area": pd.Series(areas, index=areas)}


def _find_districts(samples: Samples) -> pd.Series[Any] | None:
    """District of each area by its code; None where none is known."""
    if "lad" not in samples.areas or not samples.areas["lad"].notna().any():
        return None
    districts: pd.Series[Any] = samples.areas.set_index("area_id")["lad"]
    return districts


def _judge_scheme(bench: Bench, scheme: str) -> None:
    """Judge every recipe in one scheme, and each against the others."""
    trial, place_frame = bench.trial, None
    items = {"area": trial.areas.ids}
    errors: dict[str, dict[str, Errors]] = {"chip": {}, "area": {}}
    for held in predict_scheme(trial, scheme):
        districts = bench.districts if held.unit == "area" else None
        frame = add_intervals(held.frame, districts)
        if held.recipe == PLACE and held.unit == "area":
            place_frame = frame[["target", "repeat", "id", "y_true", "y_pred", "y_mean"]]
        if held.unit == "chip" and "chip" not in items:
            items["chip"] = pd.Index(frame["id"].unique().astype(str))
        bench.tables.predictions.append(frame)
        bench.findings.kept += held.kept
        if held.distances is not None:
            bench.tables.applicability.append(held.distances)
        if held.unit == "area":
            _judge_areas(bench, frame, place_frame)
        _score(bench, held, frame)
        n_repeats = int(frame["repeat"].max()) + 1
        errors[held.unit][held.recipe] = collect_errors(
            frame, items[held.unit], trial.targets, n_repeats
        )
    for unit, by_recipe in errors.items():
        if by_recipe:
            _compare_recipes(bench, scheme, unit, by_recipe, items[unit])


def _judge_areas(bench: Bench, frame: pd.DataFrame, place_frame: pd.DataFrame | None) -> None:
    """Judge one recipe's predictions of areas in one scheme."""
    recipe, scheme = frame["recipe"].iloc[0], frame["scheme"].iloc[0]
    rng, samples = bench.trial.rng(recipe, scheme, "judge"), bench.trial.samples
    found = bench.findings
    found.coverage += measure_coverage(frame, bench.districts)
    found.targeting += measure_targeting(frame, place_frame, rng, bench.groups["area"])
    residuals, records = measure_failures(frame, samples, rng, bench.neighbours)
    found.failures += records
    bench.tables.residuals.append(residuals)
    if scheme == bench.listed:
        bench.tables.ranked.append(rank_areas(frame, samples))


def _score(bench: Bench, held: Held, frame: pd.DataFrame) -> None:
    """Score one recipe in one scheme, and say so where the user asked for it."""
    # The same draws for every recipe: what is compared is resampled alike.
    rng = np.random.default_rng(bench.trial.settings.seed)
    records = score_predictions(frame, bench.groups, rng)
    bench.findings.scores += records
    if held.recipe not in bench.asked:
        return
    for record in records:
        skill = "unknown" if record["skill"] is None else f"{record['skill']:.2f}"
        bench.trial.run.say(
            f"evaluate: {record['recipe']}, {record['target']}, scheme {record['scheme']}, by "
            f"{record['unit']}: skill {skill}, {verdict(record)}"
        )


def _compare_recipes(
    bench: Bench, scheme: str, unit: str, errors: dict[str, Errors], items: pd.Index[Any]
) -> None:
    """Compare every pair of recipes in one scheme, and prefer the simplest that none beats."""
    networks = {each.name for each in bench.trial.recipes if isinstance(each, NetworkRecipe)}
    order = order_recipes(list(errors), networks)
    groups = bench.groups[unit].reindex(items).reset_index(drop=True)
    draws = Draws(np.random.default_rng(bench.trial.settings.seed))
    for record in average_targets(errors, groups, PLACE, draws):
        bench.findings.over_targets.append({"scheme": scheme, "unit": unit} | record)
    pairs: dict[str, list[Record]] = {target: [] for target in bench.trial.targets}
    for simpler, other in combinations(order, 2):
        found = compare_errors(errors[other], errors[simpler], groups, draws)
        for target, record in zip(bench.trial.targets, found, strict=True):
            key = {"target": target, "scheme": scheme, "unit": unit}
            pairs[target].append({"recipe": other, "versus": simpler} | key | record)
    for target, records in pairs.items():
        bench.findings.comparisons += _list_comparisons(records, bench.asked)
        skills = {
            record["recipe"]: record
            for record in bench.findings.scores
            if (record["target"], record["scheme"], record["unit"]) == (target, scheme, unit)
        }
        known = [name for name in order if name in skills]
        if known:
            choice = prefer_recipe(records, skills, known)
            key = {"target": target, "scheme": scheme, "unit": unit}
            bench.findings.preferred.append(key | choice)


def _list_comparisons(records: list[Record], asked: set[str]) -> list[Record]:
    """List what is reported: what was asked for against all others, baselines against place."""
    listed = []
    for record in records:
        for one in (record, _turn_round(record)):
            if one["recipe"] in asked or one["versus"] == PLACE:
                listed.append(one)
    return listed


def _turn_round(record: Record) -> Record:
    """Say the same of the other recipe."""

    def negate(value: float | None) -> float | None:
        return None if value is None else -value

    return record | {
        "recipe": record["versus"],
        "versus": record["recipe"],
        "difference": negate(record["difference"]),
        "low": negate(record["high"]),
        "high": negate(record["low"]),
        "beats": record["is_beaten"],
        "is_beaten": record["beats"],
    }


def _write_findings(bench: Bench) -> None:
    """Write scores, and what else was found, as JSON."""
    run, found = bench.trial.run, bench.findings
    with replacing(run.folder / "scores.parquet") as part:
        pd.DataFrame(found.scores).to_parquet(part, index=False)
    write_json(run.scores, found.scores)
    folder = run.folder / "evaluate"
    # Every list but the scores, which have a place of their own.
    for name in vars(found).keys() - {"scores"}:
        write_json(folder / f"{name}.json", getattr(found, name))
    leakage = read_json(run.splits / "leakage.json")
    audit = build_audit(found.scores, found.comparisons, leakage, bench.asked)
    write_json(folder / "audit.json", audit)


def _write_partial(bench: Bench) -> None:
    """Write what slope and altitude add, where there are relief statistics."""
    trial = bench.trial
    path = trial.run.folder / "evaluate" / "partial.json"
    path.unlink(missing_ok=True)
    for recipe in trial.recipes:
        if isinstance(recipe, StatisticsRecipe):
            rng = trial.rng("partial")
            (features,) = read_features(recipe, trial.settings, trial.run)
            found = measure_partial(trial.samples, features, bench.groups["area"], rng)
            write_json(path, found)
