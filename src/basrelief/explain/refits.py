"""How sure it is what kinds of ground add: the model fitted again, each time without some blocks.

A map is one model's. Another sample of the same place would have given other coefficients, and
other areas to take the mean of. Both are carried by a jackknife: groups of whole blocks of ground
are left out in turn, the model of areas is fitted anew without them, and the mean is taken over
the areas that are left. No bootstrap: it would take areas twice, and a Gaussian process that sees
the same area twice takes noise for knowledge.

References
----------
Shao and Wu (1989), Annals of Statistics 17, 1176-1197 (leaving out several at once).
Kott (2001), Journal of Official Statistics 17, 521-526 (leaving out groups).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.explain.cells import Contribution
from basrelief.explain.kinds import KINDS
from basrelief.explain.readout import find_linear
from basrelief.explain.tally import CellFacts, add_by_kind
from basrelief.judge.resampling import MIN_GROUPS
from basrelief.learn.area_models import INNER_FOLDS, AreaModel, TrainingAreas, fit_stack
from basrelief.learn.joint import JointProcess, fit_joint
from basrelief.learn.linear import LinearModel
from basrelief.learn.train_areas import AreaData
from basrelief.splits.folds import assign_folds

MAX_REFITS = 20
"""Groups of blocks that are left out in turn: bounds the time, whatever the place."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BlockRefits:
    """The model fitted again without each group of blocks, and sums of what kinds add by it."""

    coef: Floats
    """(feature, refit, target) In the model's own standard deviations of the features."""

    group: dict[str, int]
    """By area: which group it is left out with."""

    sums: Floats = field(init=False)
    """(refit, kind, target) What kinds of ground add, over the areas that were not left out."""

    def __post_init__(self) -> None:
        _, n_refits, n_targets = self.coef.shape
        object.__setattr__(self, "sums", np.zeros((n_refits, len(KINDS) + 1, n_targets)))

    def append_refits(self, linear: LinearModel) -> LinearModel:
        """Put the refits' coefficients beside the model's own, as if they were more targets."""
        again = self.coef.reshape(len(self.coef), -1)
        return replace(linear, coef=np.concatenate([linear.coef, again], axis=1))

    def add(self, found: Contribution, facts: CellFacts) -> None:
        """Add what cells contribute by each refit; columns as `append_refits` puts them."""
        n_refits, n_kinds, n_targets = self.sums.shape
        added = np.zeros((n_kinds, n_refits * n_targets))
        add_by_kind(added, found.take(slice(n_targets, None)), facts)
        # What was left out is not of the sample that a refit stands for.
        is_kept = np.arange(n_refits) != self.group[found.area_id]
        by_refit = added.reshape(n_kinds, n_refits, n_targets).transpose(1, 0, 2)
        self.sums[is_kept] += by_refit[is_kept]

    def measure_errors(self, area_ids: Collection[str]) -> Floats:
        """Measure the standard error of what kinds add to an average area, (kind, target)."""
        n_refits = len(self.sums)
        left_out = np.bincount([self.group[each] for each in area_ids], minlength=n_refits)
        means = self.sums / (len(area_ids) - left_out)[:, None, None]
        return jackknife(means)


def refit_without_blocks(
    fitted: AreaModel, data: AreaData, blocks: pd.Series[str], targets: Collection[int], seed: int
) -> BlockRefits | None:
    """Fit a model again without each of up to `MAX_REFITS` groups of blocks.

    What the model of areas chooses by inner folds, or by likelihood, is chosen anew each time.
    The scale of the features stays that of the model: what is refitted is what it says of them.

    Parameters
    ----------
    blocks
        Of all areas of the place, those that were not learnt from among them.
    targets
        Positions of those that are wanted, among the run's.

    Returns
    -------
    None with fewer than ten blocks: so few would tell little of others.
    """
    if blocks.nunique() < MIN_GROUPS:
        return None
    rng = np.random.default_rng(seed)
    group = pd.Series(
        assign_folds(blocks.to_numpy(dtype=object).astype(str), MAX_REFITS, rng), index=blocks.index
    )
    areas = learn_with_folds(data, rng)
    # An area without ground to explain is never left out.
    of_area = group.reindex(data.blocks.index).fillna(-1).to_numpy()
    model = find_linear(fitted)
    coef = []
    for k in range(group.max() + 1):
        again = fit_again(fitted, areas.take(np.flatnonzero(of_area != k)), seed)
        # Per unit of the raw feature, and from there to the model's own scale.
        coef.append(again.coef[:, list(targets)] * (model.scale / again.scale)[:, None])
    return BlockRefits(np.stack(coef, axis=1), {str(k): int(v) for k, v in group.items()})


def learn_with_folds(data: AreaData, rng: np.random.Generator) -> TrainingAreas:
    """Give all areas that can be learnt from, their blocks named by an inner fold.

    Inner folds are then the same in every refit. Dealt anew, they would add a noise of their own,
    which a jackknife takes many times.
    """
    areas = data.learn_from(data.blocks.index.to_numpy(dtype=object).astype(str))
    if len(np.unique(areas.blocks)) < 2:
        return areas
    return replace(areas, blocks=assign_folds(areas.blocks, INNER_FOLDS, rng).astype(str))


def fit_again(fitted: AreaModel, areas: TrainingAreas, seed: int) -> LinearModel:
    """Fit what a model says of its features to other areas, as it was fitted itself."""
    if isinstance(fitted.beside, JointProcess):
        return fit_joint(areas.terms, areas.labels).linear
    return fit_stack(areas, np.random.default_rng(seed))


def jackknife(means: Floats) -> Floats:
    """Give the standard error of a statistic from its values with each group left out.

    Parameters
    ----------
    means : (group, ...)

    Returns
    -------
    (...)

    Examples
    --------
    >>> values = np.array([1.0, 2.0, 4.0, 9.0])
    >>> without = (values.sum() - values) / 3
    >>> bool(np.isclose(jackknife(without), values.std(ddof=1) / 2))
    True
    """
    n_groups = len(means)
    error: Floats = np.sqrt((n_groups - 1) / n_groups * ((means - means.mean(axis=0)) ** 2).sum(0))
    return error
