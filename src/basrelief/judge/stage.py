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
from basrelief.judge.chance import Refits
from basrelief.judge.claims import Knowledge
from basrelief.judge.compare import (
    Errors,
    average_targets,
    choose_listed,
    collect_errors,
    compare_pairs,
    list_comparisons,
    order_recipes,
)
from basrelief.judge.counts import measure_counts
from basrelief.judge.failures import find_neighbours, measure_failures
from basrelief.judge.found import settle_found
from basrelief.judge.inputs import EvaluationInputs
from basrelief.judge.intervals import add_intervals, measure_coverage
from basrelief.judge.partial import measure_partial
from basrelief.judge.predictions import SchemePredictions, predict_scheme
from basrelief.judge.refit import Refitter, make_refitter
from basrelief.judge.resampling import Draws
from basrelief.judge.scores import score_predictions, sum_up
from basrelief.judge.tables import EvaluationTables, open_tables
from basrelief.judge.targeting import SHARES, measure_targeting, rank_areas
from basrelief.judge.verdicts import Compared, Verdicts, settle
from basrelief.learn.choice import choose_baselines, choose_recipes, list_asked, read_recipes
from basrelief.learn.features import read_features
from basrelief.learn.knowledge import LIDAR, find_eyes, list_known
from basrelief.learn.recipes import NetworkRecipe, SetRecipe, StatisticsRecipe
from basrelief.learn.threads import sparing_threads
from basrelief.run import Record, Run, read_json, replacing, write_json
from basrelief.splits.folds import block_of
from basrelief.splits.groups import blocks_of_areas
from basrelief.splits.heldout import find_usable_areas

OF_TARGETING = ("recipe", "target", "repeat", "id", "y_true", "y_pred", "y_mean")
"""Columns of a yardstick's predictions that targeting holds others against."""


@dataclass
class Collected:
    """What is kept of every recipe and scheme: a few figures each."""

    scores: list[Record] = field(default_factory=list)
    coverage: list[Record] = field(default_factory=list)
    targeting: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)
    member_weights: list[Record] = field(default_factory=list)
    counts: list[Record] = field(default_factory=list)
    lifts: dict[tuple[str, float], Refits] = field(default_factory=dict)
    """By scheme and share: how many more of the worst areas would be found in other worlds."""


@dataclass(frozen=True, eq=False)
class Relations:
    """What ties chips and areas to others of their kind, by id."""

    groups: dict[str, pd.Series[Any]]
    """By unit: what each chip, and each area, is resampled with."""

    districts: pd.Series[Any] | None
    """Of each area, by its code; None where none is known."""

    neighbours: Graph | None
    """Which areas touch; None without polygons."""


@dataclass(frozen=True, eq=False)
class Judge:
    """What every recipe and scheme is judged with."""

    inputs: EvaluationInputs
    relations: Relations
    known: Knowledge
    asked: set[str]
    """Recipes that the user asked for."""

    refitter: Refitter | None
    """Fits recipes to the labels of other worlds; None where that cannot be done."""

    tables: EvaluationTables
    found: Collected


def evaluate_recipes(settings: Settings, run: Run) -> None:
    """Write ``predictions.parquet``, ``scores.*`` and the files of ``evaluate/``.

    Each recipe, and each baseline that the data allow, predicts what the folds held out.
    """
    samples = load_samples(run)
    recipes, _ = choose_recipes(settings)
    trained = [*recipes, *choose_baselines(recipes, settings)]
    # What a recipe is held against has fewer eyes, and has to come before it.
    trained.sort(key=lambda recipe: len(find_eyes(list_known(recipe, samples, settings))))
    inputs = EvaluationInputs(samples, settings, run, trained)
    relations = Relations(
        group_units(samples, settings), _find_districts(samples), find_neighbours(samples)
    )
    with open_tables(run) as tables, sparing_threads(len(samples.areas)):
        judge = Judge(
            inputs,
            relations,
            Knowledge(inputs.knows, inputs.yardsticks),
            set(list_asked(read_recipes(run))),
            make_refitter(inputs),
            tables,
            Collected(),
        )
        if judge.refitter is not None and judge.refitter.learners:
            size = f"{len(find_usable_areas(samples))} areas x {len(samples.targets)} targets"
            run.say(
                f"evaluate: every fold is fitted anew to labels of other worlds, {size}: minutes, "
                "or an hour for many hundred (evaluate.worlds = 0 leaves it and every claim out)"
            )
        compared = [each for scheme in inputs.schemes for each in _judge_scheme(judge, scheme)]
    verdicts = settle(judge.found.scores, compared, judge.known)
    for record in verdicts.scores:
        if record["recipe"] in judge.asked:
            knows = inputs.knows[record["recipe"]]
            _say_score(record | {"label": _label(record, inputs), "knows": knows}, run)
    _write_findings(judge, verdicts, run)
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


def _judge_scheme(judge: Judge, scheme: str) -> list[Compared]:
    """Judge every recipe in one scheme by itself, then each against the others."""
    inputs, found, yardsticks = judge.inputs, judge.found, judge.known.yardsticks
    items = {"area": inputs.areas.ids}
    errors: dict[str, dict[str, Errors]] = {"chip": {}, "area": {}}
    beside: dict[str, pd.DataFrame] = {}
    refits = {unit: _open_refits(inputs) for unit in ("area", "chip")}
    found.lifts |= {(scheme, share): _open_refits(inputs) for share in SHARES}
    for predicted in predict_scheme(inputs, scheme):
        is_of_areas = predicted.unit == "area"
        frame = add_intervals(predicted.frame, judge.relations.districts if is_of_areas else None)
        judge.tables.predictions.append(frame)
        found.member_weights += predicted.member_weights
        if predicted.applicability is not None:
            judge.tables.applicability.append(predicted.applicability)
        # Of the scheme that maps show, as ranks are.
        if predicted.parts is not None and scheme == choose_listed(inputs.schemes):
            judge.tables.parts.append(predicted.parts)
        if is_of_areas:
            if predicted.recipe in yardsticks.values():
                # It comes before whatever is held against it. Its bounds are not kept in memory.
                beside[predicted.recipe] = frame[[*OF_TARGETING]]
            _judge_areas(judge, frame, beside.get(yardsticks[predicted.recipe]))
        # The same draws for every recipe: what is compared is resampled alike.
        rng = np.random.default_rng(inputs.settings.seed)
        scores = score_predictions(frame, judge.relations.groups, rng)
        own = refits[predicted.unit]
        _measure_chance(judge, predicted, scheme, own)
        found.scores += [own.bound_score(record) for record in scores]
        of_unit = items.setdefault(predicted.unit, pd.Index(frame["id"].unique().astype(str)))
        # Errors alone are kept: frames of all recipes of a country would not fit.
        errors[predicted.unit][predicted.recipe] = collect_errors(
            frame, of_unit, inputs.samples.targets
        )
    compared = []
    for unit, by_recipe in errors.items():
        if by_recipe:
            groups = judge.relations.groups[unit].reindex(items[unit]).reset_index(drop=True)
            compared.append(
                _compare_recipes(judge, by_recipe, groups, (scheme, unit), refits[unit])
            )
    return compared


def _open_refits(inputs: EvaluationInputs) -> Refits:
    """Make room for what recipes come to in other worlds, in one scheme and unit."""
    return Refits(inputs.samples.targets, inputs.knows, inputs.n_districts)


def _measure_chance(
    judge: Judge, predicted: SchemePredictions, scheme: str, refits: Refits
) -> None:
    """Take what a recipe comes to in other worlds, and keep it."""
    measures = judge.refitter and judge.refitter.measure(predicted, scheme)
    # Without other worlds, or where a range of them would say nothing.
    if not measures:
        return
    refits.figures[predicted.recipe] = measures.skill
    judge.tables.refits.append(refits.tabulate(predicted.recipe, scheme, predicted.unit))
    if predicted.unit == "area":
        for share, lifts in measures.lifts.items():
            judge.found.lifts[scheme, share].figures[predicted.recipe] = lifts


def _judge_areas(judge: Judge, frame: pd.DataFrame, yardstick: pd.DataFrame | None) -> None:
    """Judge what only areas have: counts, coverage, who would be found, and where it fails."""
    inputs, found, relations = judge.inputs, judge.found, judge.relations
    name, scheme = frame["recipe"].iloc[0], frame["scheme"].iloc[0]
    # Named, so that leaving a recipe out changes no figure of another.
    rng = inputs.rng(name, scheme, "judge")
    recipe = next((each for each in inputs.recipes if each.name == name), None)
    if isinstance(recipe, SetRecipe):
        found.counts += measure_counts(recipe, inputs, frame, relations.groups["area"])
    found.coverage += measure_coverage(frame, relations.districts)
    found.targeting += measure_targeting(frame, yardstick, rng, relations.groups["area"])
    residuals, records = measure_failures(frame, inputs.samples, rng, relations.neighbours)
    found.failures += records
    judge.tables.residuals.append(residuals)
    # Of the scheme that maps show: ranks of several would contradict each other.
    if scheme == choose_listed(inputs.schemes):
        judge.tables.ranked.append(rank_areas(frame, inputs.samples))


def _compare_recipes(
    judge: Judge,
    errors: dict[str, Errors],
    groups: pd.Series[Any],
    of: tuple[str, str],
    refits: Refits,
) -> Compared:
    """Compare every pair of recipes of a scheme and unit, target by target and over the targets.

    ``groups`` is what each item is resampled with.
    """
    inputs, known = judge.inputs, judge.known
    key = dict(zip(("scheme", "unit"), of, strict=True))
    # Of two alike the cheaper is preferred, so networks come last.
    networks = {each.name for each in inputs.recipes if isinstance(each, NetworkRecipe)}
    order = order_recipes(list(errors), networks)
    draws = Draws(np.random.default_rng(inputs.settings.seed))
    means = average_targets(errors, groups, known.yardsticks, inputs.traits, draws)
    pairs = compare_pairs(errors, order, inputs.samples.targets, groups, inputs.traits, draws)
    return Compared(
        **key,
        order=order,
        pairs={
            target: [key | refits.bound_pair(record) for record in records]
            for target, records in pairs.items()
        },
        over_targets=[
            key | refits.bound_means(record) | _average_r2(record, key, judge.found.scores)
            for record in means
        ],
        refits=refits,
    )


def _average_r2(mean: Record, key: Record, scores: list[Record]) -> Record:
    """Average R² over targets as skill is; None where one has none."""
    wanted = {"recipe": mean["recipe"]} | key
    found = [record["r2"] for record in scores if record.items() >= wanted.items()]
    # All or none: a mean over fewer targets than the skill's is another figure.
    is_known = bool(found) and None not in found
    return {"r2": float(np.mean(found)) if is_known else None}


def _list_recipes(inputs: EvaluationInputs) -> list[Record]:
    """List what each recipe and baseline knows, and what differs from it in one eye alone."""
    return [
        {"recipe": name, "knows": list(known), "yardsticks": inputs.yardsticks[name]}
        for name, known in inputs.knows.items()
    ]


def _label(record: Record, inputs: EvaluationInputs) -> str:
    """Label a score's recipe by its name and by what its training falls short of."""
    return inputs.shortened.get(record["recipe"], str(record["recipe"]))


def _say_score(record: Record, run: Run) -> None:
    """Say what a recipe's skill comes to, now that it is known what chance gives."""
    # Of more than LIDAR a skill says nothing of LIDAR: what else it knows stands beside it.
    beside = [code for code in record["knows"] if code not in LIDAR]
    knows = f" (knows {', '.join(record['knows'])})" if beside else ""
    run.say(
        f"evaluate: {record['label']}{knows}, {record['target']}, scheme {record['scheme']}, by "
        f"{record['unit']}: {sum_up(record)}"
    )


def _write_findings(judge: Judge, verdicts: Verdicts, run: Run) -> None:
    """Write scores, and what else was found, as JSON."""
    # Whoever reads a score alone must see that its training was cut short.
    scores = [record | {"label": _label(record, judge.inputs)} for record in verdicts.scores]
    with replacing(run.folder / "scores.parquet") as part:
        pd.DataFrame(scores).to_parquet(part, index=False)
    write_json(run.scores, scores)
    asked, yardsticks = judge.asked, judge.known.yardsticks
    comparisons = list_comparisons(verdicts.pairs, asked, judge.known.by_eye)
    leakage = read_json(run.splits / "leakage.json")
    found = judge.found
    records = {
        "recipes": _list_recipes(judge.inputs),
        "comparisons": comparisons,
        "claims": verdicts.claims,
        "relocation": verdicts.relocation,
        "over_targets": verdicts.over_targets,
        "preferred": verdicts.preferred,
        "coverage": found.coverage,
        "targeting": settle_found(found.targeting, verdicts.claims, judge.known, found.lifts),
        "failures": found.failures,
        "member_weights": found.member_weights,
        "counts": found.counts,
        "audit": build_audit(verdicts.scores, comparisons, leakage, asked, yardsticks),
    }
    for name, content in records.items():
        write_json(run.folder / "evaluate" / f"{name}.json", content)


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
