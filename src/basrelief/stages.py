"""The stages: what each reads and writes, and what it depends on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from basrelief import __version__
from basrelief.config import Settings
from basrelief.hashes import hash_inputs
from basrelief.run import FORMAT, Run, digest
from basrelief.sources.inputs import find_inputs


@dataclass(frozen=True)
class Stage:
    """A stage: a function from files to files, and what it depends on."""

    name: str
    help: str
    function: str
    """Where its function is, after the package's name."""

    reads: tuple[str, ...] = ()
    """Stages whose files it reads."""

    sections: tuple[str, ...] = ()
    """Tables and keys of the configuration that it depends on, besides those of the stages it
    reads from."""

    inputs: str = ""
    """Which input files it reads: those whose key begins so; empty for none."""

    writes: tuple[str, ...] = ()
    """Files and folders of the run folder that are its own."""

    def work(self) -> Callable[[Settings, Run], None]:
        """Import the stage's function only when it is wanted: torch takes seconds to load."""
        module, name = self.function.rsplit(".", 1)
        function: Callable[[Settings, Run], None] = getattr(
            import_module(f"basrelief.{module}"), name
        )
        return function


STAGES = (
    Stage(
        "chips",
        "Cut rasters, or take pictures, into chips.",
        "chips.stage.make_chips",
        sections=("data", "chips"),
        inputs="data.",
        writes=("chips",),
    ),
    Stage(
        "describe",
        "Summarise the targets and what was removed.",
        "chips.describe.describe_chips",
        reads=("chips",),
        writes=("describe",),
    ),
    Stage(
        "split",
        "Make the folds of every scheme.",
        "splits.stage.assign_splits",
        reads=("chips",),
        sections=("split", "seed"),
        writes=("splits",),
    ),
    Stage(
        "train",
        "Train every recipe on every fold.",
        "learn.stage.train_recipes",
        reads=("chips", "split"),
        sections=("models", "seed"),
        inputs="models.",
        writes=("features", "models"),
    ),
    Stage(
        "evaluate",
        "Score held-out predictions beside the mean.",
        "judge.stage.evaluate_recipes",
        reads=("chips", "split", "train"),
        sections=("evaluate",),
        writes=("predictions.parquet", "scores.json", "scores.parquet", "evaluate"),
    ),
    Stage(
        "explain",
        "Draw what raises and lowers the predictions.",
        "explain.stage.explain_recipes",
        reads=("chips", "train", "evaluate"),
        writes=("explain",),
    ),
    Stage(
        "map",
        "Write the maps, with styles for QGIS.",
        "tell.maps.stage.write_maps",
        reads=("chips", "describe", "split", "train", "evaluate", "explain"),
        # Classes are of the areas that may be published, so that both pages have the same.
        sections=("publish",),
        writes=("maps",),
    ),
    Stage(
        "report",
        "Write report.html, and in public/ what may be handed out.",
        "tell.stage.tell_run",
        reads=("chips", "describe", "split", "train", "evaluate", "explain", "map"),
        sections=("publish",),
        inputs="told.",
        writes=(
            *(
                "report.html",
                "explore.json",
                "public",
                "publish.json",
                "release",
                "inputs.json",
                "stac",
            ),
            *("model_card.md", "data_sheet.md"),
        ),
    ),
)
"""In the order in which they are run: each reads from stages before it only."""


def fingerprint_stages(settings: Settings, run: Run) -> dict[str, str]:
    """Hash what each stage depends on: its settings, its input files, the stages it reads."""
    # Recipes know the store of chips, whose libraries take a second to load.
    from basrelief.learn.choice import describe_recipes

    files = find_inputs(settings)
    # Before gigabytes are hashed: a recipe that cannot be run is refused here.
    recipes = describe_recipes(settings)
    # By what they hold and by their names, not by where the folder of all of them lies.
    hashes = hash_inputs([file.path for file in files], run)
    named = [
        [file.key, os.path.relpath(file.path, settings.locate("")), sha256]
        for file, sha256 in zip(files, hashes, strict=True)
    ]
    values = settings.model_dump()
    fingerprints: dict[str, str] = {}
    for stage in STAGES:
        own = [values[section] for section in stage.sections]
        if stage.name == "train":
            # A recipe that comes with the program is no input file, and may change with it.
            own += recipes
        # Of the stages that read them alone: new weights need no new chips.
        stamps = [each for each in named if stage.inputs and each[0].startswith(stage.inputs)]
        before = [fingerprints[name] for name in stage.reads]
        # The version counts: another one may make other figures of the same files.
        fingerprints[stage.name] = digest(FORMAT, __version__, stage.name, own, stamps, before)
    return fingerprints


def find_needed(name: str) -> list[str]:
    """List the stages that must be finished before a stage can run, in order.

    >>> find_needed("split")
    ['chips']
    """
    needed = {name}
    # Once backwards is enough, for stages read from stages before them only.
    for stage in reversed(STAGES):
        if stage.name in needed:
            needed.update(stage.reads)
    return [stage.name for stage in STAGES if stage.name in needed - {name}]
