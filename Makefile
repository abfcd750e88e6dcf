# make train · make test · make lab · make notebooks · make runs · make lint
PYTHON ?= python3
CONFIG ?= configs/cpu.yaml
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

.PHONY: help train test lab notebooks runs lint

help:
	@echo "make train              draw faces, train on them, end with a grid of generated ones"
	@echo "make train CONFIG=FILE  the same with other settings; RUN=NAME names the run"
	@echo "make test               every test: lint, units, then all notebooks"
	@echo "make lab                open the course in JupyterLab"
	@echo "make runs               a table of all runs"
	@echo "make notebooks          execute the notebooks again, in place"
	@echo "make lint               ruff, on library, tests and notebooks"

train: $(VENV)/.installed
	@$(BIN)/python -m dcgan_lib.launch $(CONFIG) $(if $(RUN),--run $(RUN))

# The notebooks run in a copy of the project's layout, so that the runs they make don't mix with yours.
test: $(VENV)/.installed-dev lint
	@rm -rf build/test && mkdir -p build/test && cp -r notebooks build/test/
	@cd build/test && ln -s ../../dcgan_lib ../../configs ../../data .
	$(BIN)/python -m pytest tests build/test/notebooks --nbval-lax --nbval-current-env --nbval-cell-timeout=900

lab: $(VENV)/.installed
	$(BIN)/jupyter lab notebooks

runs: $(VENV)/.installed
	@$(BIN)/python -m dcgan_lib.runs

notebooks: $(VENV)/.installed-dev
	$(BIN)/ruff format $(NOTEBOOKS)
	for notebook in $(NOTEBOOKS); do \
	  $(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=900 \
	    --ExecutePreprocessor.record_timing=False $$notebook || exit 1; \
	done

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "the course needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12 ...")'
	@echo "installing the packages into $(VENV), once: 5 GB, about two minutes on a fast line"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
