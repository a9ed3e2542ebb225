.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BIN)/devin-warehouse ## Create .venv with exactly the tested versions

$(BIN)/devin-warehouse: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sandbox,test]'
	@touch $@

demo: setup ## Load from a local API with invented data, change it, load again, ask a question
	@$(BIN)/python -m devin_warehouse.sandbox.demo

load: setup ## Load for real; wants DEVIN_API_KEY
	@$(BIN)/devin-warehouse load

test: setup ## Lint, formatting, types and tests: all that CI runs
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/pytest

bench: setup ## Measure loads beside other ways to do them, and how long each view takes to read
	$(BIN)/python tests/bench/run.py
	$(BIN)/python -m tests.bench.views

.PHONY: help setup demo load test bench
