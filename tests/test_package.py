"""The package as others install it: what it declares, ships, and asks of a system."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "basrelief"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = re.compile(r"[A-Za-z0-9._-]+")


def plain(requirement: str) -> str:
    found = NAME.match(requirement)
    assert found
    return found[0].lower().replace("_", "-").replace(".", "-")


def list_imports(*, of_server: bool) -> set[str]:
    names = set()
    for path in PACKAGE.rglob("*.py"):
        if (path.parent.name == "serve") != of_server:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"basrelief"}


@pytest.mark.parametrize("of_server", [False, True])
def test_whatever_is_imported_is_declared(of_server: bool) -> None:
    extra = PROJECT["optional-dependencies"]["serve"] if of_server else []
    declared = {plain(each) for each in [*PROJECT["dependencies"], *extra]}
    providers = packages_distributions()
    missing = {
        name
        for name in list_imports(of_server=of_server)
        if not {plain(each) for each in providers.get(name, [name])} & declared
    }
    assert missing == set()


def test_its_types_are_shipped_and_said_to_be() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


WITHOUT_POSIX = """
import importlib, os, pkgutil, sys, types
from pathlib import Path
import torch, geopandas, rasterio, matplotlib.pyplot, sklearn.linear_model, pystac, stac_model
import scipy.spatial, requests, typer, captum.attr, timm, crepes, exactextract, libpysal, esda.moran
import fastapi.responses, uvicorn
import multiprocessing.pool, concurrent.futures.process
held = []
def locking(number, mode, n_bytes):
    if held:
        raise OSError(13, "Permission denied")
    held.append(number)
sys.modules |= {name: None for name in ("fcntl", "resource", "pwd", "grp", "termios")}
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
sys.platform = "win32"
for name in ("O_NOFOLLOW", "O_NONBLOCK"):
    delattr(os, name)
import basrelief
for module in pkgutil.walk_packages(basrelief.__path__, "basrelief."):
    importlib.import_module(module.name)
from basrelief.config import InputError
from basrelief.locks import locking as lock
from basrelief.run import Run
run = Run(Path(sys.argv[1]))
with lock(run, "a"):
    print((run.folder / ".lock").read_text())
    try:
        with lock(run, "b"):
            print("twice")
    except InputError as error:
        print(error)
held.clear()
with lock(run, "c"):
    print("again")
"""


@pytest.mark.slow
def test_all_of_it_is_imported_and_locks_where_a_system_is_not_posix(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_POSIX, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert re.fullmatch(r"\d+ on .*", first)
    assert second.startswith(f"b: another basrelief works there (process {first}).")
    assert third == "again"


def test_the_recipe_for_conda_asks_for_what_the_package_asks_for() -> None:
    text = (ROOT / "packaging" / "conda" / "meta.yaml").read_text(encoding="utf-8")
    run = text.partition("\n  run:\n")[2].partition("\n\n")[0]
    asked = dict(re.findall(r"^    - (\S+) ?(>=\S+)?", run, re.MULTILINE))
    called = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    expected = {
        called.get(plain(each), plain(each)): NAME.sub("", each, count=1)
        for each in PROJECT["dependencies"]
    }
    assert asked == expected | {"python": PROJECT["requires-python"]}


def test_the_image_runs_as_nobody() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER nobody"]
    assert lines.index("USER nobody") < lines.index('ENTRYPOINT ["basrelief"]')
