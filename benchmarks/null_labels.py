"""What linear models of relief score on labels whose answer is known: made-up ones.

``python benchmarks/null_labels.py CONFIG [N_LABELS]`` takes the relief statistics, the places and
the folds of a finished run, and replaces its labels by made-up ones: smooth over the place and
nothing to do with relief, or partly a function of one statistic. It prints the mean skill with
whole blocks and whole districts held out of

- ``ridge``: averaged over its strength by marginal likelihood, neighbours taken for knowledge,
- ``trend``: the same beside a residual that neighbours share (`learn.trend`),
- ``kept``: the trend, as much of it as inner folds bear out: the product (`learn.area_models`).

No real label is seen, so that a learner may be chosen by this without looking at held-out scores.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from basrelief.chips.store import load_samples
from basrelief.config import load_settings
from basrelief.learn.area_models import TrainingAreas, fit_areas
from basrelief.learn.features import features_of
from basrelief.learn.linear import measure_spread, predict_linear, standardise
from basrelief.learn.process import correlate, fit_process
from basrelief.learn.trend import fit_trend
from basrelief.run import Run
from basrelief.splits.groups import blocks_of_areas
from basrelief.splits.heldout import AreaFold, area_folds, find_usable_areas

Floats = NDArray[np.float64]
Learner = Callable[[TrainingAreas, Floats], Floats]
"""From what may be learnt from, and features of the areas held out, to predictions."""


def draw_smooth(distance: Floats, scale: float, n: int, rng: np.random.Generator) -> Floats:
    """Draw standardised labels that are smooth, (area, label), three tenths of them noise."""
    root = np.linalg.cholesky(correlate(distance, scale) + 1e-8 * np.eye(len(distance)))
    smooth = root @ rng.standard_normal((len(distance), n))
    mixed = 0.7**0.5 * smooth + 0.3**0.5 * rng.standard_normal(smooth.shape)
    return (mixed - mixed.mean(axis=0)) / mixed.std(axis=0)


def regress(known: TrainingAreas, X: Floats) -> Floats:
    """Predict by a ridge averaged over its strength by marginal likelihood."""
    mean, scale = measure_spread(known.features[0])
    Z = standardise(known.features[0], mean, scale)
    shift = Z.mean(axis=0)
    alike = (Z - shift) @ (Z - shift).T
    size = float(np.trace(alike)) / len(Z)
    process = fit_process((alike / size)[None], known.labels)
    coef = (Z - shift).T @ process.weights[0] / size
    return known.labels.mean(axis=0) + (standardise(X, mean, scale) - shift) @ coef


def follow_trend(known: TrainingAreas, X: Floats) -> Floats:
    """Predict by a trend beside a residual that neighbours share, all of it."""
    mean, scale = measure_spread(known.features[0])
    Z = standardise(known.features[0], mean, scale)
    shift = Z.mean(axis=0)
    coef = fit_trend(Z - shift, known.labels, cdist(known.xy, known.xy))
    return known.labels.mean(axis=0) + (standardise(X, mean, scale) - shift) @ coef


def keep_some(known: TrainingAreas, X: Floats) -> Floats:
    """Predict as the product does."""
    return predict_linear(fit_areas(known, np.random.default_rng(0)), X)


LEARNERS: dict[str, Learner] = {"ridge": regress, "trend": follow_trend, "kept": keep_some}


def measure_skill(
    learn: Learner, everything: TrainingAreas, folds: list[AreaFold], ids: NDArray[np.str_]
) -> Floats:
    """Skill of each label over all folds of one repeat, (label,)."""
    index, (X,), Y = pd.Index(ids), everything.features, everything.labels
    error, error_of_mean = np.zeros(Y.shape[1]), np.zeros(Y.shape[1])
    for fold in folds:
        train, test = (index.get_indexer(pd.Index(part)) for part in (fold.train, fold.test))
        train, test = train[train >= 0], test[test >= 0]
        predicted = learn(everything.take(train), X[test])
        error += ((Y[test] - predicted) ** 2).sum(axis=0)
        error_of_mean += ((Y[test] - Y[train].mean(axis=0)) ** 2).sum(axis=0)
    return 1 - error / error_of_mean


def main(config: Path, n_labels: int = 200) -> None:
    """Print a line for each share planted and scheme."""
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    samples, rng = load_samples(run), np.random.default_rng(2)
    ids = find_usable_areas(samples)
    features = pd.read_parquet(run.features / "relief-statistics" / "features.parquet")
    X = features_of(features, ids)
    Z = standardise(X, *measure_spread(X))
    points = samples.areas.set_index("area_id").geometry.loc[ids.tolist()].representative_point()
    xy = np.stack([points.x.to_numpy(), points.y.to_numpy()], axis=1)
    blocks = np.asarray(blocks_of_areas(samples, ids, settings))
    weights = np.linalg.svd(Z, compute_uv=False) ** 2
    n_counted = weights.sum() ** 2 / (weights**2).sum()
    print(f"{len(ids)} areas, {Z.shape[1]} statistics in {n_counted:.1f} directions")
    folds = [fold for fold in area_folds(run, samples, settings) if fold.repeat == 0]
    for share in (0.0, 0.1, 0.2, 0.35):
        planted = Z[:, rng.integers(0, Z.shape[1], n_labels)]
        smooth = draw_smooth(cdist(xy, xy), 1500.0, n_labels, rng)
        Y = share**0.5 * planted + (1 - share) ** 0.5 * smooth
        for scheme in dict.fromkeys(fold.scheme for fold in folds):
            held = [fold for fold in folds if fold.scheme == scheme]
            known = TrainingAreas([X], Y, xy, blocks)
            found = {name: measure_skill(each, known, held, ids) for name, each in LEARNERS.items()}
            told = ", ".join(f"{name} {skill.mean():.3f}" for name, skill in found.items())
            print(f"planted {share:.2f}, {scheme} held out: {told}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(number) for number in sys.argv[2:]))
