.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BIN)/devin-warehouse ## Create .venv with exactly the tested versions

$(BIN)/devin-warehouse: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sandbox,test]'
	@touch $@

demo: setup ## Load from a local API with invented data, change it, load again, ask a question
	@$(BIN)/python -m devin_warehouse.sandbox.demo

load: setup ## Load for real; wants DEVIN_API_KEY
	@$(BIN)/devin-warehouse load

test: setup ## Lint, formatting, types and tests; needs nothing but Python
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/pytest

test-clients: setup .venv-clients/installed tests/clients/node_modules/installed ## Read, also while loads run, with Python, CLI, Node, SQLAlchemy, polars, ibis, harlequin and dbt; needs npm
	$(BIN)/python -m tests.clients.run

.venv-clients/installed: tests/clients/requirements.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

tests/clients/node_modules/installed: tests/clients/package.json tests/clients/package-lock.json
	@npm --version >/dev/null 2>&1 || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get -qq update && apt-get -qq install --no-install-recommends nodejs npm; } \
		|| { echo "make test-clients needs Node with npm: install both." >&2; exit 1; }
	npm ci --prefix tests/clients --no-audit --no-fund --loglevel=error
	@touch $@

test-superset: setup .venv-superset/installed ## Chart the published file in a real Superset, and a newer copy; installs 700 MB
	$(BIN)/python -m tests.clients.superset.run

.venv-superset/installed: tests/clients/superset/requirements.txt
	$(PYTHON) -m venv .venv-superset
	.venv-superset/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-report: setup .venv-browser/installed ## Look at the report in headless Chromium: figures, keyboard, contrast, pictures
	$(BIN)/python -m tests.browser.run

.venv-browser/installed: tests/browser/requirements.txt
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get -qq update && apt-get -qq install --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
		|| { echo "make test-report needs Chromium: install it." >&2; exit 1; }
	$(PYTHON) -m venv .venv-browser
	.venv-browser/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-deploy: setup .venv-deploy/installed ## Run what schedules loads: systemd, cron, a GitHub workflow, Dagster; Linux, as root
	$(BIN)/python -m tests.deploy.run

.venv-deploy/installed: tests/deploy/requirements.txt
	@command -v systemd-analyze >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get -qq update && apt-get -qq install --no-install-recommends systemd >/dev/null; } \
		|| { echo "make test-deploy needs systemd-analyze: install systemd." >&2; exit 1; }
	$(PYTHON) -m venv .venv-deploy
	.venv-deploy/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-servers: setup .venv-postgres/installed .venv-lake/installed ## Load into PostgreSQL and a DuckLake, with readers and several loaders; starts PostgreSQL
	$(BIN)/python -m tests.servers.run

.venv-postgres/installed: pyproject.toml constraints.txt
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get -qq update && apt-get -qq install --no-install-recommends postgresql >/dev/null; } \
		|| { echo "make test-servers needs PostgreSQL: install it." >&2; exit 1; }
	$(PYTHON) -m venv .venv-postgres
	.venv-postgres/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[postgres,sandbox,test]'
	@touch $@

# an older DuckDB: see the requirements
.venv-lake/installed: tests/servers/requirements.txt pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-lake
	@grep -v '^duckdb==' constraints.txt >.venv-lake/constraints.txt
	.venv-lake/bin/pip install --quiet --disable-pip-version-check -c .venv-lake/constraints.txt \
		-r $< -e '.[ducklake,sandbox,test]'
	@touch $@

test-spark: setup .venv-spark/installed ## Ask Apache Spark every view over an export, and compare with DuckDB; installs 750 MB
	.venv-spark/bin/python -m tests.servers.spark

.venv-spark/installed: tests/servers/spark-requirements.txt pyproject.toml constraints.txt
	@command -v java >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get -qq update && apt-get -qq install --no-install-recommends openjdk-17-jre-headless >/dev/null; } \
		|| { echo "make test-spark needs Java 17: install it." >&2; exit 1; }
	$(PYTHON) -m venv .venv-spark
	.venv-spark/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -r $< -e '.[sandbox,test]'
	@touch $@

soak: setup ## Kill 200 loads, fill up disks, live through a year and through 300 histories; takes an hour
	$(BIN)/python -m tests.soak.kills
	$(BIN)/python -m tests.soak.full_disk
	$(BIN)/python -m tests.soak.year
	$(BIN)/python -m tests.test_any_history 300

audit: .venv-audit/installed ## Look for published vulnerabilities of the tested versions; asks a service on the internet
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

.venv-audit/installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	@touch $@

bench: setup .venv-airbyte/installed ## Measure loads beside other ways to do them, and how long each view takes to read
	$(BIN)/python -m tests.bench.run
	$(BIN)/python -m tests.bench.views

# without it the benchmark goes on, and says so
.venv-airbyte/installed: tests/bench/airbyte-requirements.txt
	@rm -f $@
	@$(PYTHON) -m venv .venv-airbyte && .venv-airbyte/bin/pip install --quiet \
		--disable-pip-version-check -r $< 2>.venv-airbyte/why && touch $@ \
		|| tail -n 1 .venv-airbyte/why >&2 || true

.PHONY: help setup demo load test test-clients test-superset test-report test-deploy test-servers test-spark soak audit bench
