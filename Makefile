# Two commands: `make run` starts the dashboard, `make test` checks everything.
# A stamp file remembers what was installed, so running either again installs nothing. What is
# installed is compiled by all cores at once; pip would take one. It must be compiled here: where
# Python may not write bytecode, each process would otherwise compile torch and diffusers again. The
# packages' own tests, an eighth of it all, are never imported.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/python -m compileall -q -j 0 -x /tests/ $(VENV)/lib sdlab dashboard tests >/dev/null || true
PORT ?= 8501
ADDRESS ?= 127.0.0.1

.PHONY: run test check lint types unit every e2e bench clean

run: $(VENV)/.run-stamp
	$(BIN)/streamlit run streamlit_app.py --server.port $(PORT) --server.address $(ADDRESS)

# mypy takes one core while the workers of pytest begin.
test: lint
	$(MAKE) -j 2 types unit

check: lint types
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m 'not slow and not every'

lint: $(VENV)/.dev-stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if test node_modules/.package-lock.json -nt package-lock.json || npm ci --silent 2>&-; \
	then node_modules/.bin/biome check --error-on-warnings; \
	else echo "JavaScript and CSS are not checked: npm is not here or could not install."; fi

types: $(VENV)/.dev-stamp
	$(BIN)/mypy

unit: $(VENV)/.dev-stamp
	$(BIN)/python -m pytest -n 4 --no-loadscope-reorder -m 'not every'

every: $(VENV)/.every-stamp
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m every

e2e: $(VENV)/.dev-stamp
	$(BIN)/python -m pytest tests/e2e

bench: $(VENV)/.every-stamp
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)) and "sdlab needs Python 3.11 to 3.13; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-stamp: requirements.txt pyproject.toml setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --no-compile -r requirements.txt
	$(BIN)/python -m pip install --no-deps -e .
	$(or $(LATER),$(COMPILE))
	touch $@

# To look through all that is compiled takes four seconds: what the tests need, once, at the end.
$(VENV)/.dev-stamp: LATER := true
$(VENV)/.dev-stamp: requirements-dev.txt $(VENV)/.run-stamp
	$(BIN)/python -m pip install --no-compile -r requirements-dev.txt
	$(COMPILE)
	touch $@

$(VENV)/.every-stamp: requirements-every.txt $(VENV)/.dev-stamp
	$(BIN)/python -m pip install --no-compile -r requirements-every.txt
	$(COMPILE)
	touch $@

clean:
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache build *.egg-info
