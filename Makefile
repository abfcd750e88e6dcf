# make train · make sweep · make bench · make diagnosis · make test · make lab · make notebooks · make runs · make dashboard · make lint
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

.PHONY: help train sweep bench diagnosis test test-browser browser lab notebooks runs dashboard lint

help:
	@echo "make train              draw faces, train on them, end with a grid of generated ones"
	@echo "make train CONFIG=FILE  the same with other settings; RUN=NAME names the run"
	@echo "make sweep              the epochs sweep, 5 against 10; CONFIG=configs/sweeps/FILE for another"
	@echo "make bench              how fast this machine is, beside the articles' loop; DATA=FOLDER for other images"
	@echo "make diagnosis CELEBA=FOLDER  runs made to fail, and healthy ones: what diagnose names; 40 minutes on 2 cores"
	@echo "make test               every test: lint, units, browser, then all notebooks"
	@echo "make test-browser       installs Chromium where there is none, and tests in it"
	@echo "make lab                open the course in JupyterLab"
	@echo "make runs               a table of all runs"
	@echo "make dashboard          all runs in Trackio, an optional dashboard on this machine"
	@echo "make notebooks          execute the notebooks again, in place"
	@echo "make lint               ruff, on library, tests and notebooks"

train: $(VENV)/.installed
	@$(BIN)/python -m dcgan_lib.launch $(or $(CONFIG),configs/cpu.yaml) $(if $(RUN),--run $(RUN))

sweep: $(VENV)/.installed
	@$(BIN)/python -m dcgan_lib.sweep $(or $(CONFIG),configs/sweeps/epochs.yaml)

bench: $(VENV)/.installed
	@PYTHONPATH=. $(BIN)/python benchmarks/bench.py $(if $(DATA),--data $(DATA))

diagnosis: $(VENV)/.installed
	@PYTHONPATH=. $(BIN)/python benchmarks/diagnosis.py $(if $(CELEBA),--celeba '$(CELEBA)')

# The notebooks run in a copy of the project's layout, so that the runs they make don't mix with yours; notebook 5 finds
# two small runs there.
QUICK := -s image_size 32 -s max_images 256 -s generator_width 8 -s discriminator_width 8 -s sample_every 10
test: $(VENV)/.installed-dev lint
	@rm -rf build/test && mkdir -p build/test && cp -r notebooks build/test/
	@cd build/test && ln -s ../../dcgan_lib ../../configs ../../data .
	cd build/test && ../../$(BIN)/python -m dcgan_lib.sweep configs/sweeps/epochs.yaml $(QUICK)
	$(BIN)/python -m pytest tests build/test/notebooks --nbval-lax --nbval-current-env --nbval-cell-timeout=900

test-browser: browser
	$(BIN)/python -m pytest tests/browser

# As an administrator from the system's packages, otherwise Playwright's own.
browser: $(VENV)/.installed-dev
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qq install -y chromium >/dev/null; } || \
	  $(BIN)/playwright install chromium

lab: $(VENV)/.installed
	$(BIN)/jupyter lab notebooks

runs: $(VENV)/.installed
	@$(BIN)/python -m dcgan_lib.runs

dashboard: $(VENV)/.installed
	@$(BIN)/python -c 'import trackio' 2>/dev/null || $(BIN)/python -m pip install --quiet -r
	@$(BIN)/python -m dcgan_lib.dashboard

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
