"""Fixtures that every room's tests share: the town, a finished run of it, and the real data."""

from __future__ import annotations

from pathlib import Path

import pytest

from basrelief.config import Settings, load_settings
from basrelief.run import Run

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data beside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration file of a synthetic town, with its rasters, areas and labels."""
    from basrelief.sources.town import write_town

    config = write_town(tmp_path_factory.mktemp("town"), seed=7)
    # Two steps are enough to see that a network's files go through every stage.
    text = config.read_text().replace("epochs  = 2", "epochs = 1\nsteps_per_epoch = 2")
    config.write_text(text)
    return config


@pytest.fixture(scope="session")
def town_settings(town: Path) -> Settings:
    """The town's settings."""
    return load_settings(town)


@pytest.fixture(scope="session")
def town_run(town: Path, town_settings: Settings) -> Run:
    """A finished run of the town, every stage."""
    from basrelief.cli import STAGES, run_stages

    run = Run(town_settings.locate(town_settings.out), quiet=True)
    run_stages(town_settings, run, [stage.name for stage in STAGES], set())
    return run
