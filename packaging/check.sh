#!/usr/bin/env bash
# Build wheel and sdist, check them, and run the wheel where nothing of this folder can be seen.
# Dependencies are those of .venv, so that gigabytes are not installed once more; that all of them
# are declared is a test's to say (tests/test_package.py).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-$root/.venv/bin/python}
clean=$(mktemp -d)
trap 'rm -rf "$clean"' EXIT
"$python" -m venv "$clean/tools"
"$clean/tools/bin/pip" install --quiet build==1.6.1 twine==7.0.0
rm -rf dist
"$clean/tools/bin/python" -m build --outdir dist . >/dev/null
"$clean/tools/bin/twine" check --strict dist/*
"$python" -m venv --without-pip "$clean/venv"
site=$("$clean/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$clean/tools/bin/pip" install --quiet --no-deps --target "$site" dist/*.whl
# Behind the wheel's own folder, and without what .venv itself installs by such files.
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/dependencies.pth"
cd "$clean"
env -u PYTHONPATH venv/bin/python -m basrelief.cli --version
env -u PYTHONPATH venv/bin/python "$root/packaging/try_wheel.py" "$clean/venv" "$clean/town"
