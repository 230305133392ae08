# `make help` names the commands. Each sets up `.venv` first, from the locks with their hashes.

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-live check kill bench screenshots lock clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Postgres of the tests, and pytest's own overhead, are shared by two processes; more do not help on two cores.
WORKERS ?= 2
MODEL ?=

FITS = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	if $$name -c '$(FITS)' 2>/dev/null; then echo $$name; break; fi; done)

help: ## Name the commands.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/mixus ## Run one task from start to verified end; MODEL=openai:NAME for a real model.
	@$(BIN)/mixus demo $(if $(MODEL),--model '$(MODEL)')

serve: $(VENV)/mixus ## Serve on local data, in the folder `data`.
	@$(BIN)/mixus serve --data data

test: $(VENV)/mixus-dev ## Run all tests, on SQLite and on a Postgres of their own, and in a Chromium where there is one.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: $(VENV)/mixus-dev ## Check format, style, types and which room imports which.
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test-live: $(VENV)/mixus-dev ## Run the templates on a real model: MIXUS_LIVE_MODEL=provider:name, and its key.
	@$(BIN)/python -m benchmarks.live

kill: $(VENV)/mixus-dev ## Kill live runs 200 times on each store, at random moments.
	@KILLS=200 $(BIN)/python -m pytest -q tests/e2e/test_kill_often.py

bench: $(VENV)/mixus-dev ## Measure the ratios that the documentation names.
	@$(BIN)/python -m benchmarks

screenshots: $(VENV)/mixus-dev ## Draw every page anew, into docs/images; needs a Chromium.
	@PYTHONPATH=tests $(BIN)/python -m browser.screenshots

lock: $(BIN)/pip ## Write both locks anew from pyproject.toml.
	@$(PIP) install uv
	@$(BIN)/uv pip compile $(LOCK) --extra server --extra build -o requirements.lock
	@$(BIN)/uv pip compile $(LOCK) --extra dev -c requirements.lock -o requirements-dev.lock

LOCK = -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	pyproject.toml

clean: ## Remove .venv and everything that can be made again; local data stays.
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: made anew when the lock, or what describes the package, is newer.
$(VENV)/mixus: $(VENV)/locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/mixus-dev: $(VENV)/locked-dev pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/locked: requirements.lock | $(BIN)/pip
	@echo 'Installing what mixus needs into $(VENV) …'
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(VENV)/locked-dev: requirements-dev.lock | $(BIN)/pip
	@echo 'Installing what mixus and its tests need into $(VENV) …'
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(BIN)/pip:
	@python='$(PYTHON)'; test -n "$$python" && "$$python" -c '$(FITS)' 2>/dev/null || { \
		echo 'mixus needs Python 3.11 to 3.14 with venv and pip (Debian, Ubuntu: python3-venv); or say make PYTHON=…' >&2; \
		exit 1; }
	@echo "Making $(VENV) …"
	@'$(PYTHON)' -m venv $(VENV)
