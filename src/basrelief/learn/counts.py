"""A read-out of counts: a Poisson regression of cases on features, with people as exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from basrelief.learn.area_models import INNER_FOLDS
from basrelief.learn.linear import STRENGTHS, Standard, learn_standard
from basrelief.splits.folds import assign_folds

MAX_STEPS = 50
TOLERANCE = 1e-10
"""Relative fall of the objective below which it is at its least."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CountModel:
    """Rates as the exponential of a sum over standardised features."""

    standard: Standard
    intercept: float
    """Logarithm of the rate where every feature is at its mean."""

    coef: Floats
    """(feature,)"""

    def predict(self, X: Floats) -> Floats:
        """Predict rates, (area,), in cases per unit of exposure, from features, (area, feature)."""
        rates: Floats = np.exp(self.standard.apply(X) @ self.coef + self.intercept)
        return rates


def fit_counts(
    X: Floats,
    rates: Floats,
    exposure: Floats,
    blocks: NDArray[np.str_],
    rng: np.random.Generator,
) -> CountModel:
    """Fit rates of cases, with the strength of the penalty that inner folds predict best with.

    Counts vary more than Poisson's distribution has them. The mean that is fitted is the right one
    all the same where its form is (quasi-likelihood), and nothing here is read off the variance.

    Parameters
    ----------
    X : (area, feature)
        NaN where unknown.
    rates : (area,)
        Cases per unit of exposure.
    exposure : (area,)
        People, above 0.
    blocks : (area,)
        Ground that must not lie on both sides of an inner split.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, chapters 6 and 9.
    """
    standard = learn_standard(X)
    Z = standard.apply(X)
    # A penalty weighs against what the data say: that grows with the cases and the features.
    size = max(float((Z**2).sum()) / len(Z), 1e-12) * max(float(rates @ exposure) / len(Z), 1e-12)
    strengths = STRENGTHS * size
    error = np.zeros(len(strengths))
    if len(np.unique(blocks)) > 1:
        folds = assign_folds(blocks, INNER_FOLDS, rng)
        for fold in np.unique(folds):
            train, held = folds != fold, folds == fold
            if not (rates[train] > 0).any():
                continue
            for k, strength in enumerate(strengths):
                intercept, coef = fit_poisson(Z[train], rates[train], exposure[train], strength)
                predicted = np.exp(Z[held] @ coef + intercept)
                error[k] += measure_deviance(rates[held], predicted, exposure[held]).sum()
    # Where inner folds cannot tell, the strongest: then the rate of all.
    best = int(error.argmin()) if error.any() else len(strengths) - 1
    intercept, coef = fit_poisson(Z, rates, exposure, float(strengths[best]))
    return CountModel(standard, intercept, coef)


def fit_poisson(
    Z: Floats, rates: Floats, exposure: Floats, strength: float
) -> tuple[float, Floats]:
    """Fit the logarithm of rates by penalised maximum likelihood, in Newton's steps.

    What is least is the sum of half deviances and ``strength / 2`` times the sum of squares of the
    coefficients; the intercept is free.

    Parameters
    ----------
    Z : (area, feature)
    rates, exposure : (area,)
        At least one rate above 0.

    Returns
    -------
    Intercept, and coefficients, (feature,).
    """
    # More features than areas span no more than the areas do: the same fit, in fewer numbers.
    left, singular, right = np.linalg.svd(Z, full_matrices=False)
    design = np.column_stack([np.ones(len(Z)), left * singular])
    penalty = np.r_[0.0, np.full(len(singular), strength)]
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(rates @ exposure / exposure.sum())
    value = _objective(design @ beta, rates, exposure) + float(penalty @ beta**2) / 2
    for _ in range(MAX_STEPS):
        expected = exposure * np.exp(design @ beta)
        slope = design.T @ (expected - exposure * rates) + penalty * beta
        curvature = (design.T * expected) @ design + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curvature, slope)
        # Half of a step that goes too far, until it leads down.
        for _ in range(MAX_STEPS):
            tried = beta - step
            found = _objective(design @ tried, rates, exposure) + float(penalty @ tried**2) / 2
            if found <= value + 1e-12 * abs(value):
                break
            step = step / 2
        fall, beta, value = value - found, tried, found
        if fall <= TOLERANCE * abs(value):
            break
    coef: Floats = right.T @ beta[1:]
    return float(beta[0]), coef


def measure_deviance(rates: Floats, predicted: Floats, exposure: Floats) -> Floats:
    """Measure Poisson's deviance of each area, (area,), of rates from those predicted.

    Examples
    --------
    >>> measure_deviance(np.array([2.0, 0.0]), np.array([2.0, 1.5]), np.array([10.0, 2.0]))
    array([0., 6.])
    """
    ratio = np.where(rates > 0, rates, 1.0) / predicted
    deviance: Floats = 2 * exposure * (rates * np.log(ratio) - (rates - predicted))
    return np.asarray(np.where(rates > 0, deviance, 2 * exposure * predicted))


def _objective(logarithm: Floats, rates: Floats, exposure: Floats) -> float:
    """Half of the deviance, but for what no rate changes."""
    # A step too far overflows, and is halved: infinity says just that.
    with np.errstate(over="ignore"):
        return float(exposure @ (np.exp(logarithm) - rates * logarithm))
