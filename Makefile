# Every target does its own set-up; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LAB ?= ../shared/cluster
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test check proto lock bench bench-cluster soak e2e-smoke clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(STAMP): pyproject.toml requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "The platform needs Python 3.11 or newer (the SDK alone: 3.10): make PYTHON=python3.12 …"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

setup: $(STAMP) ## make the virtual environment

demo: $(STAMP) ## start the platform on this machine and run the example on it
	@$(BIN)/limosa demo

test: $(STAMP) ## all tests that need no cluster; as root it installs Chromium with apt-get where there is none
	@scripts/chromium-setup
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/unit tests/typing tests/contract tests/faults tests/integration
	$(BIN)/python -m pytest tests/browser

check: $(STAMP) ## the fast loop: lint, types, import rules, unit tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/unit -n 2

proto: ## regenerate limosa_idl from proto/
	proto/generate.sh

lock: ## write requirements/*.lock again from pyproject.toml
	scripts/lock

bench: $(STAMP) ## every figure we claim, each beside its peer or limit
	@set -e; for script in $(filter-out bench/soak/run.py,$(wildcard bench/*/run.py)) bench/operator/shards.py; do echo "== $$script"; $(BIN)/python $$script; done

soak: $(STAMP) ## twenty minutes of runs of every kind while their platform is killed at random
	$(BIN)/python bench/soak/run.py --minutes 20

bench-cluster: $(STAMP) ## the operator on a real API server with fake nodes (KUBECONFIG)
	$(BIN)/python bench/operator/real_api.py

e2e-smoke: $(STAMP) ## real pods on the lab cluster (or LIMOSA_E2E_KUBECONFIG)
	deploy/lab/smoke

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .venv-proto .cache dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
