"""The public refit: all that is published fitted anew, without the scores of areas withheld.

A held-out prediction, a skill, a break of a map: each is an average of labels, and whoever has
enough of them can solve for those that were left out. So where a withheld area was learnt from,
the public version is not thinned out of the run but drawn from a run of its own in ``release/``,
on which the very stages work, and in whose tables the withheld labels do not stand.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.counted import FILE as COUNTED
from basrelief.chips.describe import describe_chips, rows_used
from basrelief.chips.eye_tables import read_place_tables, write_place_tables
from basrelief.chips.labelled import read_labels_without
from basrelief.chips.membership import average_labels
from basrelief.chips.pictures import read_picture_labels
from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings
from basrelief.explain.findings import Findings
from basrelief.explain.stage import explain_networks
from basrelief.judge.audit import build_audit
from basrelief.judge.stage import evaluate_recipes
from basrelief.learn.stage import train_recipes
from basrelief.marks import is_finished, list_damaged, mark_of, run_stage
from basrelief.run import Run, digest, no_notes, read_json, read_record, replacing, write_json
from basrelief.splits.stage import assign_splits
from basrelief.stage_settings import PublishSettings
from basrelief.tell.described import Described
from basrelief.tell.evaluation import Evaluation
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.publication import Basis
from basrelief.tell.release.gate import Release

READ = ("chips", "split", "train", "evaluate")
"""Stages of the run whose settings and inputs the refit shares: when one changes, so does it."""


@dataclass(frozen=True)
class Step:
    """What is done for the public in the manner of a stage, and what it writes."""

    name: str
    work: Callable[[Run], None]
    writes: tuple[str, ...]


def find_public_facts(
    settings: Settings, run: Run, facts: Facts, release: Release
) -> tuple[Facts, Basis]:
    """Find what the public version is drawn from, and make it where the run may not serve.

    Parameters
    ----------
    facts
        Of the run itself.

    Returns
    -------
    Facts that no withheld label has a part in, still to be narrowed; and how they came about.
    """
    n_seen = count_withheld_labels(facts.samples, release, settings.publish)
    if facts.samples.has_places and (settings.data.crime is not None or settings.data.tables):
        # Rates of areas shown hang on the counts of others, even of those whose own are unknown,
        # and how a table is read on all its rows.
        n_seen = len(release.hidden)
    # A page that says nothing needs no fitting.
    if settings.publish.allow == "nothing" or not n_seen:
        _remove_refit(run)
        return facts, Basis("run")
    if not release.shown:
        _remove_refit(run)
        return withhold_findings(facts), Basis("nothing", n_seen, "every area is withheld")
    unit = "areas" if release.hidden else "pictures of no known area"
    run.say(
        f"report: {n_seen} {unit} are withheld and were learnt from: all that is published is "
        "fitted anew without them"
    )
    try:
        public = refit_run(settings, run, release)
    except InputError as error:
        # No falling back on the run's own figures: withheld scores are in them.
        run.say(f"report: that cannot be done, and nothing that was learnt is published: {error}")
        return withhold_findings(facts), Basis("nothing", n_seen, str(error))
    return replace(read_facts(settings, public), sources=facts.sources), Basis("refit", n_seen)


def withhold_findings(facts: Facts) -> Facts:
    """Take out of facts all that was learnt or averaged; counts and labels stay."""
    judged = facts.judged
    # Field by field, so that one that is added later is asked for here.
    nothing = Evaluation(
        comparisons=[],
        preferred=[],
        coverage=[],
        targeting=[],
        failures=[],
        audit=build_audit([], [], [], facts.asked, {}),
        partial=[],
        over_targets=[],
        claims=[],
        relocation=[],
        recipes=[],
        member_weights=[],
        counts=[],
        residuals=judged.residuals.iloc[:0],
        ranked=judged.ranked.iloc[:0],
    )
    return replace(
        facts,
        described=Described(
            facts.described.counts,
            facts.described.summary.iloc[:0],
            overlays=facts.described.overlays,
        ),
        scores=[],
        predictions=facts.predictions.iloc[:0],
        folds=facts.folds.iloc[:0],
        leakage=[],
        judged=nothing,
        heat=[],
        joining={},
    )


def count_withheld_labels(samples: Samples, release: Release, publish: PublishSettings) -> int:
    """Count the withheld areas, and pictures of no known area, whose labels a run has seen.

    Where there are none, no figure of the run can tell of them: labels of areas that are not
    used reach no chip, no fold and no average.
    """
    areas = samples.areas
    is_hidden = areas["area_id"].isin(release.hidden) & _is_labelled(areas, samples)
    if samples.has_places:
        return int(is_hidden.sum())
    is_stray = ~samples.chips["chip_id"].isin(samples.membership["chip_id"])
    is_seen = is_stray & find_withheld_pictures(samples, release, publish)
    return int(is_hidden.sum() + (is_seen & _is_labelled(samples.chips, samples)).sum())


def find_withheld_pictures(
    samples: Samples, release: Release, publish: PublishSettings
) -> NDArray[np.bool_]:
    """Mark the pictures whose label may not be told, (chip,): those of no area that is shown."""
    area_of = samples.membership.set_index("chip_id")["area_id"]
    areas = samples.chips["chip_id"].map(area_of)
    # Nobody knows which people stand behind a picture of no known area, so no bound is met.
    has_bounds = bool(publish.min_population or publish.min_ground_covered)
    is_withheld = ~areas.isin(release.shown) & (areas.notna() | has_bounds)
    return is_withheld.to_numpy(bool)


def refit_run(settings: Settings, run: Run, release: Release) -> Run:
    """Fit and judge everything anew without withheld labels, in ``release/`` of the run folder.

    What is measured on the ground (layers, features of areas) is the run's own. A refit of the
    same run without the same areas is kept, and one that was killed goes on.

    Returns
    -------
    The refit, to be read as any run.

    Raises
    ------
    InputError
        If too little is left to be fitted.
    """
    public = Run(run.release, run.quiet, lender=run)
    before = [read_record(mark_of(run, stage)) for stage in READ]
    # Without the run's own marks nothing says whether an earlier refit is of the same run.
    known = digest(before, sorted(release.shown)) if all(before) else None
    steps = _list_steps(settings, run, release)
    damaged = _find_damage(public, steps, known) if known else ""
    if damaged:
        run.say(f"report: {damaged} is gone, changed or damaged: fitted without them once more")
    if known is None or damaged or not _has_begun(public, known):
        _remove_refit(run)
        # First of all: a refit that is killed can then be told, and go on.
        write_json(public.folder / "release.json", {"fingerprint": known})
    elif all(is_finished(public, step.name, known) for step in steps):
        run.say("report: fitted without them before, and kept")
        return public
    for step in steps:
        work = partial(step.work, public)
        run_stage(public, step.name, known or "", work, writes=step.writes)
    return public


def _remove_refit(run: Run) -> None:
    """Remove an earlier refit, known by the file that it begins with."""
    # Without that file the folder is the user's own.
    if (run.release / "release.json").exists():
        shutil.rmtree(run.release)


def _has_begun(public: Run, known: str) -> bool:
    """Whether the folder holds this very refit, whole or in part."""
    return read_record(public.folder / "release.json") == {"fingerprint": known}


def _find_damage(public: Run, steps: Sequence[Step], known: str) -> str:
    """Say what is no longer as the steps that are finished wrote it; empty where nothing is."""
    for step in steps:
        if is_finished(public, step.name, known):
            for path in list_damaged(public, step.name):
                return str(path.relative_to(public.folder.parent))
    return ""


def _list_steps(settings: Settings, run: Run, release: Release) -> list[Step]:
    """List what is done for the public, in order: only what its page tells of."""
    steps = [
        Step("chips", partial(_make_samples, settings, run, release), ("chips",)),
        Step("describe", partial(describe_chips, settings), ("describe",)),
        Step("split", partial(assign_splits, settings), ("splits",)),
        Step("train", partial(train_recipes, settings), ("models", "features")),
        Step(
            "evaluate",
            partial(evaluate_recipes, settings),
            ("predictions.parquet", "scores.json", "scores.parquet", "evaluate"),
        ),
    ]
    if settings.publish.allow == "chips":
        steps.append(Step("explain", partial(_explain_chips, settings), ("explain",)))
    return steps


def _explain_chips(settings: Settings, public: Run) -> None:
    """Draw the heat maps of networks, the only explanations that may be handed out."""
    # A picture of another refit may show what this one withholds.
    shutil.rmtree(public.explain, ignore_errors=True)
    predictions = pd.read_parquet(public.predictions)
    explain_networks(load_samples(public), predictions, settings, public, Findings())


def _make_samples(settings: Settings, run: Run, release: Release, public: Run) -> None:
    """Read labels once more, without the rows of areas and pictures that are not shown."""
    samples, tables = load_samples(run), dict[str, pd.DataFrame]()
    if samples.has_places:
        left_out = set(samples.areas["area_id"]) - release.shown
        tables = read_place_tables(settings, no_notes(), samples.areas, [], left_out)
        labels = read_labels_without(settings, samples.targets, left_out, samples.areas)
    else:
        is_withheld = find_withheld_pictures(samples, release, settings.publish)
        only = set(samples.chips.loc[~is_withheld, "chip_id"])
        labels = read_picture_labels(settings, samples.targets, only)
    write_public_samples(run, public, release, settings.publish, labels)
    write_place_tables(settings, no_notes(), public.chips, tables, load_samples(public).areas)


def write_public_samples(
    run: Run,
    public: Run,
    release: Release,
    publish: PublishSettings,
    labels: pd.DataFrame | None = None,
) -> None:
    """Write the tables of the chips stage anew, as if withheld areas had never had a label.

    Parameters
    ----------
    labels
        By ``area_id``, or ``chip_id`` of pictures, read without those withheld; by default the
        run's own.

    Raises
    ------
    InputError
        If no target varies over what is left.
    """
    samples = load_samples(run)
    if labels is not None:
        samples = _relabel(samples, labels)
    samples = keep_shown_labels(samples, release, publish)
    with replacing(public.chips) as part:
        part.mkdir()
        samples.chips.to_parquet(part / "chips.parquet")
        samples.areas.to_parquet(part / "areas.parquet")
        samples.membership.to_parquet(part / "membership.parquet")
        facts = read_json(run.chips / "chips.json")
        write_json(part / "chips.json", facts | {"targets": list(samples.targets)})
        write_json(part / "counts.json", _count_again(run, samples))
        # What was odd about the input may name an area that is withheld.
        write_json(part / "notes.json", [])
        for name in ("one_colour.csv", "near_one_colour.csv", COUNTED):
            if (run.chips / name).exists():
                shutil.copy(run.chips / name, part / name)


def _relabel(samples: Samples, labels: pd.DataFrame) -> Samples:
    """Give areas, or pictures and so their areas, other labels."""
    targets, chips = list(samples.targets), samples.chips
    if not samples.has_places:
        chips = chips.assign(**{name: chips["chip_id"].map(labels[name]) for name in targets})
        area_of = samples.membership.set_index("chip_id")["area_id"]
        labels = chips[targets].groupby(chips["chip_id"].map(area_of)).mean()
    found = {name: samples.areas["area_id"].map(labels[name]) for name in targets}
    return replace(samples, chips=chips, areas=samples.areas.assign(**found))


def keep_shown_labels(samples: Samples, release: Release, publish: PublishSettings) -> Samples:
    """Take the labels of all areas but those shown out of samples, and average those of chips anew.

    Returns
    -------
    Samples in which no other area is used; with the targets that still vary.

    Raises
    ------
    InputError
        If none does.
    """
    areas, chips, targets = samples.areas.copy(), samples.chips.copy(), list(samples.targets)
    is_shown = areas["area_id"].isin(release.shown)
    areas[targets] = areas[targets].where(is_shown)
    areas["is_used"] = areas["is_used"].astype(bool) & is_shown
    if samples.has_places:
        for target in targets:
            labels = areas.set_index("area_id")[target]
            chips[target] = average_labels(chips["chip_id"], samples.membership, labels)
    else:
        # A picture has the label of its row, and stays in its place: the store is in this order.
        is_withheld = find_withheld_pictures(samples, release, publish)
        chips[targets] = chips[targets].where(~is_withheld[:, None])
        chips["is_used"] = chips["is_used"].astype(bool) & ~is_withheld
    kept = replace(samples, areas=areas, chips=chips)
    rows = rows_used(kept)
    # What varies over all areas may be the same over those left.
    varying = tuple(target for target in targets if rows[target].min() < rows[target].max())
    if not varying:
        raise InputError(f"{len(rows)} areas may be shown, and no score varies over them")
    dropped = [target for target in targets if target not in varying]
    return replace(
        kept,
        areas=areas.drop(columns=dropped),
        chips=chips.drop(columns=dropped),
        targets=varying,
    )


def _count_again(run: Run, samples: Samples) -> dict[str, int]:
    """Count what is used anew; the names of what was left out stay with the analyst."""
    counts: dict[str, int] = read_json(run.chips / "counts.json")
    counts.pop("names", None)
    if not samples.has_places:
        return counts | {"used": int(samples.chips["is_used"].sum())}
    n_shown = int((samples.areas["is_used"] & _is_labelled(samples.areas, samples)).sum())
    shown = {"areas_labelled": n_shown, "areas_used": n_shown}
    return counts | {name: n for name, n in shown.items() if name in counts}


def _is_labelled(table: pd.DataFrame, samples: Samples) -> pd.Series[bool]:
    """Mark the rows with a value in at least one target."""
    is_labelled: pd.Series[bool] = table[list(samples.targets)].notna().any(axis=1)
    return is_labelled
