# `make demo` shows the platform at work, `make test` runs every test; both set everything up first, in .venv.
# Another interpreter: make PYTHON=/path/to/python3.12 setup

VENV := .venv
PYTHON ?=
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.12 python3.11 python3.10 python3.9)
# Flink 2.3 has wheels for these versions; Debian and Ubuntu ship venv without its ensurepip in a package of its own.
FITS := import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 12))
# setuptools warns of every editable installation.
PIP_INSTALL := PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup up down status demo test debian-packages lint bench fuzz chaos docs lock audit sbom

setup: $(VENV)/.complete

# Only again when the dependencies have changed.
$(VENV)/.complete: pyproject.toml
	@if ! $(VENV)/bin/python -c '$(FITS)' >/dev/null 2>&1; then \
	  for python in $(CANDIDATES); do \
	    if "$$python" -c '$(FITS)' >/dev/null 2>&1; then found="$$python"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "No Python 3.9 to 3.12 with venv among: $(CANDIDATES). Install one (Debian, Ubuntu: python3 and python3-venv)" \
	      "or name it: make PYTHON=/path/to/python setup" >&2; exit 2; \
	  fi; \
	  echo "Creating $(VENV) with $$("$$found" --version)"; \
	  "$$found" -m venv --clear $(VENV); \
	fi
	@echo "Installing the project and what it needs into $(VENV); the first time this takes some minutes"
	@$(PIP_INSTALL) --upgrade pip
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

up: setup
	@$(VENV)/bin/dmp up

down: setup
	@$(VENV)/bin/dmp down

status: setup
	@$(VENV)/bin/dmp status

demo: setup
	@$(VENV)/bin/dmp demo

test: setup debian-packages
	@$(VENV)/bin/python -m pytest

debian-packages:
	@sh tests/install_debian.sh

# Measurements, see docs/benchmarks.md: make bench BENCH=identity ARGS="--events 300000 --out /tmp/bench"
BENCH := throughput
bench: setup
	@$(PIP_INSTALL) --editable '.[bench]' || \
	  echo "Peers of the project cannot be installed here; the report names those that are missing" >&2
	@$(VENV)/bin/dmp up
	@$(VENV)/bin/python -m bench $(BENCH) $(ARGS)

# A coverage-guided fuzzer over every entrance: make fuzz ARGS="--seconds 600 cleaning http"
fuzz: setup
	@$(PIP_INSTALL) --editable '.[fuzz]'
	@$(VENV)/bin/python -m tests.fuzz $(ARGS)

# A hundred faults, one after the other, on a stack of its own: make chaos ARGS="--faults 26 --seed 2 --out chaos.json"
chaos: setup
	@$(VENV)/bin/python -m tests.chaos $(ARGS)

# The pages of docs/ that are generated from the schemas and the configuration.
docs: setup
	@$(VENV)/bin/python -m dmp.docs

lint: setup
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy --strict dmp/core
	@$(VENV)/bin/lint-imports

# docker/requirements.txt: what the image installs, each file by its SHA-256. Versions stay unless pyproject.toml asks
# for others; make lock ARGS=--upgrade takes the newest.
lock: setup
	@$(VENV)/bin/uv pip compile --quiet pyproject.toml --extra geo --generate-hashes --no-annotate \
	  --python-version 3.11.13 --python-platform linux --custom-compile-command "make lock" $(ARGS) \
	  --output-file docker/requirements.txt

# Known vulnerabilities of what the image installs. Strict, because otherwise packages that the index says nothing about
# (a mirror without such data) count as sound.
audit: setup
	@$(VENV)/bin/pip-audit --strict --disable-pip --requirement docker/requirements.txt $(ARGS) || { \
	  echo "Vulnerabilities were found, or the audit could not be done, which the lines above tell." >&2; exit 1; }

# A bill of materials (CycloneDX) of what the image installs. Jars are in dmp/stack/artifacts.json.
sbom: setup
	@$(VENV)/bin/cyclonedx-py requirements docker/requirements.txt --output-file sbom.json
	@echo sbom.json
