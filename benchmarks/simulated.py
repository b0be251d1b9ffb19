"""Simulated labels on the areas, features and folds of a finished run.

For the benchmarks of chance.
What a skill is expected to be is known there: its mean over many draws of the same labels' law.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.chips.store import load_samples
from basrelief.config import load_settings
from basrelief.judge.chance import Refits
from basrelief.judge.claims import Knowledge
from basrelief.judge.inputs import EvaluationInputs
from basrelief.judge.refit import (
    Predict,
    Scored,
    refit_baseline,
    refit_recipe,
    refit_scores,
)
from basrelief.judge.relocation import relocate
from basrelief.judge.worlds import WorldKind
from basrelief.learn.choice import choose_baselines, choose_recipes
from basrelief.learn.features import features_of, read_features
from basrelief.learn.joint import AreaTerms
from basrelief.learn.linear import learn_standard
from basrelief.learn.place import correlate
from basrelief.learn.recipes import NetworkRecipe
from basrelief.learn.simulate import simulate_labels
from basrelief.learn.train_areas import gather_area_data
from basrelief.run import Run
from basrelief.splits.heldout import AreaFold, find_usable_areas
from basrelief.stage_settings import REFIT_REPEATS

SCALE_M = 1500.0
"""Length scale of what neighbours have in common in simulated labels, if a law says no other."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """How labels come about: shares of their variance; the rest is each area's own."""

    name: str
    ground: float
    place: float
    district: float
    scale_m: float = SCALE_M
    """Length scale of what neighbours have in common, in metres."""

    is_skewed: bool = False
    """Whether labels are exponentials of normal ones, as rates and counts often look."""


@dataclass(frozen=True, eq=False)
class Ground:
    """A run's areas, and what fits its recipes to any labels of theirs."""

    inputs: EvaluationInputs
    terms: AreaTerms
    """Of the areas that can be learnt from."""

    rows: NDArray[np.int64]
    folds: dict[str, list[AreaFold]]
    """By scheme."""

    learners: dict[str, Predict]
    known: Knowledge

    def draw(self, law: Law, correlation: Floats, n: int, rng: np.random.Generator) -> Floats:
        """Draw labels, (n, area, target), as alike between targets as ``correlation`` says."""
        at = self.terms.locations
        assert at.xy is not None
        assert at.district is not None
        Z = learn_standard(self.terms.join()).apply(self.terms.join())
        ground = Z @ Z.T
        ground /= np.trace(ground) / len(ground)
        near = correlate(cdist(at.xy, at.xy), law.scale_m)
        same = (at.district[:, None] == at.district).astype(np.float64)
        own = 1 - law.ground - law.place - law.district
        covariance = law.ground * ground + law.place * near + law.district * same
        covariance += (own + 1e-9) * np.eye(len(near))
        drawn = rng.standard_normal((n, len(near), len(correlation)))
        mixed = drawn @ np.linalg.cholesky(correlation).T
        labels: Floats = np.linalg.cholesky(covariance) @ mixed
        return np.exp(labels) if law.is_skewed else labels

    def score(self, labels: Floats, scheme: str, names: list[str]) -> dict[str, Scored]:
        """Score each recipe on drawn labels, (..., area, target), one figure a (..., target).

        On one core, so that several of these can run beside each other.
        """
        columns = np.moveaxis(labels, -2, 0)  # (area, ..., target)
        whole = np.full((len(self.inputs.areas.ids), columns[0].size), np.nan)
        whole[self.rows] = columns.reshape(len(columns), -1)
        areas, folds, shape = self.inputs.areas, self.folds[scheme], columns.shape[1:]
        found = {}
        for name in names:
            scored = refit_scores(self.learners[name], areas, folds, whole, n_threads=1)
            lifts = scored.lifts.reshape(len(scored.lifts), *shape)
            found[name] = Scored(scored.skill.reshape(shape), lifts)
        return found

    def skills(self, labels: Floats, scheme: str, names: list[str]) -> dict[str, Floats]:
        """Take the skill of each recipe on drawn labels, (..., area, target) to (..., target)."""
        return {name: each.skill for name, each in self.score(labels, scheme, names).items()}

    def redraw(
        self, labels: Floats, kinds: tuple[WorldKind, ...], n_worlds: int, rng: np.random.Generator
    ) -> dict[WorldKind, Floats]:
        """Draw other worlds for labels, (area, target), as a run does: (world, area, target)."""
        nothing = self.terms.leave_out(self.terms.feature_sets)
        drawn: dict[WorldKind, Floats] = {}
        for kind in kinds:
            if kind == "no_pattern":
                order = [rng.permutation(len(labels)) for _ in range(n_worlds)]
                drawn[kind] = labels[np.stack(order)]
            elif kind == "moved":
                assert self.terms.locations.xy is not None
                drawn[kind] = labels[relocate(self.terms.locations.xy, n_worlds, rng)]
            else:
                terms = self.terms if kind == "alike" else nothing
                is_null = kind == "no_lidar"
                drawn[kind] = simulate_labels(terms, labels, n_worlds, rng, is_smoother=is_null)
        return drawn

    def refits(
        self, targets: tuple[str, ...], values: dict[str, dict[WorldKind, Floats]]
    ) -> Refits:
        """Make what a run makes intervals and claims of."""
        return Refits(targets, self.inputs.knows, self.inputs.n_districts, values)


def open_ground(config: Path) -> Ground:
    """Open the areas, features and folds of a finished run by its configuration."""
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    samples = load_samples(run)
    recipes, _ = choose_recipes(settings)
    recipes += choose_baselines(recipes, settings)
    inputs = EvaluationInputs(samples, settings, run, recipes)
    data = {
        recipe.name: gather_area_data(
            recipe, read_features(recipe, settings, run), samples, settings
        )
        for recipe in recipes
        if not isinstance(recipe, NetworkRecipe)
    }
    usable = find_usable_areas(samples)
    sets = {name: each for one in data.values() for name, each in one.feature_sets.items()}
    rows, locations = inputs.areas.find(usable), inputs.areas.locations
    assert locations is not None
    terms = AreaTerms(
        {name: features_of(each, usable) for name, each in sets.items()}, locations.take(rows)
    )
    folds: dict[str, list[AreaFold]] = {}
    for fold in inputs.folds:
        if fold.repeat < REFIT_REPEATS:
            folds.setdefault(fold.scheme, []).append(fold)
    seed = settings.seed
    learners = {name: refit_baseline(name, inputs.areas, seed) for name in inputs.areas.baselines}
    learners |= {name: refit_recipe(each, seed) for name, each in data.items()}
    return Ground(inputs, terms, rows, folds, learners, Knowledge(inputs.knows, inputs.yardsticks))
