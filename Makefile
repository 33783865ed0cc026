# Everything here works on a bare machine with Python 3.11+ and make. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
UPSTREAMS ?=
export PORT

.PHONY: help up test check bench bench-detect lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.installed ## run everything: servers, web, workers. PORT=8000 UPSTREAMS=auto|live|sandbox. Ctrl-C stops it all
	@exec env $(if $(UPSTREAMS),UPSTREAMS=$(UPSTREAMS)) $(BIN)/python manage.py up

test: $(VENV)/.installed-dev ## install what the tests need, then run them: no network, no running service
	@$(BIN)/python -m pytest

check: $(VENV)/.installed-dev ## lint, types, import contract, tests: what CI runs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/python -W ignore manage.py makemigrations --check --dry-run
	@$(MAKE) --no-print-directory test

bench: $(VENV)/.installed-dev ## side-by-side measurements as ratios, one JSON line and one table row per figure
	@$(BIN)/python -m bench

bench-detect: $(VENV)/.installed-dev ## only the delta of a list: 10k to 2M mints. BENCH_SIZES=10000,700000
	@$(BIN)/python -m bench detect

lock: $(VENV)/.installed-dev ## rewrite the hash-locked requirements from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url -q -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url -q -o requirements-dev.lock

clean: ## remove the virtual environment and caches; data under .tokensite/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python has no venv/ensurepip. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The stamps are copies of the lock file that was installed, so a run with nothing to do costs nothing.
$(VENV)/.installed: requirements.lock | $(VENV)/bin/python
	@test -e $(VENV)/.installed-dev && cmp -s requirements.lock $@ || { echo "installing (once)…"; \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock; }
	@cp requirements.lock $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "installing what the tests need (once)…"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@cp requirements-dev.lock $@
