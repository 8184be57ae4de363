# Everything happens in .venv, from locked and hashed dependencies. To try another Python beside it:
# make quick PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CLIENTS := tests/e2e/clients
NEWEST := .venv-newest
OLDEST := .venv-oldest
EXTRAS := otlp previews redis sandbox
# By file, since a file's tests may share what takes long to set up.
PYTEST := -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
SLOW := tests/e2e tests/faults tests/conformance tests/test_bench.py
# Beyond those, what starts servers or programs, draws, or searches for what breaks it.
NOT_QUICK := $(SLOW) tests/foreign tests/oauth tests/previews tests/sandbox tests/web \
  $(addprefix tests/test_,connections.py deployment.py engine.py footprint.py ledger.py limiting.py)

# The locks are complete: pip resolves nothing, so that no release of anything can change what it does.
INSTALL = -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r
CHECK = -m pip check --disable-pip-version-check

UV := $(BIN)/uv
PROJECT := pyproject.toml $(EXTRAS:%=--extra %) --python-version 3.11
PLAIN := --no-emit-index-url --no-header --no-annotate --quiet
LOCKED := --universal --upgrade --generate-hashes $(PLAIN)
comma := ,
space := $(subst ,, )

.PHONY: run quick test coverage newest oldest clients widgets bench load image containers lint lock clean

run: $(STAMP)-run  ## serve on http://127.0.0.1:8000 with the sandbox; needs no key
	$(BIN)/python server.py --sandbox

quick: $(STAMP)-dev  ## what a minute can say: tools, Luma's APIs, waiting, settings, documents
	$(BIN)/python $(PYTEST) $(NOT_QUICK:%=--ignore=%)

test: $(STAMP)-dev  ## the whole suite; what the machine lacks is skipped with the reason
	$(BIN)/python $(PYTEST)

coverage: $(STAMP)-dev  ## the whole suite, and whether it runs every line and branch; takes longer
	$(BIN)/python $(PYTEST) --cov --cov-report=term

newest:  ## the whole suite on what `pip install .` gets today, by the newest pip and without locks
	$(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(NEWEST)/bin/python -m pip install --quiet ".[$(subst $(space),$(comma),$(EXTRAS))]" --group dev
	$(NEWEST)/bin/python $(CHECK)
	$(NEWEST)/bin/python -m pip freeze --all
	$(NEWEST)/bin/python $(PYTEST)

oldest: $(STAMP)-dev  ## the suite within one process, on the lowest versions that pyproject.toml allows
	$(PYTHON) -m venv --clear $(OLDEST)
	$(UV) pip compile $(PROJECT) --resolution lowest-direct --group dev $(PLAIN) \
	  --output-file $(OLDEST)/requirements.txt
	$(UV) pip install --quiet --python $(OLDEST)/bin/python --requirement $(OLDEST)/requirements.txt
	$(OLDEST)/bin/python $(PYTEST) $(SLOW:%=--ignore=%)

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

# Podman's own format has no health checks. A client alone is no Docker: its engine has to answer.
image:  ## the image luma-mcp, by Docker or else Podman
	@if docker version >/dev/null 2>&1; then docker build --tag luma-mcp .; \
	elif command -v podman >/dev/null; then podman build --format docker --tag luma-mcp .; \
	else echo "Install Podman, or Docker and start it: no engine answers here." >&2; exit 1; fi

containers: $(STAMP)-dev  ## the image as it is built and run; needs root, and an engine that Debian's packages have
	$(BIN)/python -m tests.containers

lock: $(STAMP)-dev  ## resolve the dependencies anew
	$(UV) pip compile $(PROJECT) $(LOCKED) --output-file requirements.lock
	$(UV) pip compile $(PROJECT) --group dev --constraint requirements.lock $(LOCKED) \
	  --output-file requirements-dev.lock
	$(UV) pip compile $(CLIENTS)/requirements.in --python-version 3.11 $(LOCKED) --output-file $(CLIENTS)/requirements.lock
	for folder in tests/e2e/node widgets; do \
	  npm install --prefix $$folder --package-lock-only --omit-lockfile-registry-resolved \
	    --ignore-scripts --no-audit --no-fund --loglevel=error || exit; \
	done
	$(BIN)/python -m tests.e2e.node_lock

clean:
	rm -rf .venv .venv-* $(CLIENTS)/.venv

$(VENV)/.made: requirements.lock requirements-dev.lock
	$(PYTHON) -c 'import sys; sys.exit("luma-mcp needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(STAMP)-run: $(VENV)/.made
	$(BIN)/python $(INSTALL) requirements.lock
	$(BIN)/python $(CHECK)
	touch $@

$(STAMP)-dev: $(VENV)/.made
	$(BIN)/python $(INSTALL) requirements-dev.lock
	$(BIN)/python $(CHECK)
	touch $(STAMP)-run $@

$(CLIENTS)/.venv/.installed: $(CLIENTS)/requirements.lock | $(VENV)/.made
	$(BIN)/python -m venv --clear $(@D)
	$(@D)/bin/python $(INSTALL) $<
	$(@D)/bin/python $(CHECK)
	touch $@
