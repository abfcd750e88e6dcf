# make train · make test · make check · make lab · make notebooks · make site · make bench
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

.PHONY: help train sweep bench gpu diagnosis check test unit-test notebook-test browser-test cluster-test fuzz browser lab notebooks runs dashboard site lint

help:
	@echo "make train              paint portraits, train on them, end with a grid of generated faces"
	@echo "make train CONFIG=FILE  the same with other settings; RUN=NAME names the run"
	@echo "make sweep              the epochs sweep, 5 against 10 with four seeds; CONFIG=configs/sweeps/FILE for another"
	@echo "make lab                open the course in JupyterLab"
	@echo "make runs               a table of all runs"
	@echo "make dashboard          all runs in TensorBoard, on this machine"
	@echo "make check              lint and unit tests, while you work"
	@echo "make test               every test: lint, units, trainings, browser, then all notebooks"
	@echo "make fuzz               10,000 damaged files of each kind: what is read, is refused in one line, or not"
	@echo "make site               docs and executed notebooks as a website, in build/site"
	@echo "make notebooks          execute the notebooks again, in place"
	@echo "make bench              how fast this machine is, beside the articles' loop; DATA=FOLDER for other images"
	@echo "make gpu                what only a CUDA GPU can tell, in under 9 minutes; tiny and unwritten where there is none"
	@echo "make diagnosis CELEBA=FOLDER  runs made to fail, and healthy ones: what diagnose names; 40 minutes on 2 cores"

train: $(VENV)/.installed
	@$(BIN)/dcgan train $(or $(CONFIG),configs/cpu.yaml) $(if $(RUN),--run $(RUN))

sweep: $(VENV)/.installed
	@$(BIN)/dcgan sweep $(or $(CONFIG),configs/sweeps/epochs.yaml)

bench: $(VENV)/.installed
	@PYTHONPATH=. $(BIN)/python benchmarks/bench.py $(if $(DATA),--data $(DATA))

gpu: $(VENV)/.installed-dev
	@PYTHONPATH=. $(BIN)/python benchmarks/gpu.py $(if $(DATA),--data $(DATA))

diagnosis: $(VENV)/.installed
	@PYTHONPATH=. $(BIN)/python benchmarks/diagnosis.py $(if $(CELEBA),--celeba '$(CELEBA)')

lab: $(VENV)/.installed
	$(BIN)/jupyter lab notebooks

runs: $(VENV)/.installed
	@$(BIN)/dcgan runs

dashboard: $(VENV)/.installed
	@$(BIN)/python -c 'import tensorboard' 2>/dev/null || $(BIN)/python -m pip install --quiet 'tensorboard>=2.18'
	@$(BIN)/dcgan export --to tensorboard --into runs/exports/tensorboard
	$(BIN)/tensorboard --logdir runs/exports/tensorboard

# A process a core, each computing on one: several that compute on all cores at a time wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=logical --dist=loadfile

check: lint
	$(PYTEST) tests --ignore=tests/browser --ignore=tests/notebooks

test: lint build/test
	$(PYTEST) tests build/test/notebooks --nbval-lax --nbval-current-env --nbval-cell-timeout=900

unit-test: $(VENV)/.installed-dev
	$(PYTEST) tests --ignore=tests/browser --ignore=tests/notebooks

notebook-test: build/test
	$(PYTEST) tests/notebooks build/test/notebooks --nbval-lax --nbval-current-env --nbval-cell-timeout=900

browser-test: browser
	$(BIN)/python -m pytest tests/browser

# What needs more packages than the course has: a Ray and a Dask cluster of this machine, Optuna, and MLflow, to
# which neptune-exporter takes a record where CI has cloned it.
cluster-test: $(VENV)/.installed-dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-cluster.txt 'mlflow-skinny>=3.17' \
	  sqlalchemy alembic
	OMP_NUM_THREADS=1 PYTHONPATH=build/neptune-exporter/src $(BIN)/python -m pytest tests/launch/test_cluster.py \
	  tests/launch/test_search.py tests/records/test_parquet.py

fuzz: $(VENV)/.installed-dev
	DCGAN_FUZZ=$(or $(COUNT),10000) $(PYTEST) tests/faults --durations=0 --dist=load

# The notebooks run in a copy of the project's layout, so that the runs they make don't mix with yours, and those that
# train run shorter there, by parameters; their exercises are answered; notebooks 4 and 5 find two small runs.
QUICK := ../../tests/notebooks/epochs.yaml
SHORTER := '03_training -p max_images 900 -p epochs 2' '05_compare_runs -p sweep $(QUICK)' \
  '06_debugging -p steps 30 -p classifier_steps 20' \
  '07_minimal_gan -p seconds 5' \
  '08_other_models -p max_images 2000 -p pixelcnn_steps 50 -p vae_steps 150 -p rbm_steps 500 -p flow_steps 150 \
  -p drawn 2' \
  '09_latent_space -p faces 60 -p d_steps 16' '10_beyond_2016 -p steps 10'
.PHONY: build/test
build/test: $(VENV)/.installed-dev
	@rm -rf build/test && mkdir -p build/test && cp -r notebooks build/test/
	@cd build/test && ln -s ../../configs ../../data .
	@for each in $(SHORTER); do set -- $$each; file=build/test/notebooks/$$1.ipynb; shift; \
	  $(BIN)/papermill --prepare-only --no-progress-bar $$file $$file $$@ 2>/dev/null || exit 1; done
	@PYTHONPATH=tests $(BIN)/python -m helpers.solutions build/test/notebooks
	cd build/test && ../../$(BIN)/dcgan sweep $(QUICK)

# As an administrator from the system's packages, otherwise Playwright's own.
browser: $(VENV)/.installed-dev
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qq install -y chromium >/dev/null; } || \
	  $(BIN)/playwright install chromium

notebooks: $(VENV)/.installed-dev
	$(BIN)/ruff format $(NOTEBOOKS)
	for notebook in $(NOTEBOOKS); do \
	  $(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=900 \
	    --coalesce-streams --ExecutePreprocessor.record_timing=False $$notebook || exit 1; \
	  PYTHONPATH=tests $(BIN)/python -m helpers.stamp $$notebook; \
	done

site: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html -c docs -d build/site-doctrees . build/site
	@echo "open build/site/index.html"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "the course needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12 ...")'
	@echo "installing the packages into $(VENV), once: 5 GB, about two minutes on a fast line"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt requirements-site.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
