"""Count which lines and branches of the package the tests go through.

`make test` names this file in ``PYTEST_PLUGINS``, so that it is there before any of the package.
Bytecode is rewritten: a tracer costs half of the tests' own time, since CPython 3.11 looks up the
line of every instruction wherever one is set, those of libraries too.
"""

from __future__ import annotations

import json
import shutil
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from slipcover import FileMatcher, ImportManager, Slipcover, merge_coverage, print_coverage

LEAST = 90
"""Percent of lines and branches that tests have to go through."""

ROOT = Path(__file__).parents[1]
PACKAGE, COUNTS = [str(ROOT / "src" / "basrelief")], ROOT / ".lines"

COUNTER = Slipcover(branch=True, source=PACKAGE)
ImportManager(COUNTER, FileMatcher(sources=PACKAGE)).__enter__()


def pytest_configure(config: pytest.Config) -> None:
    """Forget the counts of earlier runs."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(COUNTS, ignore_errors=True)
        COUNTS.mkdir()


# Last, when every worker has written what it counted.
@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what this process counted; fail where all of them together are too few."""
    name = getattr(session.config, "workerinput", {}).get("workerid", "main")
    (COUNTS / f"{name}.json").write_text(json.dumps(COUNTER.get_coverage()))
    if name == "main" and session.exitstatus == 0 and _percent() < LEAST:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the files that tests do not wholly go through."""
    print_coverage(_gather(), skip_covered=True, missing_width=60)
    terminalreporter.line(f"{_percent():.1f}% of lines and branches; at least {LEAST}% are asked.")


def _gather() -> dict[str, Any]:
    """Put the counts of all processes together."""
    counts = [json.loads(path.read_text()) for path in sorted(COUNTS.glob("*.json"))]
    return reduce(merge_coverage, counts)


def _percent() -> float:
    """Percent of lines and branches that some process went through."""
    return float(_gather()["summary"]["percent_covered"])
