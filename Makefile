# Everything happens in .venv, from locked and hashed dependencies.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
CLIENTS := tests/e2e/clients
# By file, since a file's tests may share what takes long to set up.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
SLOW := tests/e2e tests/faults tests/conformance tests/test_bench.py

.PHONY: run quick test coverage clients widgets bench load lint lock clean

run: $(STAMP)-run  ## serve on http://127.0.0.1:8000 with the sandbox; needs no key
	$(BIN)/python server.py --sandbox

quick: $(STAMP)-dev  ## what a minute can say: the tests that need no other program
	$(PYTEST) $(SLOW:%=--ignore=%)

test: $(STAMP)-dev  ## the whole suite; what the machine lacks is skipped with the reason
	$(PYTEST)

coverage: $(STAMP)-dev  ## the whole suite, and whether it runs every line and branch; takes longer
	$(PYTEST) --cov --cov-report=term

clients: $(CLIENTS)/.venv/.installed  ## Python clients of others, which the whole suite needs

widgets:  ## build the pages that are shown in a chat anew; needs Node, which nothing else does
	npm ci --prefix widgets --ignore-scripts --no-audit --no-fund --loglevel=error
	node widgets/build.mjs

lint: $(STAMP)-dev  ## style, types, floors
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/ty check
	$(BIN)/lint-imports

bench: $(STAMP)-dev  ## measurements, printed as ratios
	$(BIN)/python -m tests.bench

load: $(STAMP)-dev  ## 1,000 agents on two replicas for a minute; SOAK=--soak for ten; needs Caddy and Redis
	$(BIN)/python -m tests.load $(SOAK)

lock: $(STAMP)-dev  ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --universal --upgrade --python-version 3.11 \
	  --extra otlp --extra previews --extra redis --extra sandbox --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --universal --upgrade --python-version 3.11 \
	  --extra otlp --extra previews --extra redis --extra sandbox --group dev --constraint requirements.lock --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements-dev.lock
	$(BIN)/uv pip compile $(CLIENTS)/requirements.in --universal --upgrade --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet \
	  --output-file $(CLIENTS)/requirements.lock
	for folder in tests/e2e/node widgets; do \
	  npm install --prefix $$folder --package-lock-only --omit-lockfile-registry-resolved \
	    --ignore-scripts --no-audit --no-fund --loglevel=error || exit; \
	done
	$(BIN)/python -m tests.e2e.node_lock

clean:
	rm -rf .venv $(CLIENTS)/.venv

# The locks are complete: pip resolves nothing, so that no release of anything can change what it does.
INSTALL = -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r
CHECK = -m pip check --disable-pip-version-check

.venv/.made: requirements.lock requirements-dev.lock
	$(PYTHON) -c 'import sys; sys.exit("luma-mcp needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv
	touch $@

$(STAMP)-run: .venv/.made
	$(BIN)/python $(INSTALL) requirements.lock
	$(BIN)/python $(CHECK)
	touch $@

$(STAMP)-dev: .venv/.made
	$(BIN)/python $(INSTALL) requirements-dev.lock
	$(BIN)/python $(CHECK)
	touch $(STAMP)-run $@

$(CLIENTS)/.venv/.installed: $(CLIENTS)/requirements.lock | .venv/.made
	$(BIN)/python -m venv --clear $(@D)
	$(@D)/bin/python $(INSTALL) $<
	$(@D)/bin/python $(CHECK)
	touch $@
