# Needs Debian 12 or alike with Python 3.11, git and make; everything else comes from PyPI into .venv.
#
#   make run [ARGS="--open"]          csmsd on an SQLite file in ./data
#   make test [TESTS="tests/ocpp"]    the tests; JOBS=2 in two processes, quicker, but real time is scarcer then
#   make bench [ARGS=--quick]         csmsd beside its peers, see bench/README.md
#   make screenshots                  the pictures in docs/ui.md, with Chromium
#   make check                        format, lint, types, import contracts, generated files

.DEFAULT_GOAL := help
.PHONY: help run test check soak bench docs screenshots clean

VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet -c constraints.txt
INSTALLED := pyproject.toml constraints.txt
ARGS ?=
TESTS ?= tests
JOBS ?=

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	@scripts/make-venv $(VENV)

$(VENV)/.run: $(INSTALLED) | $(BIN)/python
	@echo "installing csmsd into $(VENV)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(INSTALLED) | $(BIN)/python
	@echo "installing csmsd and what its tests need into $(VENV)"
	@$(PIP) -e '.[dev]'
	@touch $(VENV)/.run $@

run: $(VENV)/.run
	@exec $(BIN)/csmsd run $(ARGS)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -m "not soak" $(if $(JOBS),-n $(JOBS)) $(TESTS)

soak: $(VENV)/.dev
	@$(BIN)/python -m pytest -m soak --timeout 0 -s $(TESTS)

bench: $(VENV)/.dev
	@$(BIN)/python -m bench compare $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/pin.py --check
	$(BIN)/python scripts/traceability.py --check

screenshots: $(VENV)/.dev
	@$(BIN)/python scripts/screenshots.py

docs: $(VENV)/.dev
	$(BIN)/python scripts/traceability.py
	$(BIN)/python scripts/events_page.py > docs/events.md

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .cache
	find . -name __pycache__ -prune -exec rm -rf {} +
