# webmon: what there is to do here. `make help` lists it.

# The system's own Python first, where it will do: distributions build theirs with profile-guided optimization, and one
# that was compiled without takes up to twice as long for everything (docs/decisions/which-python.md).
PYTHON ?= $(firstword $(foreach one,/usr/bin/python3 python3,$(shell $(one) -c \
	'import ensurepip, sys, venv; sys.version_info >= (3, 11) and print("$(one)")' 2>/dev/null)) python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
DEMO_PORT ?= 8001
export WEBMON_DATA_DIR ?= data

.DEFAULT_GOAL := help
.PHONY: help serve test lint fix front-end lists bench soak demo-data clean

help: ## Say what there is to do
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: $(VENV)/.serve ## Set everything up and start webmon with the demo website
	@$(BIN)/python demo/start.py --port $(PORT) --demo-port $(DEMO_PORT)

test: $(VENV)/.test node_modules/.package-lock.json ## Run all tests, those in a browser included
	@$(BIN)/python tests/support/need_chromium.py
	@$(BIN)/pytest -n 2 --dist loadgroup

lint: $(VENV)/.test ## Check style, types, layers and the built front end
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund && npm run --silent check; \
	else echo "npm is not here: the front end was not rebuilt and compared"; fi

fix: $(VENV)/.test ## Mend what the style checker can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

node_modules/.package-lock.json: package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund; \
	else echo "npm is not here: tests/browser/test_other_clients.py bundles npm packages, and will fail without it"; fi

front-end: ## Build static/dist from static/src (needs Node)
	@npm ci --silent --no-audit --no-fund && npm run --silent build

lists: ## Renew the lists under webmon/data that others maintain (needs npm)
	@$(PYTHON) tools/renew_lists.py

bench: $(VENV)/.test node_modules/.package-lock.json ## Measure, and print the table with the machine's description
	@$(BIN)/python bench/run.py

soak: $(VENV)/.test ## Kill the server fifty times under load, and a hundred times during sign-ins, at moments drawn by chance
	@WEBMON_TEST_KILLS=50 $(BIN)/pytest -q -s tests/crash/test_kill.py -k kill_9
	@WEBMON_TEST_PROMOTION_KILLS=100 WEBMON_TEST_PROMOTION_CRASHES=100 $(BIN)/pytest -q -s \
		tests/crash/test_promotion_kill.py tests/crash/test_promotion_steps.py -k "kill_9 or chance"

demo-data: $(VENV)/.serve ## Fill the demo website's site with made-up visits
	@$(BIN)/webmon demo-data --site localhost --rows 20000

clean: ## Remove the virtual environment and caches; the data folder stays
	@rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build

# Two sets of packages: what serving needs, and what working on webmon needs besides.
$(VENV)/.serve: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("webmon needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what webmon needs (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.serve requirements-dev.lock
	@echo "Installing what the tests need (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
