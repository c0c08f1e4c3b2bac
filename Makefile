# Everything a person or the checks need, one command each. `make help` lists them.

PYTHON ?= python3.11
BIN := .venv/bin
PROTOS := $(sort $(wildcard proto/bottrading/v1/*.proto))
SERVICES := $(shell grep -l "^service " $(PROTOS))
GENERATED ?= generated
PROTOC = PATH=$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -Iproto \
	-I$$($(BIN)/python -c 'import google.api; print(list(google.api.__path__)[0] + "/../..")')

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev lock proto run test test-clients check bench release clean

help: ## List the commands.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: .venv/.installed ## Install the service into .venv.

setup-dev: .venv/.installed-dev ## Install the tools of the tests and checks too.

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

lock: setup-dev ## Pin the newest allowed versions of all dependencies, with hashes.
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade --extra build -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade --all-extras -c requirements.lock -o requirements-dev.lock pyproject.toml

proto: setup-dev ## Generate the Python code of the contract into generated/.
	mkdir -p $(GENERATED)
	$(PROTOC) --python_out=$(GENERATED) --mypy_out=quiet:$(GENERATED) $(PROTOS)
	$(PROTOC) --grpc_python_out=$(GENERATED) --mypy_grpc_out=quiet:$(GENERATED) $(SERVICES)
