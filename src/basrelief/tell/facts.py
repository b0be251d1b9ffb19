"""What the stages before wrote, as far as the report tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from basrelief.chips.counted import read_counted
from basrelief.chips.store import Samples, load_samples
from basrelief.config import InputError, Settings
from basrelief.judge.compare import choose_listed, order_recipes
from basrelief.learn.choice import list_asked, read_recipes, read_trained
from basrelief.learn.knowledge import LIDAR, find_eyes
from basrelief.learn.recipes import KrigedRecipe
from basrelief.learn.shortening import label_recipes
from basrelief.run import Record, Run, read_json
from basrelief.sources.census import name_districts
from basrelief.sources.credits import InputCredits
from basrelief.sources.inputs import TRUTH
from basrelief.stage_settings import SCHEMES
from basrelief.tell.described import Described, read_described
from basrelief.tell.evaluation import Evaluation, read_evaluation, read_filtered
from basrelief.tell.findings import Finding, beats_mean, find_findings
from basrelief.tell.provenance import InputRole, find_day, find_run_credits
from basrelief.tell.publication import Publication
from basrelief.tell.relief import FILE as RELIEF
from basrelief.tell.relief import Relief, read_relief
from basrelief.tell.training import tell_names
from basrelief.tell.units import CASES, CRIMES
from basrelief.tell.words import say_by_district


@dataclass(frozen=True)
class Panel:
    """A figure and what it says."""

    picture: str
    """Inline SVG, or an ``img`` element."""

    caption: str


@dataclass(frozen=True)
class HeatPicture:
    """A picture of a chip under its heat."""

    picture: Path
    record: Record
    """Its entry in ``summary.json`` of its recipe."""


@dataclass(frozen=True)
class Facts:
    """What the stages before wrote, as far as a page tells it."""

    settings: Settings
    run: Run
    samples: Samples
    described: Described
    scores: list[Record]
    predictions: pd.DataFrame
    """First repeat of the recipes asked for, in the scheme shown."""

    folds: pd.DataFrame
    leakage: list[Record]
    judged: Evaluation
    heat: list[HeatPicture]
    asked: list[str]
    """Recipes that the user wants to know about; the others are what they have to beat."""

    joining: dict[str, str]
    """By recipe that joins LIDAR and place, the recipe that speaks for LIDAR in it.

    Told by its name, never as it was typed: that may be a path. Empty where it is unknown."""

    truth: dict[str, str]
    """What drives each target, where the data are a synthetic town."""

    trainings: Sequence[Record] = ()
    """What was trained and how far, as in ``models/recipes.json``."""

    unshown: tuple[str, ...] = ()
    """Targets of which nothing is shown by area, on the public page: see `find_failing`."""

    sources: Sequence[InputRole] = ()
    """The input files, by hash."""

    counted: Mapping[str, str] = field(default_factory=dict)
    """By target that is a rate, what was counted: `CRIMES` or `CASES`."""

    credits: InputCredits = field(default_factory=InputCredits)
    """Whose the inputs are, as kept when they were fetched, or whose they usually are."""

    judged_on: date | None = None
    """The day on which the run was judged."""

    relief: Relief | None = None
    """The ground itself, small and lit from the side; None where the map stage drew none."""

    publication: Publication | None = None
    """What the public page says of itself; None on the analyst's."""

    @property
    def is_public(self) -> bool:
        """Whether these are the facts that may be handed out."""
        return self.publication is not None

    def tell(self, found: Any) -> Any:
        """Call recipes in records of the run as pages call them: see `tell_names`."""
        return tell_names(found, self.trainings)

    def find_code(self, recipe: str) -> str:
        """Find a recipe's name in the run's files by what pages call it: see `tell_names`."""
        labels = label_recipes(self.trainings)
        return next((code for code, label in labels.items() if label == recipe), recipe)

    @property
    def has_ground(self) -> bool:
        """Whether anything looked at the ground: LIDAR, a photo, or pictures of either."""
        return self.settings.data.kind != "tables"

    @property
    def labels(self) -> pd.DataFrame:
        """Rows with a label of their own: pictures, or the areas of rasters."""
        table = self.samples.areas if self.samples.has_places else self.samples.chips
        used: pd.DataFrame = table[table["is_used"].astype(bool)]
        return used

    @property
    def schemes(self) -> list[str]:
        """Schemes that were scored, in the order in which they are always told."""
        scored = {record["scheme"] for record in self.scores}
        return [scheme for scheme in SCHEMES if scheme in scored]

    @property
    def recipes(self) -> list[str]:
        """Recipes that were scored, baselines among them, from the simplest on."""
        return order_recipes(list(dict.fromkeys(r["recipe"] for r in self.scores)), set())

    @property
    def shown_scheme(self) -> str:
        """The scheme that is shown where showing all of them would be too much."""
        return choose_listed(self.schemes)

    @property
    def joined(self) -> dict[str, list[str]]:
        """By recipe that knows more than LIDAR, or something else, the codes of what it knows.

        Those that join LIDAR and place, and of other eyes those that were asked for.
        """
        knows = self.judged.knows
        asked = [name for name in self.asked if set(find_eyes(knows.get(name, ()))) - set(LIDAR)]
        return {name: knows.get(name, []) for name in [*self.joining, *asked]}

    @cached_property
    def shown(self) -> dict[str, str]:
        """By target, the recipe whose map, intervals and list are shown.

        The preferred one where it was asked for, else the one of those asked for that has most
        skill; targets that none of them predicts by area are missing.
        """
        wanted = {"scheme": self.shown_scheme, "unit": "area"}
        found = {}
        for target in self.samples.targets:
            mine = select(self.scores, target=target, **wanted)
            mine = [r for r in mine if r["recipe"] in self.asked and r["skill"] is not None]
            if mine:
                # Often place alone or the mean is preferred, which nobody asked for: a map of the
                # mean is of one colour.
                best = max(mine, key=lambda record: float(record["skill"]))["recipe"]
                preferred = self.find_preferred(target)
                found[target] = preferred if preferred in self.asked else best
        return found

    def find_failing(self) -> dict[str, list[str]]:
        """Find the targets that the recipe shown cannot predict, by that recipe.

        It is not judged better than the mean, in the scheme that is shown.
        """
        failing: dict[str, list[str]] = {}
        for target, recipe in self.shown.items():
            wanted = {"recipe": recipe, "target": target, "scheme": self.shown_scheme}
            if not any(map(beats_mean, select(self.scores, unit="area", **wanted))):
                failing.setdefault(recipe, []).append(target)
        return failing

    @cached_property
    def findings(self) -> list[Finding]:
        """The scores of what was asked for, in the scheme that is shown."""
        found = find_findings(self.scores, self.shown_scheme, self.judged.knows)
        return [finding for finding in found if finding.recipe in self.asked]

    @cached_property
    def districts(self) -> dict[str, str]:
        """Names of districts by code."""
        return name_districts(self.samples.areas)

    @property
    def labelled_districts(self) -> list[str]:
        """Names of the districts of areas with a label, where all of them are known."""
        labels = self.labels
        codes: list[str] = list(labels["lad"].dropna().unique()) if "lad" in labels else []
        names = [self.districts.get(str(code), "") for code in codes]
        # One that cannot be named would make the list look whole and be wrong.
        return names if all(names) else []

    def name_district(self, code: str) -> str:
        """Name a district; by its code where its name is not known."""
        return self.districts.get(code, code)

    def say_by_district(self, target: str) -> str:
        """Say of a target that some of its indicators are set by district; empty for most.

        Of a made-up town it would not be true.
        """
        return "" if self.truth else say_by_district(target)

    def find_residuals(self, recipe: str, target: str) -> pd.DataFrame:
        """Find the rows of ``residuals.parquet`` of one recipe and target."""
        table = self.judged.residuals
        if table.empty:
            return table
        mine: pd.DataFrame = table[(table["recipe"] == recipe) & (table["target"] == target)]
        return mine

    def find_outside(self, recipe: str, target: str) -> list[str]:
        """List the areas outside the area of applicability of a recipe, by id."""
        mine = self.find_residuals(recipe, target)
        if mine.empty:
            return []
        # What was not measured is not known to lie outside.
        is_outside = mine["is_inside"].astype("boolean").eq(False).fillna(False)
        outside: list[str] = mine.loc[is_outside.to_numpy(bool), "area_id"].tolist()
        return outside

    def find_preferred(self, target: str) -> str | None:
        """Find the recipe that judging prefers for areas, in the scheme that is shown."""
        wanted = {"target": target, "scheme": self.shown_scheme, "unit": "area"}
        preferred = select(self.judged.preferred, **wanted)
        return preferred[0]["recipe"] if preferred else None

    def find_speaker(self, recipe: str) -> str:
        """Find what speaks for LIDAR in a recipe that joins place; else the recipe itself."""
        return self.joining.get(recipe) or recipe

    def keep_shown(self, records: Sequence[Record]) -> list[Record]:
        """Keep the recipe that is shown for each target, in the targets' order."""
        return [
            record
            for target, recipe in self.shown.items()
            for record in records
            if (record["target"], record["recipe"]) == (target, recipe)
        ]


def select(records: Sequence[Record], **wanted: Any) -> list[Record]:
    """Keep the records that have these values.

    Examples
    --------
    >>> select([{"a": 1, "b": 2}, {"a": 3, "b": 4}], a=3)
    [{'a': 3, 'b': 4}]
    """
    return [r for r in records if all(r[key] == value for key, value in wanted.items())]


def choose_unit(scores: Sequence[Record], target: str, scheme: str) -> str:
    """Choose what a scheme's main score is of: areas, or chips where it holds out chips."""
    units = {record["unit"] for record in select(scores, target=target, scheme=scheme)}
    # Chips at random hold no area out: areas have chips on both sides.
    return "chip" if scheme == "random" or "area" not in units else "area"


def read_facts(settings: Settings, run: Run) -> Facts:
    """Read what the pages tell of.

    Raises
    ------
    InputError
        If a file that an earlier stage writes is not there.
    """
    _check_finished(settings, run)
    scores: list[Record] = read_json(run.scores)
    trainings = read_recipes(run)
    asked = find_asked(scores, trainings)
    scheme = choose_listed(record["scheme"] for record in scores)
    shown = [("recipe", "in", asked), ("scheme", "==", scheme)]
    judged = read_evaluation(run.folder / "evaluate", shown)
    samples = load_samples(run)
    truth = _read_truth(settings, samples.targets)
    credits = find_run_credits(settings, run, samples)

    def told(found: Any) -> Any:
        return tell_names(found, trainings)

    return Facts(
        settings=settings,
        run=run,
        samples=samples,
        described=read_described(run),
        scores=told(scores),
        # Only what is drawn: all rows of all schemes and repeats would not fit for a region.
        predictions=told(read_filtered(run.predictions, [*shown, ("repeat", "==", 0)])),
        folds=pd.read_parquet(run.splits / "folds.parquet"),
        leakage=read_json(run.splits / "leakage.json"),
        # All at once, so that no table can be left out and call a recipe by its bare name.
        judged=Evaluation(**told(vars(judged))),
        heat=[HeatPicture(path, told(record)) for path, record in _list_heat(run)],
        asked=told(asked),
        joining=told(_find_joining(run, scores, judged)),
        truth=truth,
        trainings=trainings,
        counted={
            name: CASES if name in settings.data.counts else CRIMES
            for name in read_counted(run.chips)
        },
        # What was made up is nobody's, though its codes are those of a country.
        credits=replace(credits, usual=()) if truth else credits,
        judged_on=find_day(run),
        relief=read_relief(run.owner.maps / RELIEF),
    )


def _list_heat(run: Run) -> Iterator[tuple[Path, Record]]:
    """List the pictures of chips under their heat, each with what is told of it."""
    # Sorted, so that the same run gives the same page on every file system.
    for path in sorted(run.explain.glob("*/summary.json")):
        for record in read_json(path):
            yield path.parent / record["file"], record


def _check_finished(settings: Settings, run: Run) -> None:
    """Stop where a stage that every page tells of has not run."""
    needed = (
        run.chips / "chips.json",
        *(run.describe / name for name in ("summary.csv", "counts.json")),
        *(run.splits / name for name in ("folds.parquet", "leakage.json")),
        run.predictions,
        run.scores,
        # The last file that judging always writes.
        run.folder / "evaluate" / "audit.json",
    )
    missing = next((path for path in needed if not path.exists()), None)
    if missing is not None:
        raise InputError(
            f"{settings.tell_out()}: no {missing.relative_to(run.folder)} in this run folder, so "
            "there is nothing to report yet. Run the stages before it: basrelief run CONFIG."
        )


def find_asked(scores: Sequence[Record], trainings: Sequence[Record]) -> list[str]:
    """Name the scored recipes that the user asked for; all of them if none is known to be."""
    names = list(dict.fromkeys(record["recipe"] for record in scores))
    # Those that judging adds were not asked for: they are what has to be beaten.
    return [name for name in names if name in list_asked(trainings)] or names


def _find_joining(run: Run, scores: Sequence[Record], judged: Evaluation) -> dict[str, str]:
    """Find which scored recipes join LIDAR and place: see `Facts.joining`.

    Of those that join other eyes too, the pages tell by eye.
    """
    found = {}
    names = list(dict.fromkeys(record["recipe"] for record in scores))
    for name in order_recipes(names, set()):
        # As it was trained: the file that the user gave may have changed since.
        recipe = read_trained(run, name)
        is_of_lidar = not set(find_eyes(judged.knows.get(name, ()))) - set(LIDAR)
        if isinstance(recipe, KrigedRecipe) and is_of_lidar:
            trend = str(recipe.trend)
            weighed = select(judged.member_weights, recipe=name)
            members = {member for record in weighed for member in record["members"]}
            known = [trend] if trend in names else sorted(members)
            found[name] = known[0] if len(known) == 1 else ""
    return found


def _read_truth(settings: Settings, targets: Sequence[str]) -> dict[str, str]:
    """Read what drives each target where the data are a synthetic town; empty elsewhere."""
    # Only a made-up town knows what drives its scores; it says so beside its configuration.
    path = settings.locate(TRUTH)
    truth = read_json(path) if path.is_file() else None
    found = truth.get("driven_by") if isinstance(truth, dict) else None
    # Somebody else's file may have that name.
    driven_by = found if isinstance(found, dict) else {}
    return {target: driven_by[target] for target in targets if target in driven_by}
