# `make help` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := uv pip compile --universal --python-version 3.12 --generate-hashes --no-emit-index-url \
          --no-strip-extras --no-header --no-annotate --quiet
# Nothing here may phone home, and a test must not wait on a download.
export HARBOR_TELEMETRY = off
export LITELLM_LOCAL_MODEL_COST_MAP = True
export OPIK_SENTRY_ENABLE = false
export OPIK_ANALYTICS_ENABLE = false
# Nor compile our own modules anew in each of the hundreds of processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format types bench jobs docs lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: $(VENV)/.ready ## make .venv with everything that running and testing needs

$(VENV)/.ready: requirements.lock pyproject.toml scripts/setup
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup requirements.lock
	@touch $@

$(VENV)/.lint-ready: requirements-lint.lock $(VENV)/.ready
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup requirements-lint.lock
	@touch $@

demo: setup ## run kilobench on examples/jobs, in a temporary home; report in ./demo-report
	@sh scripts/demo

test: setup ## run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

lint: $(VENV)/.lint-ready ## ruff: style, docstrings, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.lint-ready ## let ruff put the code in form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(VENV)/.lint-ready ## basedpyright, strict, on the five folders
	$(BIN)/basedpyright

bench: setup ## print the benchmarks' ratios
	$(BIN)/python -m benchmarks

jobs: setup ## make examples/jobs again by running Harbor (no Docker, no keys)
	$(BIN)/python examples/make_jobs.py

docs: setup ## write the generated parts of the documentation again
	$(BIN)/python scripts/help_texts.py

lock: ## pin what pyproject.toml allows (needs uv)
	$(LOCK) pyproject.toml --group test -o requirements.lock
	$(LOCK) --group lint -c requirements.lock -o requirements-lint.lock

clean: ## remove what the other targets made
	rm -rf $(VENV) demo-report .pytest_cache .ruff_cache .hypothesis
