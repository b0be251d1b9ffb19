"""What linear models of relief score on labels whose answer is known: made-up ones.

``python benchmarks/null_labels.py CONFIG [N_LABELS]`` takes the relief statistics, the places and
the folds of a finished run, and replaces its labels by made-up ones: smooth over the place and
nothing to do with relief, or partly a function of one statistic. It prints the mean skill with
whole blocks and whole districts held out of

- ``ridge``: averaged over its strength by marginal likelihood, neighbours taken for knowledge,
- ``joint``: fitted jointly with what neighbours share (`learn.joint`),
- ``product``: that, weighted by inner folds, as the product does it (`learn.area_models`).

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
from basrelief.learn.area_models import N_SCALES_ALONE, TrainingAreas, fit_stack
from basrelief.learn.features import features_of
from basrelief.learn.gaussian_process import fit_gaussian_process, has_many
from basrelief.learn.joint import AreaTerms, fit_joint
from basrelief.learn.linear import learn_standard, measure_spread, predict_linear, standardise
from basrelief.learn.place import Locations, correlate
from basrelief.run import Run
from basrelief.splits.groups import blocks_of_areas
from basrelief.splits.heldout import AreaFold, area_folds, find_usable_areas

Floats = NDArray[np.float64]
Known = tuple[AreaTerms, Floats, NDArray[np.str_]]
"""Terms, labels (area, label) and blocks (area,) of what may be learnt from."""

Learner = Callable[[Known, Floats], Floats]
"""From what may be learnt from, and features of the areas held out, to predictions."""


def draw_smooth(distance: Floats, scale: float, n: int, rng: np.random.Generator) -> Floats:
    """Draw standardised labels that are smooth, (area, label), three tenths of them noise."""
    root = np.linalg.cholesky(correlate(distance, scale) + 1e-8 * np.eye(len(distance)))
    smooth = root @ rng.standard_normal((len(distance), n))
    mixed = 0.7**0.5 * smooth + 0.3**0.5 * rng.standard_normal(smooth.shape)
    return (mixed - mixed.mean(axis=0)) / mixed.std(axis=0)


def regress(known: Known, X: Floats) -> Floats:
    """Predict by a ridge averaged over its strength by marginal likelihood."""
    terms, labels, _ = known
    standard = learn_standard(terms.join())
    Z = standard.apply(terms.join())
    size = float((Z**2).sum()) / len(Z)
    process = fit_gaussian_process((Z @ Z.T / size)[None], labels)
    coef = Z.T @ process.weights[0] / size
    return labels.mean(axis=0) + standard.apply(X) @ coef


def regress_jointly(known: Known, X: Floats) -> Floats:
    """Predict by the same, fitted jointly with what neighbours share."""
    terms, labels, _ = known
    return predict_linear(fit_joint(terms, labels, N_SCALES_ALONE).linear, X)


def run_product(known: Known, X: Floats) -> Floats:
    """Predict as the product does."""
    areas = TrainingAreas(*known, is_many=has_many(len(known[1])))
    return predict_linear(fit_stack(areas, np.random.default_rng(0)), X)


LEARNERS: dict[str, Learner] = {"ridge": regress, "joint": regress_jointly, "product": run_product}


def measure_skill(
    learn: Learner, everything: Known, folds: list[AreaFold], ids: NDArray[np.str_]
) -> Floats:
    """Skill of each label over all folds of one repeat, (label,)."""
    index, (terms, Y, blocks) = pd.Index(ids), everything
    error, error_of_mean = np.zeros(Y.shape[1]), np.zeros(Y.shape[1])
    for fold in folds:
        train, test = (index.get_indexer(pd.Index(part)) for part in (fold.train, fold.test))
        train, test = train[train >= 0], test[test >= 0]
        known = terms.take(train), Y[train], blocks[train]
        predicted = learn(known, terms.take(test).join())
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
            known = AreaTerms({"statistics": X}, Locations(xy)), Y, blocks
            found = {name: measure_skill(each, known, held, ids) for name, each in LEARNERS.items()}
            skills = ", ".join(f"{name} {skill.mean():.3f}" for name, skill in found.items())
            print(f"planted {share:.2f}, {scheme} held out: {skills}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(number) for number in sys.argv[2:]))
