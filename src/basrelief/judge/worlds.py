"""Other labels for the areas of a place: what the real ones' skills are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from basrelief.judge.relocation import relocate
from basrelief.learn.joint import AreaTerms
from basrelief.learn.linear import measure_spread
from basrelief.learn.simulate import simulate_labels

Kind = Literal["alike", "no_lidar", "no_pattern", "moved"]
"""How a world's labels came about, see `draw_worlds`."""

MIN_AREAS = 30
"""With fewer areas to learn from, the process that labels are drawn from is make-believe."""

MAX_AREAS = 5000
"""With more, hundreds of fits take days: London has 4,835 LSOAs."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Worlds:
    """Labels of the same areas in many other worlds."""

    labels: dict[Kind, Floats]
    """By kind: (world, area, target); NaN where unknown. Areas as in the samples' table."""

    def join(self) -> Floats:
        """Put all worlds and targets beside each other, (area, column), to fit them at once."""
        stacked = np.concatenate(list(self.labels.values()))  # (world, area, target)
        columns: Floats = stacked.transpose(1, 0, 2).reshape(stacked.shape[1], -1)
        return columns

    def split(self, values: Floats) -> dict[Kind, Floats]:
        """Take what was found of each column of `join` apart: by kind, (world, target)."""
        found, at = {}, 0
        for kind, labels in self.labels.items():
            n_worlds, _, n_targets = labels.shape
            upto = at + n_worlds * n_targets
            found[kind] = values[at:upto].reshape(n_worlds, n_targets)
            at = upto
        return found


def draw_worlds(
    terms: AreaTerms,
    labels: Floats,
    rows: NDArray[np.int64],
    n_worlds: int,
    rng: np.random.Generator,
) -> Worlds:
    """Draw other worlds of each kind.

    ``alike``: from the process of feature sets, place and district that fits the labels. How
    skills vary over them is how far the one skill that was observed can be off.
    ``no_lidar``: from the process of place and district alone. Neighbours are alike, and what
    the ground looks like says nothing: any gain of LIDAR is chance.
    ``no_pattern``: the real labels shuffled over the areas. Nothing says anything.
    ``moved``: the real labels moved and turned over the place. As ``no_lidar``, without a model.

    Targets stay together in each world. Labels of all kinds have the real ones' means and
    spreads.

    Parameters
    ----------
    terms
        Of the areas that can be learnt from. Without places, or of too few areas or too many, there
        is ``no_pattern`` alone.
    labels : (area, target)
        Of all areas; NaN where unknown.
    rows : (usable area,)
        Where the areas of ``terms`` stand among all.
    """
    usable, xy = labels[rows], terms.locations.xy
    shuffled = np.stack([rng.permutation(len(rows)) for _ in range(n_worlds)])
    drawn: dict[Kind, Floats] = {"no_pattern": usable[shuffled]}
    if xy is not None and MIN_AREAS <= len(rows) <= MAX_AREAS:
        mean, spread = measure_spread(usable)
        nothing = terms.leave_out(terms.feature_sets)
        drawn |= {
            "alike": mean + spread * simulate_labels(terms, usable, n_worlds, rng),
            "no_lidar": mean
            + spread * simulate_labels(nothing, usable, n_worlds, rng, is_smoother=True),
            "moved": usable[relocate(xy, n_worlds, rng)],
        }
    whole = {kind: np.full((n_worlds, *labels.shape), np.nan) for kind in drawn}
    for kind, each in drawn.items():
        whole[kind][:, rows] = each
    return Worlds(whole)
