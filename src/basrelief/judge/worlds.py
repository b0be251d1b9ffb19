"""Other labels for the areas of a place: what the real ones' skills are held against."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from basrelief.judge.relocation import relocate
from basrelief.learn.gaussian_process import has_many, sample_items
from basrelief.learn.joint import AreaTerms, decompose_linear, fit_joint
from basrelief.learn.knowledge import order_codes
from basrelief.learn.linear import measure_spread
from basrelief.learn.simulate import simulate_labels

WorldKind = str
"""How a world's labels came about, see `draw_worlds`: ``alike``, ``no_pattern``, or a name that
`name_kinds` gives."""

Role = Literal["alike", "no_pattern", "drawn", "moved"]
"""What kinds of worlds have in common, whatever is known in them: see `find_role`."""

NO_EYE, MOVED, BESIDE = "no_lidar", "moved", "beside "

MIN_AREAS = 30
"""With fewer areas to learn from, the process that labels are drawn from is make-believe."""

MAX_AREAS = 5000
"""With more, hundreds of fits take days: London has 4,835 LSOAs."""

N_PARTS = 10
"""Parts of the areas that are told by the others when it is asked what an eye says."""

Floats = NDArray[np.float64]


def name_kinds(known: Collection[str] = ()) -> tuple[WorldKind, WorldKind]:
    """Name the two kinds of worlds in which no other eye than those known says anything.

    Examples
    --------
    >>> name_kinds(), name_kinds(("census",))
    (('no_lidar', 'moved'), ('beside census', 'moved beside census'))
    """
    if not known:
        return NO_EYE, MOVED
    beside = f"{BESIDE}{'+'.join(order_codes(known))}"
    return beside, f"{MOVED} {beside}"


def find_role(kind: WorldKind) -> Role:
    """Find what a kind of worlds is among the kinds that a claim has to survive.

    Examples
    --------
    >>> find_role("no_lidar"), find_role("beside census"), find_role("moved beside census")
    ('drawn', 'drawn', 'moved')
    """
    if kind == "alike" or kind == "no_pattern":
        return "alike" if kind == "alike" else "no_pattern"
    return "moved" if kind.startswith(MOVED) else "drawn"


@dataclass(frozen=True, eq=False)
class Worlds:
    """Labels of the same areas in many other worlds."""

    labels: dict[WorldKind, Floats]
    """By kind: (world, area, target); NaN where unknown. Areas as in the samples' table."""

    def keep(self, kinds: Collection[WorldKind]) -> Worlds:
        """Keep some kinds of worlds."""
        return Worlds({kind: labels for kind, labels in self.labels.items() if kind in kinds})

    def join(self) -> Floats:
        """Put all worlds and targets beside each other, (area, column), to fit them at once."""
        stacked = np.concatenate(list(self.labels.values()))  # (world, area, target)
        columns: Floats = stacked.transpose(1, 0, 2).reshape(stacked.shape[1], -1)
        return columns

    def split(self, values: Floats) -> dict[WorldKind, Floats]:
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
    eyes: Mapping[str, Collection[str]] | None = None,
    known: Iterable[Collection[str]] = (),
) -> Worlds:
    """Draw other worlds of each kind.

    ``alike``: from the process of feature sets, place and district that fits the labels. How
    skills vary over them is how far the one skill that was observed can be off.
    ``no_lidar``: from the process of place and district alone. Neighbours are alike, and what
    the ground looks like says nothing: any gain of LIDAR is chance.
    ``no_pattern``: the real labels shuffled over the areas. Nothing says anything.
    ``moved``: the real labels moved and turned over the place. As ``no_lidar``, without a model.
    ``beside <eyes>``: from the process of these eyes, place and district. What they know they know,
    and any gain of another eye is chance.
    ``moved beside <eyes>``: what these eyes say of the real labels of areas that they were not
    fitted to stays, and what they leave is moved and turned over the place.

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
    eyes
        By eye the names of its feature sets.
    known
        Of which eyes there are to be worlds beside them.
    """
    usable, xy = labels[rows], terms.locations.xy
    shuffled = np.stack([rng.permutation(len(rows)) for _ in range(n_worlds)])
    # Whole rows: what targets have in common stays.
    drawn: dict[WorldKind, Floats] = {"no_pattern": usable[shuffled]}
    if xy is not None and MIN_AREAS <= len(rows) <= MAX_AREAS:
        mean, spread = measure_spread(usable)
        nothing = terms.leave_out(terms.feature_sets)
        drawn |= {
            "alike": mean + spread * simulate_labels(terms, usable, n_worlds, rng),
            NO_EYE: mean
            + spread * simulate_labels(nothing, usable, n_worlds, rng, is_smoother=True),
            MOVED: usable[relocate(xy, n_worlds, rng)],
        }
        # After all others: what is drawn without further eyes is the same with them.
        for beside in known:
            kept = {name for eye in beside for name in (eyes or {}).get(eye, ())}
            those = terms.leave_out(set(terms.feature_sets) - kept)
            kinds = name_kinds(beside)
            drawn[kinds[0]] = mean + spread * simulate_labels(
                those, usable, n_worlds, rng, is_smoother=True
            )
            said = _say_again(those, usable, rng)
            drawn[kinds[1]] = said + (usable - said)[relocate(xy, n_worlds, rng)]
    whole = {kind: np.full((n_worlds, *labels.shape), np.nan) for kind in drawn}
    for kind, each in drawn.items():
        whole[kind][:, rows] = each
    return Worlds(whole)


def _say_again(terms: AreaTerms, labels: Floats, rng: np.random.Generator) -> Floats:
    """Give what feature sets say of the labels of areas that they were not fitted to.

    Beside place and district, so that what neighbours share is left to be moved with the rest. A
    set of many features fits the very labels that it learns from, and would leave nothing to move:
    each part of the areas is told by the others, of many areas by a sample of them.

    Returns
    -------
    (area, target)
    """
    said = np.zeros(labels.shape)
    for held in np.array_split(rng.permutation(terms.n_areas), N_PARTS):
        others = np.setdiff1d(np.arange(terms.n_areas), held)
        if has_many(terms.n_areas):
            others = others[sample_items(len(others), rng)]
        joint = fit_joint(terms.take(others), labels[others])
        parts = decompose_linear(joint.linear, joint.set_names, terms.take(held))
        said[held] = np.sum([parts[name] for name in joint.set_names], axis=0)
    return said
