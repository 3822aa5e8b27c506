# One environment in .venv serves every target. Each target installs what it needs and no more, and
# installs again only when pyproject.toml changed. Python 3.11 or newer and its pip are all it asks for.

PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13 python; do \
	command -v $$name >/dev/null && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	&& echo $$name && break; done)
VENV := .venv
RUN := $(VENV)/bin
PIP := $(RUN)/python -m pip --disable-pip-version-check

# torch trains the built-in models. On a machine without a GPU give the index of the CPU build that
# pytorch.org names:  make demo TORCH_FLAGS="--index-url ..."
TORCH ?= torch==2.13.0
TORCH_FLAGS ?=

# Processes that share the tests. Fits are timed in them, so there are no more than the smallest machine has cores.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check lint types rooms docs docs-cli docs-serve bench venv clean
.DELETE_ON_ERROR:

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.stamp-run ## Run the built-in Need on real data; leaves a bundle in sartor-demo/
	$(RUN)/sartor demo -o sartor-demo

test: $(VENV)/.stamp-test ## Run the tests, all but the slow ones
	$(RUN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.stamp-test ## Run the slow tests
	$(RUN)/python -m pytest -m slow

check: lint types rooms docs ## Format, lint, types, import direction and docs

lint: $(VENV)/.stamp-check ## ruff check and ruff format --check
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

types: $(VENV)/.stamp-check $(VENV)/.stamp-test $(VENV)/.stamp-docs ## mypy --strict
	$(RUN)/mypy --strict src tests scripts examples benchmarks

rooms: $(VENV)/.stamp-check ## Import direction of the rooms
	$(RUN)/lint-imports

docs: $(VENV)/.stamp-docs ## Build the docs strictly, and check that the generated pages are up to date
	$(RUN)/python scripts/generate_cli.py --check
	NO_MKDOCS_2_WARNING=true $(RUN)/mkdocs build --strict --quiet

docs-cli: $(VENV)/.stamp-run ## Write docs/cli/ again from the commands
	$(RUN)/python scripts/generate_cli.py

docs-serve: $(VENV)/.stamp-docs ## Read the docs on this machine while writing them
	$(RUN)/mkdocs serve

bench: $(VENV)/.stamp-test ## Run every benchmark, one after the other
	@set -e; for file in benchmarks/*.py benchmarks/compress/*.py; do \
		case $$file in */_*) continue ;; esac; \
		echo "== $$file"; $(RUN)/python $$file; done

venv: $(VENV)/.stamp-run $(VENV)/.stamp-test $(VENV)/.stamp-check $(VENV)/.stamp-docs ## Make the whole environment

clean: ## Remove the environment and everything generated
	rm -rf $(VENV) site dist build sartor-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests scripts examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(RUN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Dependency groups need pip 25.1, also in an environment that was there before.
$(VENV)/.stamp-run: pyproject.toml | $(RUN)/python
	$(PIP) install --quiet --upgrade "pip>=25.1"
	$(PIP) install --quiet $(TORCH_FLAGS) "$(TORCH)"
	$(PIP) install --quiet --editable ".[torch]"
	@touch $@

$(VENV)/.stamp-test $(VENV)/.stamp-check $(VENV)/.stamp-docs: $(VENV)/.stamp-%: pyproject.toml $(VENV)/.stamp-run
	$(PIP) install --quiet --group $*
	@touch $@
