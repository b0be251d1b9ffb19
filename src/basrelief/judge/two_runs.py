"""Two runs on the same items and folds, their recipes held against each other as in one report.

Everything that a comparison may say is said by what judges one run (`compare`, `chance`,
`verdicts`): here two runs are only brought together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings, read_settings
from basrelief.judge.baselines import BASELINES
from basrelief.judge.chance import Refits
from basrelief.judge.claims import Knowledge
from basrelief.judge.compare import (
    average_targets,
    choose_listed,
    collect_errors,
    compare_pairs,
    turn_round,
)
from basrelief.judge.resampling import Draws
from basrelief.judge.stage import group_units
from basrelief.judge.verdicts import Compared, settle
from basrelief.judge.worlds import WorldKind
from basrelief.judge.yardsticks import MEAN, Traits, describe_trained, find_yardsticks
from basrelief.learn.choice import list_asked, read_recipes
from basrelief.learn.knowledge import count_known_districts
from basrelief.marks import check_files, read_mark
from basrelief.run import Record, Run, check_format, read_json
from basrelief.stage_settings import SCHEMES

SAME = 1e-9
"""Predictions, and skills in other worlds, that differ by less are the same."""

Floats = NDArray[np.float64]

OF_PAIR = ("recipe", "versus")
FOLD = ["scheme", "repeat", "unit", "id"]
ITEM = ["target", "repeat", "id"]


@dataclass(frozen=True)
class Evaluated:
    """A run whose evaluation is finished."""

    run: Run

    @cached_property
    def samples(self) -> Samples:
        """Its areas and chips."""
        return load_samples(self.run)

    @cached_property
    def settings(self) -> Settings:
        """As it resolved them."""
        return read_settings(self.run.folder / "config.json")

    @cached_property
    def folds(self) -> pd.DataFrame:
        """Which fold each item is in."""
        return pd.read_parquet(self.run.splits / "folds.parquet").astype({"id": str})

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What was held out."""
        # Categories of two runs are not the same codes.
        return pd.read_parquet(self.run.predictions).astype({"id": str})

    @cached_property
    def refits(self) -> pd.DataFrame:
        """Skills in other worlds."""
        return pd.read_parquet(self.run.folder / "evaluate" / "refits.parquet")

    @cached_property
    def traits(self) -> dict[str, Traits]:
        """By recipe and baseline, what its predictions come from."""
        found = {}
        for record in read_json(self.run.folder / "evaluate" / "recipes.json"):
            name, known = record["recipe"], tuple(record["knows"])
            if name in BASELINES:
                found[name] = Traits(known, {}, BASELINES[name].learner)
            else:
                found[name] = describe_trained(self.run.models / name / "final", known)
        return found

    @property
    def asked(self) -> list[str]:
        """Recipes that the user asked for."""
        return list_asked(read_recipes(self.run))

    @cached_property
    def labels(self) -> pd.DataFrame:
        """Of the areas, or pictures, that are used, by their codes."""
        table, name = self.samples.areas, "area_id"
        if not self.samples.has_places:
            table, name = self.samples.chips, "chip_id"
        used = table[table["is_used"].astype(bool)]
        return pd.DataFrame(used.set_index(name)[list(self.samples.targets)])

    def list_scores(self, schemes: Sequence[str]) -> list[Record]:
        """List the scores of what was asked for, in some schemes."""
        records: list[Record] = read_json(self.run.scores)
        return [r for r in records if r["recipe"] in self.asked and r["scheme"] in schemes]


@dataclass(frozen=True)
class Comparison:
    """What two runs come to beside each other."""

    schemes: tuple[str, ...]
    """Those that both have."""

    listed: str
    """The scheme to show first."""

    n: Mapping[str, int]
    """Items that are predicted, by unit."""

    same: tuple[str, ...]
    """Recipes that predict the same in both runs."""

    pairs: list[Record]
    """A recipe of the second run over one of the first: ``recipe, versus, scheme, unit, target``
    (None for the mean over targets), ``difference, low, high, interval, beats, is_beaten``, and
    what they differ in."""

    scores: tuple[list[Record], list[Record]]
    """Records of ``scores.json`` of the recipes that each run was asked for."""


def compare_runs(first: Run, second: Run) -> Comparison:
    """Compare every recipe that was asked for in one run with those of another.

    Recipes of both are judged together, as those of one report are: on the items that both
    predict, with the same draws, and against the same other worlds where both have them.

    Raises
    ------
    InputError
        If either is not evaluated, or their targets, items, labels or folds differ.
    """
    one, other = _open(first), _open(second)
    schemes = _check_same(one, other)
    both = _Both(one, other, _find_same(one, other, schemes))
    compared = [each for scheme in schemes for each in both.compare(scheme)]
    # Scores are judged in their own runs: here only what lies between the two is.
    verdicts = settle([], compared, both.known)
    means = [
        gain | {"recipe": record["recipe"], "versus": versus, "target": None}
        for record in verdicts.over_targets
        for versus, gain in record["over"].items()
        if versus != MEAN
    ]
    return Comparison(
        schemes=tuple(schemes),
        listed=choose_listed(schemes),
        n={str(unit): int(ids.nunique()) for unit, ids in one.predictions.groupby("unit")["id"]},
        same=tuple(sorted(both.same)),
        pairs=both.keep_across([*means, *verdicts.pairs]),
        scores=(one.list_scores(schemes), other.list_scores(schemes)),
    )


def _open(run: Run) -> Evaluated:
    """Open a run whose evaluation is finished, and as it was written."""
    check_format(run.folder)
    if read_mark(run, "evaluate").fingerprint is None:
        raise InputError(f"{run.folder}: not evaluated yet. Run: basrelief evaluate CONFIG")
    for stage in ("chips", "split", "evaluate"):
        check_files(run, stage)
    return Evaluated(run)


def _check_same(one: Evaluated, other: Evaluated) -> list[str]:
    """Stop where two runs are not of the same items and folds; give the schemes of both."""
    named = f"{one.run.folder} and {other.run.folder}"
    if one.samples.targets != other.samples.targets:
        shown = " and ".join(", ".join(each.samples.targets) for each in (one, other))
        raise InputError(f"{named}: their targets differ ({shown}). Run both with the same ones.")
    if set(one.labels.index) != set(other.labels.index):
        strays = sorted(set(one.labels.index) ^ set(other.labels.index))
        raise InputError(
            f"{named}: their areas or pictures differ: {len(strays)} are in one alone, such as "
            f"{strays[0]}. Run both on the same place with the same [chips]."
        )
    theirs = other.labels.loc[one.labels.index].to_numpy(np.float64)
    if not np.allclose(one.labels.to_numpy(np.float64), theirs, rtol=SAME, equal_nan=True):
        raise InputError(f"{named}: their labels differ. Give both the same table of labels.")
    # Scores of a scheme that one lacks would be compared with nothing.
    schemes = [s for s in SCHEMES if {s} <= set(one.folds["scheme"]) & set(other.folds["scheme"])]
    if not schemes:
        raise InputError(f"{named}: no scheme is in both. Give both the same split.schemes.")
    for key in ("block_m", "buffer_m"):
        mine, yours = (getattr(each.settings.split, key) for each in (one, other))
        if mine != yours:
            raise InputError(f"{named}: their split.{key} differs, {mine:g} and {yours:g}.")
    for scheme in schemes:
        mine, yours = (r.folds[r.folds["scheme"] == scheme].set_index(FOLD) for r in (one, other))
        if not mine.sort_index().equals(yours.sort_index()):
            raise InputError(
                f"{named}: their folds of scheme {scheme!r} differ. Run both with the same seed "
                "and the same [split]."
            )
    return schemes


def _find_same(one: Evaluated, other: Evaluated, schemes: Sequence[str]) -> frozenset[str]:
    """Find the recipes that predict the same in both runs, in all schemes that both have."""
    found = set()
    for name in set(one.traits) & set(other.traits):
        mine, yours = (
            r.predictions[(r.predictions["recipe"] == name) & r.predictions["scheme"].isin(schemes)]
            .set_index(["scheme", "unit", *ITEM])
            .sort_index()[["y_pred", "y_mean"]]
            for r in (one, other)
        )
        if mine.index.equals(yours.index) and np.allclose(mine, yours, rtol=SAME, equal_nan=True):
            found.add(name)
    return frozenset(found)


@dataclass(frozen=True)
class _Both:
    """The recipes of two runs, told apart by which run they are of."""

    one: Evaluated
    other: Evaluated
    same: frozenset[str]

    @cached_property
    def known(self) -> Knowledge:
        """What all of them know, and what differs in one eye alone, of whichever run it is."""
        return Knowledge({k: each.knows for k, each in self.traits.items()}, self._by_eye)

    @cached_property
    def traits(self) -> dict[str, Traits]:
        """By key; of what both runs have alike, once."""
        return {
            self.key(own, name): each for own in self._runs for name, each in own.traits.items()
        }

    @cached_property
    def _by_eye(self) -> dict[str, dict[str, str]]:
        return find_yardsticks(self.traits)

    @property
    def _runs(self) -> tuple[Evaluated, Evaluated]:
        return self.one, self.other

    def key(self, own: Evaluated, name: str) -> str:
        """Give a recipe a key that no recipe of the other run has, unless both are the same."""
        return name if name in self.same else f"{1 + (own is self.other)}:{name}"

    @cached_property
    def asked(self) -> tuple[list[str], list[str]]:
        """Keys of what each run was asked for."""
        first, second = ([self.key(own, name) for name in own.asked] for own in self._runs)
        return first, second

    def compare(self, scheme: str) -> Iterator[Compared]:
        """Compare the recipes of a scheme, unit by unit."""
        targets = self.one.samples.targets
        groups = group_units(self.one.samples, self.one.settings)
        for unit, frames in self._read(scheme).items():
            items = pd.Index(sorted({each for frame in frames.values() for each in frame["id"]}))
            errors = {k: collect_errors(frame, items, targets) for k, frame in frames.items()}
            draws = Draws(np.random.default_rng(self.one.settings.seed))
            drawn = groups[unit].rename(index=str).reindex(items).reset_index(drop=True)
            refits = self._read_refits(scheme, unit)
            traits, yardsticks = self.traits, self.known.yardsticks
            pairs = compare_pairs(errors, list(errors), targets, drawn, traits, draws)
            means = average_targets(errors, drawn, yardsticks, traits, draws)
            key = {"scheme": scheme, "unit": unit}
            yield Compared(
                scheme,
                unit,
                list(errors),
                {name: [key | refits.bound_pair(r) for r in each] for name, each in pairs.items()},
                [key | refits.bound_means(r) for r in means],
                refits,
            )

    def _read(self, scheme: str) -> dict[str, dict[str, pd.DataFrame]]:
        """Read what was held out by unit and key: of what was asked for, and of its yardsticks."""
        wanted = {*self.asked[0], *self.asked[1]}
        wanted |= {each for k in wanted for each in self._by_eye.get(k, {}).values()}
        found: dict[str, dict[str, pd.DataFrame]] = {}
        for own in self._runs:
            table = own.predictions[own.predictions["scheme"] == scheme]
            for (unit, name), frame in table.groupby(["unit", "recipe"], sort=False):
                if self.key(own, str(name)) in wanted:
                    found.setdefault(str(unit), {}).setdefault(self.key(own, str(name)), frame)
        return found

    def _read_refits(self, scheme: str, unit: str) -> Refits:
        """Read skills in other worlds, of the kinds of worlds that both runs have alike."""
        targets = self.one.samples.targets
        figures: dict[str, dict[WorldKind, Floats]] = {}
        for own in self._runs:
            table = own.refits[(own.refits["scheme"] == scheme) & (own.refits["unit"] == unit)]
            for (name, kind), each in table.groupby(["recipe", "kind"]):
                if kind in self._kinds:
                    square = each.pivot_table("skill", "world", "target").reindex(columns=targets)
                    key = self.key(own, str(name))
                    figures.setdefault(key, {}).setdefault(str(kind), square.to_numpy(np.float64))
        n_districts = count_known_districts(self.one.samples)
        return Refits(targets, self.known.knows, n_districts, figures)

    @cached_property
    def _kinds(self) -> set[str]:
        """Kinds of worlds whose labels are the same in both runs.

        Labels are not kept. But what predicts the same in both has the same skills only where the
        labels are the same, in every world.
        """
        of_world = ["recipe", "scheme", "unit", "kind", "world", "target"]
        mine, yours = (own.refits.set_index(of_world)["skill"] for own in self._runs)
        shared = mine[mine.index.get_level_values("recipe").isin(self.same)]
        theirs = yours.reindex(shared.index)
        is_same = np.isclose(shared, theirs, rtol=0.0, atol=SAME, equal_nan=True)
        is_same &= shared.index.isin(yours.index)
        by_kind = pd.Series(is_same, shared.index.get_level_values("kind"), dtype=bool)
        return {str(kind) for kind, each in by_kind.groupby(level=0) if each.all()}

    def keep_across(self, records: Sequence[Record]) -> list[Record]:
        """Keep what lies between the runs: the second's recipe over the first's, by its name."""
        first, second = self.asked
        found = {}
        # Either may be the simpler: whichever it is, the second run is told over the first.
        for each in (turned for record in records for turned in (record, turn_round(record))):
            is_across = each["recipe"] in second and each["versus"] in first
            if is_across and not {each["recipe"], each["versus"]} <= self.same:
                key = tuple(each[name] for name in (*OF_PAIR, "scheme", "unit", "target"))
                named = {name: each[name].partition(":")[2] or each[name] for name in OF_PAIR}
                found[key] = each | named
        return list(found.values())
