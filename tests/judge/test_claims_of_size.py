"""What passes for a gain of the polygon's size, where labels are smooth and where they go by it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from basrelief.judge.baselines import AREA_SIZE, BaselineData
from basrelief.judge.chance import SKILL, Refits
from basrelief.judge.claims import Knowledge, list_claims, settle_claims
from basrelief.judge.refit import refit_baseline, refit_scores
from basrelief.judge.worlds import WorldKind, draw_worlds
from basrelief.learn.joint import AreaTerms
from basrelief.learn.place import Locations, correlate
from basrelief.splits.heldout import AreaFold

SIDE = 8
TARGETS = ("crime", "health")
KNOWN = Knowledge({AREA_SIZE: ("size",)}, {AREA_SIZE: {}})
N_WORLDS = 39

Floats = NDArray[np.float64]


def smooth(rng: np.random.Generator, xy: Floats, n: int) -> Floats:
    """Draw n fields of variance 1 in which neighbours are alike, (area, n)."""
    apart = np.hypot(*(xy[:, None] - xy).T)
    root = np.linalg.cholesky(0.7 * correlate(apart, 2.0) + 0.3 * np.eye(len(xy)))
    return np.asarray(root @ rng.standard_normal((len(xy), n)))


def claim(
    rng: np.random.Generator, of_size: float
) -> tuple[dict[str | None, bool], dict[str | None, bool]]:
    """Whether size is claimed to tell each target, and their mean, where it gives a share.

    As it is, and as it would be if shuffled labels were all that it had to survive.
    """
    xy = np.argwhere(np.ones((SIDE, SIDE))).astype(np.float64)
    ids = np.array([f"E{k:02d}" for k in range(len(xy))])
    fields = smooth(rng, xy, 3)
    size, labels = fields[:, 0], fields[:, 1:]
    labels = np.sqrt(of_size) * size[:, None] + np.sqrt(1 - of_size) * labels
    data = BaselineData("area", pd.Index(ids), labels, None, None, size, None, False)
    block = (xy // 2) @ [4, 1]
    folds = [
        AreaFold("block", 0, int(k), ids[block % 4 != k], ids[block % 4 == k]) for k in range(4)
    ]
    learner, rows = refit_baseline(AREA_SIZE, data, 0), np.arange(len(xy))
    worlds = draw_worlds(AreaTerms({}, Locations(xy)), labels, rows, N_WORLDS, rng)
    real = refit_scores(learner, data, folds, labels).skill
    skills = worlds.split(refit_scores(learner, data, folds, worlds.join()).skill)
    key = {"recipe": AREA_SIZE, "scheme": "block", "unit": "area"}
    records = [
        key | {"target": target} | dict.fromkeys(SKILL, float(skill))
        for target, skill in zip((*TARGETS, None), (*real, real.mean()), strict=True)
    ]

    def settle(kinds: Collection[WorldKind]) -> dict[str | None, bool]:
        kept = {kind: each for kind, each in skills.items() if kind in kinds}
        refits = Refits(TARGETS, KNOWN.knows, 1, {AREA_SIZE: kept})
        found = settle_claims(list(list_claims(records, SKILL, KNOWN, refits)))
        return {record["target"]: record["holds"] for record in found}

    return settle(skills), settle(["no_pattern"])


def test_size_is_not_claimed_where_labels_are_smooth() -> None:
    claims, shuffled = zip(
        *(claim(np.random.default_rng([7, k]), of_size=0.0) for k in range(100)), strict=True
    )
    most = 5 + 2 * np.sqrt(100 * 0.05 * 0.95)
    assert sum(any(each.values()) for each in claims) <= most
    # The mean over targets is a claim like any other.
    assert sum(each[None] for each in claims) <= 5
    assert sum(any(each.values()) for each in shuffled) > 15


def test_size_is_claimed_where_labels_go_by_it() -> None:
    claims = [claim(np.random.default_rng([8, k]), of_size=0.7)[0] for k in range(20)]
    assert sum(each[None] for each in claims) >= 16
    assert sum(any(each[target] for target in TARGETS) for each in claims) >= 16
