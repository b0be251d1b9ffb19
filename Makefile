PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
READY_DOCS := .venv/.ready-docs

.DEFAULT_GOAL := help
.PHONY: help setup demo test check package format lock bench docs clean

help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev]'
	@touch $(READY)

setup: $(READY)  ## Make .venv with everything in it (two to five minutes)

demo: $(READY)  ## A synthetic town through every stage, offline; prints where the report is
	$(BIN)/basrelief demo

test: $(READY)  ## Run the tests
	OMP_NUM_THREADS=1 PYTHONPATH=tests PYTEST_PLUGINS=lines $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

check: $(READY)  ## Lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

package: $(READY)  ## Build wheel and sdist, check them, and run the wheel by itself
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 src
	packaging/check.sh

format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY_DOCS)  ## Write the versions in .venv into requirements.lock
	$(BIN)/python -m pip freeze --exclude-editable > requirements.lock

bench: $(READY)  ## Measure speed and memory against Keras; a table beside the last one (half an hour)
	$(BIN)/python benchmarks/run.py

$(READY_DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[docs]'
	@touch $(READY_DOCS)

BUILT_DOCS := docs/_build docs/built docs/gallery docs/notebooks/basrelief-demo

docs: $(READY_DOCS)  ## Build the pages in docs/_build/html, offline; every notebook is run (a minute or two)
	rm -rf $(BUILT_DOCS)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -c docs . docs/_build/html
	@echo docs/_build/html/docs/index.html

clean:  ## Remove what setup, demo and the tests made
	rm -rf .venv .bench basrelief-demo $(BUILT_DOCS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .lines
