"""How often a whole report claims that LIDAR is worth having, where it is not and where it is.

    python benchmarks/claims.py examples/tq28ne.toml

The run must be finished. Labels of some targets are drawn, every recipe is fitted to them in
every scheme, and all of it is judged together, by the functions that judge a run. What counts as
a claim of LIDAR:

- a skill of LIDAR alone, or a gain of LIDAR over all else that a recipe knows, of a target or of
  the mean over targets;
- a recipe that sees LIDAR and is preferred, or beats one that sees none;
- that with LIDAR more of the worst areas would be found.

Intervals are taken to be points: more is claimed of pairs than by a run, never less. Not counted,
since the ground of every area would have to be explained in each report: kinds of ground, which
are told only of recipes and targets whose skill or gain is claimed, so that they make no further
report claim anything; and whether a map of explanations holds, which is said of the model and not
of the ground. Networks are not trained.

Beside these, where labels go by nothing of the kind: claims of the polygon's size, and of place
and district, alone or beside LIDAR. Prints Markdown, and uses one core.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from simulated import Ground, Law, open_ground
from threadpoolctl import threadpool_limits

from basrelief.judge.baselines import AREA_SIZE
from basrelief.judge.chance import DIFFERENCE, SKILL, Refits
from basrelief.judge.compare import order_recipes
from basrelief.judge.found import settle_found
from basrelief.judge.refit import Scored
from basrelief.judge.targeting import SHARES
from basrelief.judge.verdicts import Compared, settle
from basrelief.judge.worlds import WorldKind
from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record

NULL = (
    Law("smooth, no LIDAR", 0.0, 0.6, 0.0),
    Law("district-wise and smooth, no LIDAR", 0.0, 0.2, 0.4),
    Law("rough, no LIDAR", 0.0, 0.6, 0.0, scale_m=500.0),
    Law("skewed and smooth, no LIDAR", 0.0, 0.6, 0.0, is_skewed=True),
    Law("noise alone", 0.0, 0.0, 0.0),
)
PLANTED = (Law("a third LIDAR", 0.33, 0.25, 0.1), Law("two thirds LIDAR", 0.66, 0.1, 0.05))
SCHEMES = ("block", "lad")
KINDS: tuple[WorldKind, ...] = ("no_lidar", "moved", "no_pattern")
N_TARGETS = 2
CORRELATION = 0.5

ALL = "all"
"""Stands for the mean over targets."""

Of = Literal["skill or gain", "preferred or beats", "would be found", "size", "place"]
"""What a claim is of: the first three of LIDAR."""

OF_LIDAR: tuple[Of, ...] = ("skill or gain", "preferred or beats", "would be found")

Floats = NDArray[np.float64]
Claims = set[tuple[Of, str]]
"""Of what, and of which target."""


def main() -> None:
    """Print how many reports claim what."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--reports", type=int, default=100, help="reports of each law without LIDAR"
    )
    parser.add_argument("--worlds", type=int, default=50, help="other worlds a report")
    parser.add_argument("--laws", default="", help="only laws whose name this pattern is found in")
    args = parser.parse_args()
    ground, start = open_ground(args.config), time.perf_counter()
    heads = ("labels", "reports", "any claim of LIDAR", *OF_LIDAR, "of targets, told")
    print("| " + " | ".join((*heads, "claim of size", "claim of place")) + " |")
    print("|" + "---|" * (len(heads) + 2))
    for law in (*NULL, *PLANTED):
        if not re.search(args.laws, law.name):
            continue
        n = args.reports if law in NULL else max(args.reports // 4, 1)
        with threadpool_limits(1):
            reports = measure(ground, law, n, args.worlds)
        print("| " + " | ".join((law.name, str(n), *tell_shares(law, reports))) + " |", flush=True)
    print(f"\n{N_TARGETS} targets, schemes {' and '.join(SCHEMES)}, {args.worlds} worlds of each ")
    print("kind. Not simulated: kinds of ground, told only where a skill or gain is claimed; ")
    print(f"whether maps of explanations hold; networks. {time.perf_counter() - start:.0f} s.")


def tell_shares(law: Law, reports: list[Claims]) -> Iterator[str]:
    """Tell the shares of reports with a claim of each kind; a dash where it may be true."""
    yield f"{np.mean([any(of in OF_LIDAR for of, _ in each) for each in reports]):.1%}"
    for kind in OF_LIDAR:
        yield f"{np.mean([any(of == kind for of, _ in each) for each in reports]):.1%}"
    told = [{target for of, target in each if of in OF_LIDAR} - {ALL} for each in reports]
    yield f"{np.mean([len(each) for each in told]) / N_TARGETS:.1%}"
    # What the ground looks like goes with how large areas are.
    has_size, has_place = law.ground > 0, law.ground + law.place + law.district > 0
    for name, may_be_true in (("size", has_size), ("place", has_place)):
        share = np.mean([any(of == name for of, _ in each) for each in reports])
        yield "–" if may_be_true else f"{share:.1%}"


def measure(ground: Ground, law: Law, n_reports: int, n_worlds: int) -> list[Claims]:
    """Draw reports of a law, and give what each claims."""
    rng = np.random.default_rng([5, (*NULL, *PLANTED).index(law)])
    correlation = np.full((N_TARGETS, N_TARGETS), CORRELATION)
    np.fill_diagonal(correlation, 1.0)
    labels = ground.draw(law, correlation, n_reports, rng)  # (report, area, target)
    drawn = [ground.redraw(each, KINDS, n_worlds, rng) for each in labels]
    worlds = [np.concatenate([each[kind] for kind in KINDS]) for each in drawn]
    stacked = np.concatenate([labels[:, None], np.stack(worlds)], axis=1)
    names = list(ground.learners)
    scored = {scheme: ground.score(stacked, scheme, names) for scheme in SCHEMES}
    return [Report(ground, scored, i).claim() for i in range(n_reports)]


@dataclass(frozen=True, eq=False)
class Report:
    """One report: what every recipe comes to, with its own labels and in other worlds."""

    ground: Ground
    scored: Mapping[str, Mapping[str, Scored]]
    """By scheme and recipe: (report, world, target) of each figure. The first world is the
    report's own labels, the others are those of `KINDS`."""

    i: int

    def claim(self) -> Claims:
        """Judge it as a run does, and list what it claims."""
        known = self.ground.known
        scores = [record for scheme in SCHEMES for record in self.list_scores(scheme)]
        verdicts = settle(scores, [self.compare(scheme) for scheme in SCHEMES], known)
        lifts = {
            (scheme, share): self.take_worlds(
                {name: each.lifts[k] for name, each in self.scored[scheme].items()}
            )
            for scheme in SCHEMES
            for k, share in enumerate(SHARES)
        }
        found = settle_found(list(self.list_hits()), verdicts.claims, known, lifts)
        return {
            *(claim for record in verdicts.claims for claim in self.read_claim(record)),
            *(claim for record in verdicts.preferred for claim in self.read_preferred(record)),
            *(claim for record in verdicts.pairs for claim in self.read_pair(record)),
            *(claim for record in found for claim in self.read_hits(record)),
        }

    def read_claim(self, record: Record) -> Iterator[tuple[Of, str]]:
        """Read what a claim is of."""
        if record["holds"]:
            is_lidar = record["nothing"] == "no_lidar"
            of: Of = "skill or gain" if is_lidar else self.tell_other(record["recipe"])
            yield of, record["target"] or ALL

    def read_preferred(self, record: Record) -> Iterator[tuple[Of, str]]:
        """Read what is preferred; the mean claims nothing."""
        if record["recipe"] != MEAN:
            sees = self.ground.known.sees_lidar(record["recipe"])
            of: Of = "preferred or beats" if sees else self.tell_other(record["recipe"])
            yield of, record["target"]

    def read_pair(self, record: Record) -> Iterator[tuple[Of, str]]:
        """Read whether what sees LIDAR beats what sees none."""
        one, other = record["recipe"], record["versus"]
        for is_won, winner, loser in (
            (record["beats"], one, other),
            (record["is_beaten"], other, one),
        ):
            sees = self.ground.known.sees_lidar
            if is_won and sees(winner) and not sees(loser):
                yield "preferred or beats", record["target"]

    def read_hits(self, record: Record) -> Iterator[tuple[Of, str]]:
        """Read who would be found, by LIDAR or by anything."""
        recipe, known = record["recipe"], self.ground.known
        is_lidar = known.sees_lidar(recipe) and record["versus"] == MEAN
        if record["worth"] == "better":
            yield "would be found" if is_lidar else self.tell_other(recipe), record["target"]
        if record["versus_worth"] == "better":
            yield "would be found", record["target"]

    def tell_other(self, recipe: str) -> Of:
        """Tell what a claim is of that is not of LIDAR."""
        return "size" if recipe == AREA_SIZE else "place"

    def compare(self, scheme: str) -> Compared:
        """Hold all recipes of a scheme against each other."""
        skills = {name: each.skill for name, each in self.scored[scheme].items()}
        real = {name: values[self.i, 0] for name, values in skills.items()}
        order, key = order_recipes(list(real), set()), {"scheme": scheme, "unit": "area"}

        def apart(one: str, other: str, k: int) -> Record:
            gain = float(real[one][k] - real[other][k])
            return key | {"recipe": one, "versus": other} | dict.fromkeys(DIFFERENCE, gain)

        pairs = {
            str(k): [apart(b, a, k) | {"target": str(k)} for a, b in combinations(order, 2)]
            for k in range(N_TARGETS)
        }
        means: list[Record] = []
        for name, values in real.items():
            versus, mean = self.ground.known.yardsticks[name], float(values.mean())
            record = key | {"recipe": name, "versus": versus} | dict.fromkeys(SKILL, mean)
            over = {} if versus == MEAN else {versus: self.average(real, name, versus)}
            means.append(record | {"over": over})
        return Compared(scheme, "area", order, pairs, means, self.take_worlds(skills))

    def average(self, real: dict[str, Floats], name: str, versus: str) -> Record:
        """Average over targets what one recipe has over another."""
        gain = float((real[name] - real[versus]).mean())
        return {"recipe": name, "versus": versus} | dict.fromkeys(DIFFERENCE, gain)

    def take_worlds(self, values: Mapping[str, Floats]) -> Refits:
        """Take the report's other worlds, from (report, world, target) of each recipe."""
        targets = tuple(map(str, range(N_TARGETS)))
        by_recipe = {
            name: dict(zip(KINDS, np.split(each[self.i, 1:], len(KINDS)), strict=True))
            for name, each in values.items()
        }
        return self.ground.refits(targets, by_recipe)

    def list_scores(self, scheme: str) -> Iterator[Record]:
        """List each recipe's skill, as records of a run."""
        for name, each in self.scored[scheme].items():
            for k, skill in enumerate(each.skill[self.i, 0]):
                key = {"recipe": name, "scheme": scheme, "unit": "area", "target": str(k)}
                yield key | dict.fromkeys(SKILL, float(skill))

    def list_hits(self) -> Iterator[Record]:
        """List how many each recipe finds beyond a blind pick, as records of a run."""
        for scheme, by_recipe in self.scored.items():
            for name, each in by_recipe.items():
                versus = self.ground.known.yardsticks[name]
                theirs = None if versus == MEAN else by_recipe[versus].lifts[:, self.i, 0]
                for place, lift in np.ndenumerate(each.lifts[:, self.i, 0]):
                    key = {"recipe": name, "scheme": scheme, "target": str(place[1])}
                    key |= {"versus": versus, "share": SHARES[place[0]], "chance": 0.0}
                    beside = None if theirs is None else float(theirs[place])
                    rates = dict.fromkeys(("hit_rate", "low", "high"), float(lift))
                    yield key | rates | {"versus_hit_rate": beside}


if __name__ == "__main__":
    main()
