"""Try an installed wheel: a small town through every stage, and its model handed out and used."""

from __future__ import annotations

import sys
from pathlib import Path

import basrelief
from basrelief.chips.store import load_samples
from basrelief.sources.town import write_town

SHORT = """\
[models]
recipes = ["relief-statistics"]

[evaluate]
worlds = 0
"""


def main(home: Path, folder: Path) -> None:
    """Run the town in a folder with the package that is installed in ``home``."""
    assert Path(basrelief.__file__).is_relative_to(home), basrelief.__file__
    assert (Path(basrelief.__file__).parent / "py.typed").is_file()
    config = write_town(folder, seed=7, side_m=2000)
    text = config.read_text(encoding="utf-8").partition("[models]")[0]
    text = text.replace("folds    = 5", 'folds = 5\nrepeats = 1\nschemes = ["area"]')
    config.write_text(text + SHORT, encoding="utf-8")
    run = basrelief.run_all(config, quiet=True)
    basrelief.export_model(run, None, folder / "model")
    lidar = folder / "lidar"
    place = basrelief.NewRasters(
        f"{lidar}/DSM_*.tif", f"{lidar}/DTM_*.tif", None, f"{folder}/areas.gpkg", None
    )
    there = basrelief.Run(folder / "there", quiet=True)
    basrelief.transfer_model(basrelief.Run(folder / "model"), place, there, None)
    n_areas = int(load_samples(run).areas["is_used"].sum())
    print(f"wheel: {n_areas} areas run, reported, exported and predicted in {folder}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
