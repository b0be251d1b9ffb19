"""What regressions on relief score on labels whose answer is known: made-up ones.

``python benchmarks/null_labels.py CONFIG [N_LABELS]`` takes the relief statistics, the places and
the folds of a finished run, and replaces its labels by made-up ones: smooth over the place and
nothing to do with relief, or partly a function of the statistics. It prints the mean skill with
whole blocks and whole districts held out of

- ``ridge``: the product's, drawn towards the mean by what it gains on inner folds,
- ``plain ridge``: the same, not drawn towards the mean,
- ``evidence``: a ridge averaged over its strength by marginal likelihood,
- ``beside place``: the same with a Gaussian process on coordinates beside it while it is fitted;
  predictions are made from relief alone.

No real label is seen, so that a learner may be chosen by this without looking at held-out scores.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial.distance import cdist
from scipy.special import softmax

from basrelief.chips.store import load_samples
from basrelief.config import load_settings
from basrelief.learn import ridge
from basrelief.learn.measures import to_inputs
from basrelief.learn.process import correlate
from basrelief.learn.recipes import load_recipe
from basrelief.run import Run
from basrelief.splits.groups import blocks_of_areas
from basrelief.splits.heldout import AreaFold, area_folds, find_usable_areas

Floats = NDArray[np.float64]
Fit = Callable[[Floats, Floats, NDArray[np.int64]], tuple[Floats, Floats]]
"""From standardised inputs, labels and rows to coefficients and intercepts."""

NOISE = (0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)
SCALES_M = (300.0, 700.0, 1500.0, 3000.0, 6000.0)
SHARES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Of what is no noise, how much is relief and not place."""


def draw_smooth(distance: Floats, scale: float, n: int, rng: np.random.Generator) -> Floats:
    """Draw standardised labels that are smooth, (area, label), three tenths of them noise."""
    root = np.linalg.cholesky(correlate(distance, scale) + 1e-8 * np.eye(len(distance)))
    smooth = root @ rng.standard_normal((len(distance), n))
    mixed = 0.7**0.5 * smooth + 0.3**0.5 * rng.standard_normal(smooth.shape)
    return (mixed - mixed.mean(axis=0)) / mixed.std(axis=0)


def fit_beside(distance: Floats, shares: tuple[float, ...]) -> Fit:
    """Make a ridge averaged by marginal likelihood, with a process on places beside it."""

    def fit(Z: Floats, Y: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        alike, near = Z @ Z.T / Z.shape[1], distance[np.ix_(rows, rows)]
        residual, likelihood, coefs = Y - Y.mean(axis=0), [], []
        for scale in SCALES_M if shares != (1.0,) else SCALES_M[:1]:
            place = correlate(near, scale)
            for share in shares:
                values, vectors = eigh(share * alike + (1 - share) * place)
                rotated, values = vectors.T @ residual, np.maximum(values, 0.0)
                for noise in NOISE:
                    spectrum = ((1 - noise) * values + noise)[:, None]
                    spread = (rotated**2 / spectrum).mean(axis=0)
                    likelihood.append(-0.5 * (len(Y) * np.log(spread) + np.log(spectrum).sum()))
                    weights = (1 - noise) * share * (vectors @ (rotated / spectrum))
                    coefs.append(Z.T @ weights / Z.shape[1])
        odds = softmax(np.array(likelihood), axis=0)
        return np.einsum("kt,kft->ft", odds, np.array(coefs)), Y.mean(axis=0)

    return fit


def trust_all(gain: Floats, groups: NDArray[np.str_]) -> float:
    """Keep all of a regression."""
    return 1.0


def fit_product(blocks: NDArray[np.str_], strengths: list[float], is_drawn: bool) -> Fit:
    """Make the product's ridge, drawn towards the mean or not."""

    def fit(Z: Floats, Y: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        rng, trust = np.random.default_rng(0), ridge.measure_trust if is_drawn else trust_all
        with patch.object(ridge, "measure_trust", trust):
            model = ridge.fit_ridge(Z, Y, strengths, blocks[rows], 5, rng)
        return model.coef / model.scale[:, None], Y.mean(axis=0)

    return fit


def measure_skill(
    fit: Fit, X: Floats, Y: Floats, folds: list[AreaFold], ids: NDArray[np.str_]
) -> Floats:
    """Skill of each label over all folds of one repeat, (label,)."""
    position = {area_id: k for k, area_id in enumerate(ids.tolist())}
    error, error_of_mean = np.zeros(Y.shape[1]), np.zeros(Y.shape[1])
    for fold in folds:
        train = np.array([position[area_id] for area_id in fold.train if area_id in position])
        test = np.array([position[area_id] for area_id in fold.test if area_id in position])
        mean, spread = X[train].mean(axis=0), X[train].std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        coef, intercept = fit((X[train] - mean) / spread, Y[train], train)
        error += ((Y[test] - intercept - (X[test] - mean) / spread @ coef) ** 2).sum(axis=0)
        error_of_mean += ((Y[test] - Y[train].mean(axis=0)) ** 2).sum(axis=0)
    return 1 - error / error_of_mean


def main(config: Path, n_labels: int = 200) -> None:
    settings = load_settings(config)
    run = Run(settings.locate(settings.out), quiet=True)
    samples, rng = load_samples(run), np.random.default_rng(2)
    ids = find_usable_areas(samples)
    features = pd.read_parquet(run.models / "relief-statistics" / "features.parquet").loc[ids]
    X = to_inputs(features)
    X = np.where(np.isfinite(X), X, np.nanmean(X, axis=0))
    Z = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12)
    points = samples.areas.set_index("area_id").geometry.loc[ids.tolist()].representative_point()
    distance = cdist(*[np.stack([points.x, points.y], axis=1)] * 2)
    blocks = np.asarray(blocks_of_areas(samples, ids, settings))
    strengths = load_recipe("relief-statistics", settings).strengths
    fits = {
        "ridge": fit_product(blocks, strengths, is_drawn=True),
        "plain ridge": fit_product(blocks, strengths, is_drawn=False),
        "evidence": fit_beside(distance, (1.0,)),
        "beside place": fit_beside(distance, SHARES),
    }
    weights = np.linalg.svd(Z, compute_uv=False) ** 2
    weights /= weights.sum()
    print(f"{len(ids)} areas, {Z.shape[1]} statistics, {1 / (weights**2).sum():.1f} of them count")
    folds = [fold for fold in area_folds(run, samples, settings) if fold.repeat == 0]
    for name, share in (("null", 0.0), ("a tenth", 0.1), ("a fifth", 0.2), ("a third", 0.35)):
        planted = Z[:, rng.integers(0, Z.shape[1], n_labels)]
        smooth = draw_smooth(distance, 1500.0, n_labels, rng)
        Y = share**0.5 * planted + (1 - share) ** 0.5 * smooth
        for scheme in ("block", "lad"):
            held = [fold for fold in folds if fold.scheme == scheme]
            found = {each: measure_skill(fit, X, Y, held, ids) for each, fit in fits.items()}
            told = (f"{each} {skill.mean():.3f}" for each, skill in found.items())
            print(f"{name:8s} {scheme:6s} {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(number) for number in sys.argv[2:]))
