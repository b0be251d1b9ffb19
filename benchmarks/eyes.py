"""How often a report says of an eye that it adds to a score, where it does and where it does not.

    python benchmarks/eyes.py --out eyes.json

Towns with a photo, street pictures and a table of people beside LIDAR, whose scores each eye, two
of them together, place, or nothing tells. Each is run from its files to its claims, by the stages
of a run; an eye *adds* to a score where the report says so: its gain over all the others, place
and district survives chance, and its interval lies above 0. Small networks with random weights
look at photo and pictures. Prints Markdown, keeps all decisions as JSON, and uses one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from basrelief.config import load_settings
from basrelief.judge.claims import MAX_CHANCE
from basrelief.run import Run, read_json, write_json
from basrelief.running import run_stages
from basrelief.sources.town import write_town
from basrelief.sources.town_eyes import READ_BY

LOOK = 'about = "a"\nbackbone = "test_resnet"\n'
RECIPES = {
    "photo": f'kind = "dense"\nname = "photo-look"\n{LOOK}stages = [1]\nlayer = "photo"\n'
    'rendering = "colours"\npools = ["ground"]\n',
    "street": f'kind = "street"\nname = "street-look"\n{LOOK}size_px = 64\n',
}
STAGES = ("chips", "split", "train", "evaluate")
SCHEME = "block"


def main() -> None:
    """Print how many decisions are right, and keep every one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="towns")
    parser.add_argument("--first", type=int, default=11, help="seed of the first")
    parser.add_argument("--worlds", type=int, default=40, help="other worlds of each kind a report")
    parser.add_argument("--out", type=Path, default=Path("eyes.json"))
    args = parser.parse_args()
    decisions: list[dict[str, Any]] = []
    for seed in range(args.first, args.first + args.seeds):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
            found = decide(Path(folder), seed, args.worlds)
        decisions += found
        wrong = [f"{each['eye']} {tell(each)} {each['target']}" for each in found if is_wrong(each)]
        told = "; ".join(wrong) or "every decision right"
        print(f"seed {seed}: {told} ({time.perf_counter() - start:.0f} s)", flush=True)
        # After each: who stops it keeps what was found.
        write_json(args.out, decisions)
    print()
    print_table(decisions)


def decide(folder: Path, seed: int, worlds: int) -> list[dict[str, Any]]:
    """Run a town, and list of each eye and score whether it is said to add to it."""
    config = write_town(folder, seed=seed, resolution_m=10.0, eyes=["photo", "street", "people"])
    for eye, text in RECIPES.items():
        (folder / f"{eye}.toml").write_text(text)
    changes = [
        'models.recipes = ["relief-statistics", "photo.toml", "street.toml"]',
        'models.weights = { test_resnet = "none" }',
        f'split.schemes = ["{SCHEME}"]',
        "split.repeats = 1",
        "chips.size_px = 32",
        f"evaluate.worlds = {worlds}",
    ]
    settings = load_settings(config, changes)
    run = Run(settings.locate(settings.out), quiet=True)
    run_stages(settings, run, STAGES)
    return list_decisions(run, seed)


def list_decisions(run: Run, seed: int) -> list[dict[str, Any]]:
    """List what a run says of the recipe of all eyes over the one without each."""
    records = read_json(run.folder / "evaluate" / "recipes.json")
    whole = max(records, key=lambda each: len(each["knows"]))
    eye_of = {versus: eye for eye, versus in whole["yardsticks"].items()}
    return [
        {
            "seed": seed,
            "eye": eye_of[each["versus"]],
            "target": each["target"],
            "is_planted": eye_of[each["versus"]] in READ_BY[each["target"]],
            "is_claimed": each["beats"],
        }
        | {name: each[name] for name in ("difference", "low", "high")}
        for each in read_json(run.folder / "evaluate" / "comparisons.json")
        if each["recipe"] == whole["recipe"] and each["versus"] in eye_of
        if each["unit"] == "area"
    ]


def is_wrong(decision: dict[str, Any]) -> bool:
    """Say whether what is there is missed, or what is not there is claimed."""
    return bool(decision["is_planted"] != decision["is_claimed"])


def tell(decision: dict[str, Any]) -> str:
    """Tell what a wrong decision is."""
    return "missed for" if decision["is_planted"] else "claimed for"


def print_table(decisions: list[dict[str, Any]]) -> None:
    """Print by eye how many planted gains were found, and how many others claimed."""
    counts = Counter((each["eye"], each["is_planted"], each["is_claimed"]) for each in decisions)
    print("| eye | planted | found | nothing there | claimed |")
    print("|---|---|---|---|---|")
    for eye in dict.fromkeys(each["eye"] for each in decisions):
        cells = [
            sum(counts[eye, planted, claimed] for claimed in claims)
            for planted in (True, False)
            for claims in ((True, False), (True,))
        ]
        print(f"| {eye} | {' | '.join(map(str, cells))} |")
    n_reports = len({each["seed"] for each in decisions})
    false = {each["seed"] for each in decisions if each["is_claimed"] and not each["is_planted"]}
    share = len(false) / n_reports
    print(f"\n{len(false)} of {n_reports} reports claim what is not there: {share:.0%}, where at ")
    print(f"most {MAX_CHANCE:.0%} is asked of reports in which nothing is there.")


if __name__ == "__main__":
    main()
