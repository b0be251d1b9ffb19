"""Fixtures that every room's tests share: the town, a finished run of it, and the real data."""

from __future__ import annotations

import sys
from collections.abc import Callable
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


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command line in this process; give its exit code."""
    from basrelief import cli

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["basrelief", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


@pytest.fixture
def expect_line(
    run_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> Callable[..., None]:
    """Check that a command stops with one line that says all this, and writes nothing."""

    def expect(config: Path, *says: str, command: str = "run") -> None:
        capsys.readouterr()
        chips = config.parent / "runs" / "c" / "chips"
        had_chips = chips.exists()
        assert run_command(command, str(config)) == 2
        line = capsys.readouterr().err
        assert line.startswith("basrelief: ")
        assert line.count("\n") == 1
        assert [part for part in says if part not in line] == []
        assert [path for path in config.parent.rglob("*") if ".part" in path.name] == []
        assert chips.exists() == had_chips

    return expect
