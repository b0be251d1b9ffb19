"""What the stages before wrote, as far as the report tells of it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from basrelief.chips.store import Samples, load_samples
from basrelief.config import SCHEMES, InputError, Settings
from basrelief.judge.compare import SIMPLEST, order_recipes
from basrelief.learn.choice import DEFAULT_RECIPES
from basrelief.run import Record, Run, read_json

LISTED_SCHEME = "block"
"""The scheme that maps, intervals and lists are shown for, where it was run: as in judging."""

N_LISTED = 20
"""Areas of the ranked list that the page shows."""


@dataclass(frozen=True)
class Panel:
    """A figure and what it says."""

    picture: str
    """Inline SVG, or an ``img`` element."""

    caption: str


@dataclass(frozen=True)
class Evaluation:
    """What judging found; empty where a run was judged before it looked for it."""

    comparisons: list[Record] = field(default_factory=list)
    preferred: list[Record] = field(default_factory=list)
    coverage: list[Record] = field(default_factory=list)
    targeting: list[Record] = field(default_factory=list)
    failures: list[Record] = field(default_factory=list)
    audit: Record = field(default_factory=dict)
    partial: list[Record] = field(default_factory=list)
    over_targets: list[Record] = field(default_factory=list)
    kept: list[Record] = field(default_factory=list)
    residuals: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of the recipes asked for, in the scheme shown."""

    ranked: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The top of each ranked list."""


@dataclass(frozen=True)
class Facts:
    """What the stages before wrote, as far as the report tells it."""

    settings: Settings
    run: Run
    samples: Samples
    scores: list[Record]
    predictions: pd.DataFrame
    """First repeat of the recipes asked for, in the scheme shown."""

    folds: pd.DataFrame
    leakage: list[Record]
    judged: Evaluation = field(default_factory=Evaluation)

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
    def asked(self) -> list[str]:
        """Recipes that the user wants to know about; the others are what they have to beat."""
        return find_asked(self.scores, self.settings)

    @property
    def shown_scheme(self) -> str:
        """The scheme that is shown where showing all of them would be too much."""
        return choose_scheme(self.scores)

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
                best = max(mine, key=lambda record: float(record["skill"]))["recipe"]
                liked = [
                    r["recipe"] for r in select(self.judged.preferred, target=target, **wanted)
                ]
                found[target] = liked[0] if liked and liked[0] in self.asked else best
        return found

    @cached_property
    def joining(self) -> dict[str, str]:
        """By recipe that joins LIDAR and place, the recipe that speaks for LIDAR in it.

        Told by its name, never as it was typed: that may be a path. Empty where it is unknown.
        """
        found = {}
        for name in self.recipes:
            recipe = read_recipe_of(self.run, name)
            if recipe.get("kind") == "kriged":
                trend = str(recipe.get("trend"))
                members = {m for r in select(self.judged.kept, recipe=name) for m in r["members"]}
                known = [trend] if trend in self.recipes else sorted(members)
                found[name] = known[0] if len(known) == 1 else ""
        return found

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
        return names if all(names) else []


def read_recipe_of(run: Run, name: str) -> Record:
    """Read the recipe beside a trained model; empty where none was trained."""
    folder = run.models / name
    # Of a fold where it has folds; its members' recipes lie deeper.
    paths = [*sorted(folder.glob("*/*/recipe.toml")), *sorted(folder.glob("*/recipe.toml"))]
    return tomllib.loads(paths[0].read_text(encoding="utf-8")) if paths else {}


def select(records: Sequence[Record], **wanted: Any) -> list[Record]:
    """Keep the records that have these values.

    Examples
    --------
    >>> select([{"a": 1, "b": 2}, {"a": 3, "b": 4}], a=3)
    [{'a': 3, 'b': 4}]
    """
    return [r for r in records if all(r[key] == value for key, value in wanted.items())]


def find_asked(scores: Sequence[Record], settings: Settings) -> list[str]:
    """Name the scored recipes that the user asked for; all of them if none is known to be."""
    names = list(dict.fromkeys(record["recipe"] for record in scores))
    typed = settings.models.recipes or DEFAULT_RECIPES
    asked = [name for name in names if name in typed or name not in SIMPLEST]
    return asked or names


def choose_scheme(scores: Sequence[Record]) -> str:
    """Choose the scheme to show: blocks where they were run, else the last that was.

    Examples
    --------
    >>> choose_scheme([{"scheme": "lad"}, {"scheme": "area"}])
    'lad'
    """
    scored = [scheme for scheme in SCHEMES if scheme in {record["scheme"] for record in scores}]
    return LISTED_SCHEME if LISTED_SCHEME in scored else (scored or ["random"])[-1]


def name_districts(areas: pd.DataFrame) -> dict[str, str]:
    """Name districts by what the names of their areas begin with, as in "Barnet 038A".

    Examples
    --------
    >>> name_districts(pd.DataFrame({"lad": ["E09"], "area_name": ["Barnet 038A"]}))
    {'E09': 'Barnet'}
    """
    if "lad" not in areas or "area_name" not in areas:
        return {}
    names = {}
    for code, part in areas.groupby("lad"):
        stems = {re.sub(r"\s+\d{3}[A-Z]+$", "", str(name)) for name in part["area_name"]}
        if len(stems) == 1:
            names[str(code)] = stems.pop()
    # A name that several share, as a made-up town's areas do, tells nothing apart.
    return names if len(set(names.values())) == len(names) else {}


def read_facts(settings: Settings, run: Run) -> Facts:
    """Read what the report tells of.

    Raises
    ------
    InputError
        If a file that an earlier stage writes is not there.
    """
    needed = (
        run.chips / "chips.json",
        run.describe / "summary.csv",
        run.describe / "counts.json",
        run.splits / "folds.parquet",
        run.splits / "leakage.json",
        run.predictions,
        run.scores,
    )
    missing = [str(path.relative_to(run.folder)) for path in needed if not path.exists()]
    if missing:
        raise InputError(
            f"out = {settings.out!r}: no {missing[0]} in this run folder, so there is nothing to "
            "report yet. Run the stages before it: basrelief run CONFIG."
        )
    scores: list[Record] = read_json(run.scores)
    shown = [
        ("recipe", "in", find_asked(scores, settings)),
        ("scheme", "==", choose_scheme(scores)),
    ]
    return Facts(
        settings=settings,
        run=run,
        samples=load_samples(run),
        scores=scores,
        # Only what is drawn: all rows of all schemes and repeats would not fit for a region.
        predictions=_read_rows(run.predictions, [*shown, ("repeat", "==", 0)]),
        folds=pd.read_parquet(run.splits / "folds.parquet"),
        leakage=read_json(run.splits / "leakage.json"),
        judged=read_evaluation(run.folder / "evaluate", shown),
    )


def read_evaluation(folder: Path, shown: list[tuple[str, str, Any]]) -> Evaluation:
    """Read what judging found; what is not there is left empty.

    Parameters
    ----------
    shown
        Filters on the rows of ``residuals.parquet``.
    """

    def read(name: str) -> Any:
        path = folder / f"{name}.json"
        return read_json(path) if path.exists() else {} if name == "audit" else []

    residuals, ranked = folder / "residuals.parquet", folder / "targeting.csv"
    return Evaluation(
        comparisons=read("comparisons"),
        preferred=read("preferred"),
        coverage=read("coverage"),
        targeting=read("targeting"),
        failures=read("failures"),
        audit=read("audit"),
        partial=read("partial"),
        over_targets=read("over_targets"),
        kept=read("kept"),
        residuals=_read_rows(residuals, shown) if residuals.exists() else pd.DataFrame(),
        ranked=_read_ranked(ranked) if ranked.exists() else pd.DataFrame(),
    )


def _read_rows(path: Path, filters: list[tuple[str, str, Any]]) -> pd.DataFrame:
    frame: pd.DataFrame = pq.read_table(path, filters=filters).to_pandas()
    return frame


def _read_ranked(path: Path) -> pd.DataFrame:
    """Read the first places of each list; the whole file may be of a whole country."""
    pieces = pd.read_csv(path, dtype={"area_id": str, "lad": str}, chunksize=100_000)
    tops = [piece[piece["rank"] <= N_LISTED] for piece in pieces]
    return pd.concat(tops, ignore_index=True)
