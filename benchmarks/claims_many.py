"""How often a report of many areas claims LIDAR where it is not there.

    python benchmarks/claims_many.py

Draws places of 600 square areas whose ground is smooth and knows nothing of their labels, which
are smooth too, and counts the reports that claim anything of LIDAR. Everything is drawn, fitted,
compared and settled by the functions that judge a run, for LIDAR alone and LIDAR beside place,
with whole blocks and a buffer and with whole districts held out. Prints Markdown, and uses one
core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from basrelief.judge import claims
from basrelief.judge.chance import DIFFERENCE, SKILL, Refits
from basrelief.judge.compare import Errors, average_targets, compare_errors
from basrelief.judge.resampling import Draws
from basrelief.judge.worlds import WorldKind, draw_worlds
from basrelief.judge.yardsticks import MEAN, Traits
from basrelief.learn.area_models import TrainingAreas, fit_areas, predict_areas
from basrelief.learn.joint import AreaTerms, gp_interpolation
from basrelief.learn.place import Locations, correlate
from basrelief.run import Record
from basrelief.splits.folds import assign_folds

SIDE_M, N_EAST, N_NORTH = 400.0, 25, 24
"""Areas are squares, of the size of a city's LSOAs."""

BLOCK_M, BUFFER_M, DISTRICT_M = 1000.0, 500.0, 2500.0
SCHEMES = ("block", "lad")
N_FOLDS, N_REPEATS = 10, 2
N_FEATURES = 60
SCALES_M = (300.0, 800.0, 2000.0)
"""Length scales of the ground's features, a third of them each."""

LABEL_SCALES_M, SHARED = (500.0, 1500.0, 4000.0), 0.6
"""Of labels: over which length neighbours are alike, and how much of the variance they share."""

CORRELATION = 0.5
KINDS: tuple[WorldKind, ...] = ("no_lidar", "moved")
AT_ONCE = 10
"""Reports that are refitted at once."""

LIDAR, JOINT, PLACE = "dense", "joint", "place-alone"
KNOWS = {LIDAR: ("heights",), JOINT: ("heights", "place"), PLACE: ("place",)}
BY_EYE = {LIDAR: {"heights": MEAN}, JOINT: {"heights": PLACE}, PLACE: {}}

Floats = NDArray[np.float64]
Report = list[claims.Claim]


def main() -> None:
    """Print how many reports claim what is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=100)
    parser.add_argument("--worlds", type=int, default=40, help="other worlds of each kind")
    parser.add_argument("--targets", type=int, default=8)
    parser.add_argument(
        "--scales", type=float, nargs="+", default=LABEL_SCALES_M, help="of labels, in metres"
    )
    args = parser.parse_args()
    start = time.perf_counter()
    print("| neighbours alike over | judged by | any claim of LIDAR | blocks | districts |")
    print("|---|---|---|---|---|")
    for scale_m in args.scales:
        with threadpool_limits(1):
            place = Place(scale_m, args.targets, np.random.default_rng(11))
            labels = place.draw(args.reports)
            reports = [
                report
                for each in np.array_split(labels, max(1, len(labels) // AT_ONCE))
                for report in place.list_reports(each, args.worlds)
            ]
        tell(scale_m, f"{args.worlds} worlds of each kind", reports)
    print(f"\n{args.reports} reports of each, {N_EAST * N_NORTH} areas, {args.targets} targets ")
    print(f"alike by {CORRELATION}, {len(reports[0])} claims. {time.perf_counter() - start:.0f} s.")


def tell(scale_m: float, how: str, reports: list[Report]) -> None:
    """Print the shares of reports that claim LIDAR, at all and by scheme."""
    held = [
        {each["scheme"] for each in claims.settle_claims(one) if each["holds"]} for one in reports
    ]
    shares = [np.mean([bool(each) for each in held])]
    shares += [np.mean([scheme in each for each in held]) for scheme in SCHEMES]
    cells = " | ".join(f"{share:.0%}" for share in shares)
    print(f"| {scale_m:g} m | {how} | {cells} |", flush=True)


@dataclass
class Place:
    """A made-up place, and reports on labels that its ground knows nothing of."""

    label_scale_m: float
    n_targets: int
    rng: np.random.Generator

    def __post_init__(self) -> None:
        east, north = np.meshgrid(np.arange(N_EAST), np.arange(N_NORTH))
        corners = np.stack([east.ravel(), north.ravel()], axis=1).astype(np.float64)
        self.xy = SIDE_M * (corners + 0.5)
        self.apart = cdist(self.xy, self.xy)
        n_each = N_FEATURES // len(SCALES_M)
        features = np.concatenate([self.draw_smooth(scale, n_each) for scale in SCALES_M], axis=1)
        self.blocks = name_squares(self.xy, BLOCK_M)
        self.districts = name_squares(self.xy, DISTRICT_M)
        self.terms = AreaTerms({"dense": features}, Locations(self.xy))
        self.draws = Draws(self.rng)

    def draw_smooth(self, scale_m: float, n: int) -> Floats:
        """Draw fields that neighbours share over a length, (area, n), each of variance 1."""
        common = correlate(self.apart, scale_m) + 1e-8 * np.eye(len(self.apart))
        drawn: Floats = np.linalg.cholesky(common) @ self.rng.standard_normal((len(common), n))
        return drawn

    def draw(self, n: int) -> Floats:
        """Draw labels, (report, area, target)."""
        alike = np.full((self.n_targets, self.n_targets), CORRELATION)
        np.fill_diagonal(alike, 1.0)
        shape = (len(self.xy), n, self.n_targets)
        near = self.draw_smooth(self.label_scale_m, n * self.n_targets).reshape(shape)
        noise = self.rng.standard_normal(shape)
        labels = (np.sqrt(SHARED) * near + np.sqrt(1 - SHARED) * noise) @ np.linalg.cholesky(
            alike
        ).T
        return np.moveaxis(labels, 0, 1)

    def list_reports(self, labels: Floats, n_worlds: int) -> Iterator[Report]:
        """List what reports on labels, (report, area, target), may claim of LIDAR."""
        rows = np.arange(len(self.xy))
        worlds = [draw_worlds(self.terms, each, rows, n_worlds, self.rng).labels for each in labels]
        # (report, 1 + world, area, target): a report's own labels first.
        stacked = np.stack(
            [
                np.concatenate([own[None], *(each[kind] for kind in KINDS)])
                for own, each in zip(labels, worlds, strict=True)
            ]
        )
        flat = stacked.reshape(-1, *stacked.shape[2:])
        errors = {
            "block": self.measure(flat, self.blocks, BUFFER_M),
            "lad": self.measure(flat, self.districts, 0.0),
        }
        for i in range(len(labels)):
            at = slice(i * stacked.shape[1], (i + 1) * stacked.shape[1])
            yield [
                claim
                for scheme, by_recipe in errors.items()
                for claim in self.list_claims(by_recipe, at, scheme)
            ]

    def measure(
        self, labels: Floats, groups: NDArray[np.str_], buffer_m: float
    ) -> dict[str, Errors]:
        """Fit every fold of a scheme: squared errors, (set of labels, target, repeat, area)."""
        n_sets, n, n_targets = labels.shape
        flat = np.moveaxis(labels, 1, 0).reshape(n, -1)
        # Between squares, not centres: as a run measures it.
        gap = np.abs(self.xy[:, None] - self.xy).max(axis=2) - SIDE_M
        squares = {name: np.full((N_REPEATS, n, flat.shape[1]), np.nan) for name in (*KNOWS, MEAN)}
        for repeat in range(N_REPEATS):
            fold_of = assign_folds(groups, N_FOLDS, self.rng)
            for fold in range(fold_of.max() + 1):
                test = np.flatnonzero(fold_of == fold)
                is_near = (gap[:, test] < buffer_m).any(axis=1)
                train = np.flatnonzero((fold_of != fold) & ~is_near)
                for name, values in self.predict(flat[train], train, test).items():
                    squares[name][repeat, test] = (flat[test] - values) ** 2
        by_set = {
            name: np.moveaxis(each.reshape(N_REPEATS, n, n_sets, n_targets), (2, 3), (0, 1))
            for name, each in squares.items()
        }
        return {name: Errors(by_set[name], by_set[MEAN]) for name in KNOWS}

    def predict(
        self, labels: Floats, train: NDArray[np.int64], test: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """Predict a fold's test areas by each recipe, (test area, column)."""
        new, known = self.terms.take(test), self.terms.take(train)
        areas = TrainingAreas(known, labels, self.blocks[train], is_many=True)
        alone = fit_areas(areas, self.rng, joins_place=False)
        both = fit_areas(areas, self.rng, joins_place=True)
        at = (known.locations, labels, new.locations)
        return {
            LIDAR: predict_areas(alone, new, self.rng),
            JOINT: predict_areas(both, new, self.rng),
            PLACE: gp_interpolation(*at, self.rng, is_many=True),
            MEAN: np.tile(labels.mean(axis=0), (len(test), 1)),
        }

    def list_claims(self, errors: dict[str, Errors], at: slice, scheme: str) -> Report:
        """List what a report may claim of LIDAR in one scheme; its labels come first in ``at``."""
        mine = {
            name: Errors(one.of_model[at.start], one.of_mean[at.start])
            for name, one in errors.items()
        }
        known = claims.Knowledge(KNOWS, BY_EYE)
        traits = {name: Traits(each) for name, each in KNOWS.items()}
        groups, key = pd.Series(self.blocks), {"scheme": scheme, "unit": "area"}
        targets = tuple(map(str, range(self.n_targets)))
        skills: list[Record] = []
        gains: list[Record] = []
        nothing = mine[LIDAR].always_mean
        for k, record in enumerate(compare_errors(mine[LIDAR], nothing, groups, self.draws)):
            named = dict(zip(SKILL, (record[each] for each in DIFFERENCE), strict=True))
            skills.append(key | {"recipe": LIDAR, "target": targets[k]} | named)
        for k, record in enumerate(compare_errors(mine[JOINT], mine[PLACE], groups, self.draws)):
            gains.append(key | {"recipe": JOINT, "versus": PLACE, "target": targets[k]} | record)
        for record in average_targets(mine, groups, known.yardsticks, traits, self.draws):
            if record["recipe"] == LIDAR:
                skills.append(key | {name: record[name] for name in ("recipe", *SKILL)})
            elif record["recipe"] == JOINT:
                gains.append(
                    key | {name: record[name] for name in ("recipe", "versus", *DIFFERENCE)}
                )
        refits = take_worlds(errors, slice(at.start + 1, at.stop), targets)
        of_skill = claims.list_claims(skills, SKILL, known, refits)
        return [*of_skill, *claims.list_claims(gains, DIFFERENCE, known, refits)]


def take_worlds(errors: dict[str, Errors], at: slice, targets: tuple[str, ...]) -> Refits:
    """Take the skills in a report's other worlds."""
    figures: dict[str, dict[WorldKind, Floats]] = {}
    for name, one in errors.items():
        of_model, of_mean = (
            each[at].astype(np.float64).sum(axis=-1) for each in (one.of_model, one.of_mean)
        )
        skill = np.mean(1 - of_model / of_mean, axis=2)  # (world, target)
        figures[name] = dict(zip(KINDS, np.split(skill, len(KINDS)), strict=True))
    return Refits(targets, KNOWS, 12, figures)


def name_squares(xy: Floats, side_m: float) -> NDArray[np.str_]:
    """Name the square of a side that each point lies in, (area,)."""
    east, north = (xy // side_m).astype(np.int64).T
    return np.array([f"{e}-{n}" for e, n in zip(east, north, strict=True)])


if __name__ == "__main__":
    main()
