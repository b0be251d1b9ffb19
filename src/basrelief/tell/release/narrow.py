"""The facts that may be handed out: what the public page is made from, and nothing else.

Tables are built from the columns named here and the rows that the gate lets through, before
anything is drawn or worded, so that no section can tell what it was not given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from basrelief.chips.store import Samples
from basrelief.config import DataSettings, Settings
from basrelief.eyes import TableSettings
from basrelief.judge.audit import build_audit
from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record, Run
from basrelief.sources.flights import FLIGHTS
from basrelief.sources.tenths import TENTH
from basrelief.stage_settings import ModelSettings
from basrelief.tell.described import Described
from basrelief.tell.evaluation import Evaluation, read_ranked
from basrelief.tell.facts import Facts, HeatPicture, select
from basrelief.tell.provenance import OF_LABELS, InputRole
from basrelief.tell.publication import Basis, Publication
from basrelief.tell.release.gate import Release, may_average
from basrelief.tell.release.withheld import bar_chips, list_withheld, say_bounds

OF_SCORE = ("recipe", "target", "scheme", "unit")

NAMELESS = "withheld"
"""Stands for a file or folder."""

OF_RUN = Basis("run")

NOWHERE = Run(Path(os.devnull), quiet=True)
"""Stands for the run folder: whoever has narrowed facts can open no file of it."""

TOLD_OF_SCORES = ["count", "mean", "std"]
"""Columns of the summary: the least, the greatest and the quartiles are single areas' scores."""

TOLD_OF_HEAT = (
    *("recipe", "target", "scheme", "layer", "kind"),
    *("share_positive", "share_negative"),
)
"""What is told of a picture of a chip: neither its code nor its place nor its prediction."""

OF_RANKED = (
    *("recipe", "target", "area_id", "area_name", "lad"),
    *("lift", "y_pred", "lower_80", "upper_80"),
)


def narrow_facts(facts: Facts, release: Release, basis: Basis = OF_RUN) -> Facts:
    """Keep what may be handed out of what a run found.

    Parameters
    ----------
    facts
        Of what the public version is drawn from: of a refit where one had to be made.

    Returns
    -------
    Facts without chips, folds or figures of withheld areas; of those, and of areas that were
    not used, outlines without a code. Averages are kept where the gate lets them through.
    `Evaluation.ranked` has all areas shown, of the recipe shown for each target, ranked anew:
    a gap in the ranks would tell where a withheld area stands. Of a target for which that recipe
    is no better than the mean no prediction of an area is kept.
    """
    scores = keep_scores(facts, release)
    kept = {tuple(str(record[name]) for name in OF_SCORE) for record in scores}
    recipes = list(dict.fromkeys(record["recipe"] for record in scores))
    is_whole = basis.kind == "run" and not release.hidden
    asked = [facts.find_code(name) for name in facts.asked]
    narrowed = replace(
        facts,
        settings=narrow_settings(facts.settings, asked, has_seed=is_whole),
        run=NOWHERE,
        samples=narrow_samples(facts.samples, release, facts.settings.data),
        # Without crimes by borough: who takes away the areas shown is left with those withheld.
        described=Described(
            facts.described.counts,
            narrow_summary(facts, release),
            overlays=facts.described.overlays,
        ),
        scores=scores,
        predictions=_keep_rows(facts.predictions, "id", release),
        folds=facts.folds.iloc[:0],
        judged=_narrow_evaluation(facts, release, kept),
        heat=narrow_heat(facts, release),
        asked=[name for name in facts.asked if name in recipes] or recipes,
        joining={name: lidar for name, lidar in facts.joining.items() if name in recipes},
        sources=narrow_sources(facts.sources, is_whole=is_whole),
    )
    # Read last: which recipe is shown depends on the scores that were kept.
    listed = {target: facts.find_code(recipe) for target, recipe in narrowed.shown.items()}
    ranked = facts.tell(narrow_ranked(facts.run.folder / "evaluate", listed, release))
    narrowed = _drop_failing(replace(narrowed, judged=replace(narrowed.judged, ranked=ranked)))
    publication = Publication(
        basis=basis,
        is_whole=is_whole,
        bounds=say_bounds(facts.settings.publish, release),
        population=release.population,
        withheld=tuple(list_withheld(facts, narrowed, release, basis)),
    )
    return replace(narrowed, publication=publication)


def narrow_sources(sources: Sequence[InputRole], *, is_whole: bool) -> list[InputRole]:
    """Keep what tells files apart: size and hash, but not of labels of which some are withheld.

    With the hash of a table, whoever knows all of it but a few cells can try them out.
    """
    return [
        # Files by name can tell where ground lies, and who worked on it.
        replace(source, names=())
        for source in sources
        if is_whole or source.role not in OF_LABELS
    ]


def narrow_settings(settings: Settings, asked: list[str], *, has_seed: bool) -> Settings:
    """Keep the settings that decide a result; of files, only whether they were given.

    Without its seed nobody can deal the run's folds again: the default stands in its stead.
    """
    data = settings.data
    keys = ("images", "table", "dsm", "dtm", "areas", "labels", "lookup", "crime")
    # Built up from what is named here: a key that is added later stays private until it is.
    given: dict[str, Any] = {key: NAMELESS for key in keys if getattr(data, key) is not None}
    return Settings(
        out=NAMELESS,
        seed=settings.seed if has_seed else Settings.model_fields["seed"].default,
        data=DataSettings(
            **given,
            crs=data.crs,
            targets=data.targets,
            crime_years=data.crime_years,
            label_year=data.label_year,
            max_years_apart=data.max_years_apart,
            tables={key: _hide_table(table) for key, table in data.tables.items()},
        ),
        chips=settings.chips,
        split=settings.split,
        models=ModelSettings(
            recipes=asked or None,
            device=settings.models.device,
            precision=settings.models.precision,
            epochs=settings.models.epochs,
            steps_per_epoch=settings.models.steps_per_epoch,
            views=settings.models.views,
        ),
        evaluate=settings.evaluate,
        publish=settings.publish,
    )


def _hide_table(table: TableSettings) -> TableSettings:
    """Keep that there is such an eye, and whether it is the last release: pages tell by it."""
    # Columns can be headed with anything, and stand in no result.
    columns = None if table.columns is None else [NAMELESS]
    return TableSettings(file=NAMELESS, columns=columns, role=table.role)


def narrow_samples(samples: Samples, release: Release, data: DataSettings) -> Samples:
    """Keep the areas shown, with name, district and labels; of the others, the outline alone."""
    areas = samples.areas
    is_shown = areas["area_id"].isin(release.shown)
    # Which years of crime are taken is decided by the counts of all areas, those withheld too.
    is_chosen = data.crime is not None and data.crime_years is None and data.label_year is None
    years = ("flown_from", "flown_to") if is_chosen else FLIGHTS
    tenths = [f"{TENTH}{target}" for target in samples.targets]
    names = ["area_id", "area_name", "lad", "ground_covered", *years, *samples.targets, *tenths]
    columns: dict[str, Any] = {name: areas[name].where(is_shown) for name in names if name in areas}
    # An area withheld looks like one that never counted.
    columns["is_used"] = is_shown
    kept = pd.DataFrame(columns)
    if samples.has_places:
        kept = gpd.GeoDataFrame(kept, geometry=areas.geometry, crs=areas.crs)
    else:
        # Areas of pictures have no outline, so that of the others nothing is left to keep.
        kept = kept[is_shown]
    no_chips = pd.DataFrame(columns=["is_used", *samples.targets]).astype({"is_used": bool})
    return replace(
        samples,
        chips=no_chips,
        areas=kept,
        membership=samples.membership.iloc[:0],
        folder=Path(),
    )


def narrow_summary(facts: Facts, release: Release) -> pd.DataFrame:
    """Keep count, mean and standard deviation of each score where they may be shown."""
    summary = facts.described.summary
    targets = [target for target in facts.samples.targets if target in summary.index]
    summary = summary.loc[targets, TOLD_OF_SCORES]
    may_tell = [
        may_average(int(count), count_labelled(facts, release, target))
        for target, count in summary["count"].items()
    ]
    kept: pd.DataFrame = summary[may_tell]
    return kept


def count_labelled(facts: Facts, release: Release, target: Any) -> int:
    """Count the withheld areas behind a score's mean; of pictures none is shown at all."""
    labels = facts.labels
    known = labels[labels[target].notna()]
    if not facts.samples.has_places or not release.shown:
        return len(known)
    return int(known["area_id"].isin(release.hidden).sum())


def narrow_heat(facts: Facts, release: Release) -> list[HeatPicture]:
    """Keep pictures of chips where they are allowed, without names, places and predictions.

    Chips that show ground of an area with too few people are left out.
    """
    # A picture shows single buildings; only the user's word lets it out.
    if facts.settings.publish.allow != "chips":
        return []
    barred = bar_chips(facts, release)
    return [
        HeatPicture(heat.picture, {key: heat.record[key] for key in TOLD_OF_HEAT})
        for heat in facts.heat
        if heat.record["chip_id"] not in barred
    ]


def keep_scores(facts: Facts, release: Release) -> list[Record]:
    """Keep the scores that rest on enough areas and leave no few withheld ones behind."""
    n_hidden = count_hidden(facts, release)
    return [
        record
        for record in facts.scores
        if may_average(
            record["n"], n_hidden(tuple(str(record[name]) for name in OF_SCORE), record["n"])
        )
    ]


def count_hidden(facts: Facts, release: Release) -> Callable[[tuple[str, ...], int], int]:
    """Count the withheld areas behind each score.

    Returns
    -------
    A function of the score's recipe, target, scheme and unit, and of how many units it is over.
    """
    found: dict[tuple[str, ...], int] = {}
    if release.hidden and release.shown:
        tested = facts.tell(
            pq.read_table(
                facts.run.predictions,
                columns=[*OF_SCORE, "id"],
                filters=[("unit", "==", "area"), ("id", "in", sorted(release.hidden))],
            ).to_pandas()
        )
        counts = tested.groupby(list(OF_SCORE), observed=True)["id"].nunique()
        found = {tuple(str(part) for part in key): int(n) for key, n in counts.items()}

    def count(key: tuple[str, ...], n: int) -> int:
        # No single chip is handed out, and of no areas where none are: nothing to subtract.
        is_all = key[-1] == "chip" or not release.shown
        return n if is_all else found.get(key, 0)

    return count


def _narrow_evaluation(facts: Facts, release: Release, kept: set[tuple[str, ...]]) -> Evaluation:
    """Keep of the judgement what belongs to scores that are kept, over all areas together."""
    judged = facts.judged

    def has(record: Record, recipe: str) -> bool:
        unit = record.get("unit", "area")
        return (recipe, record["target"], record["scheme"], unit) in kept

    def has_both(record: Record) -> bool:
        # A mean over targets tells nothing that its parts, all of them shown, do not.
        target = record.get("target")
        named = facts.samples.targets if target is None else (target,)
        return all(
            recipe == MEAN or has(record | {"target": each}, recipe)
            for each in named
            for recipe in (record["recipe"], record["versus"])
        )

    comparisons = [record for record in judged.comparisons if has_both(record)]
    scores = [r for r in facts.scores if tuple(str(r[name]) for name in OF_SCORE) in kept]
    # Made anew from what is left: the run's own audit tells of scores that are not shown.
    audit = build_audit(scores, comparisons, facts.leakage, facts.asked, judged.yardsticks)
    return Evaluation(
        comparisons=comparisons,
        preferred=[r for r in judged.preferred if r["recipe"] == MEAN or has(r, r["recipe"])],
        # By district and by tenth there are few areas, and differences between them.
        coverage=[r for r in select(judged.coverage, group="all") if has(r, r["recipe"])],
        targeting=[r for r in judged.targeting if has(r, r["recipe"])],
        failures=[
            r | {"by_decile": [], "by_district": []} for r in judged.failures if has(r, r["recipe"])
        ],
        audit=audit,
        counts=[r for r in judged.counts if has(r, r["recipe"])],
        partial=judged.partial if _may_tell_partial(judged.partial, release) else [],
        over_targets=[record | {"over": {}} for record in judged.over_targets if has_both(record)],
        claims=[record for record in judged.claims if has_both(record)],
        relocation=[record for record in judged.relocation if has_both(record)],
        recipes=[r for r in judged.recipes if r["recipe"] in {key[0] for key in kept}],
        member_weights=[r for r in judged.member_weights if has(r, r["recipe"])],
        residuals=_keep_rows(judged.residuals, "area_id", release),
        ranked=judged.ranked.iloc[:0],
    )


def _drop_failing(narrowed: Facts) -> Facts:
    """Leave out what is told area by area of targets that no better than the mean is told of.

    A list or a map of them would be read as knowledge, whatever stood beside it.
    """
    failing = {target for targets in narrowed.find_failing().values() for target in targets}

    def keep(table: pd.DataFrame) -> pd.DataFrame:
        return table if table.empty else table[~table["target"].isin(failing)]

    judged = narrowed.judged
    return replace(
        narrowed,
        predictions=keep(narrowed.predictions),
        judged=replace(judged, residuals=keep(judged.residuals), ranked=keep(judged.ranked)),
        unshown=tuple(target for target in narrowed.samples.targets if target in failing),
    )


def _may_tell_partial(records: list[Record], release: Release) -> bool:
    """Whether effects over all areas may be told: over enough, and with nothing to subtract."""
    n_hidden = len(release.hidden) if release.shown else 0
    return all(may_average(record["n"], n_hidden) for record in records)


def _keep_rows(table: pd.DataFrame, column: str, release: Release) -> pd.DataFrame:
    """Keep the rows of areas shown."""
    if table.empty:
        return table
    is_shown = table[column].isin(release.shown)
    # The code of a chip could be like that of an area.
    if "unit" in table:
        is_shown &= table["unit"] == "area"
    kept: pd.DataFrame = table[is_shown]
    return kept


def narrow_ranked(folder: Path, shown: dict[str, str], release: Release) -> pd.DataFrame:
    """Read of the ranked lists the areas shown, of the recipe shown for each target.

    Returns
    -------
    Columns ``recipe, target, area_id, area_name, lad, lift, y_pred, lower_80, upper_80, y_true,
    is_inside, rank``; from the highest ``lift`` down, ranked among themselves.
    """
    recipes = pd.Series(shown, dtype=object)
    table = read_ranked(
        folder,
        lambda rows: (
            rows["area_id"].isin(release.shown) & (rows["target"].map(recipes) == rows["recipe"])
        ),
    )
    if table.empty:
        return table
    order = table.groupby("target")["rank"].rank(method="min")
    # Beside blanks, truth values come as text or not.
    is_inside = table["is_inside"].map(str).map({"True": True, "False": False})
    ranked = table[[*OF_RANKED, "y_true"]].assign(
        rank=order.astype(np.int64), is_inside=is_inside.astype("boolean")
    )
    return ranked.sort_values(["target", "rank", "area_id"], ignore_index=True)
