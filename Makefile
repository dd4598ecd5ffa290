# make demo    segments the picture that ships with the package, into demo-output/
# make test    all checks and tests
# make starter trains the starter model again, into runs/ (hours): DATA=folder of data sets
#
# Both set up what they need first: a virtual environment in .venv and, for the tests on Debian
# and Ubuntu, the display libraries. What is set up once stays until pyproject.toml changes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check starter

BIN := .venv/bin
SCRATCH := $(CURDIR)/.venv/scratch-home
OLD_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	"$$python" -c '$(OLD_ENOUGH)' 2>/dev/null && { echo "$$python"; break; }; done)

# what Qt and OpenGL need to draw into a virtual screen
DISPLAY_PACKAGES := xvfb xauth libgl1 libgl1-mesa-dri libglx-mesa0 libegl1 libdbus-1-3 \
	libfontconfig1 libglib2.0-0 fonts-dejavu-core libxkbcommon-x11-0 libx11-xcb1 libxcb-cursor0 \
	libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 \
	libxcb-sync1 libxcb-xfixes0 libxcb-xkb1

help:
	@sed -n 's/^# \{0,1\}//; 1,6p' Makefile

demo: .venv/.installed
	$(BIN)/napari-clipseg demo

test: .venv/.installed-test .venv/.display check
	env -u QT_QPA_PLATFORM HOME='$(SCRATCH)' NAPARI_CONFIG='$(SCRATCH)/settings.yaml' \
		xvfb-run -a -s '-screen 0 1400x1000x24' $(BIN)/python -m pytest --durations=15

check: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/npe2 validate --imports napari-clipseg

# the configurations name the results of earlier stages, so that their folder is fixed
DATA ?= data
TRAINING := src/napari_clipseg/train
STAGES := runs/language/text-tower.safetensors runs/starter/model.safetensors \
	runs/second/model.safetensors runs/third/model.safetensors runs/fourth/model.safetensors \
	runs/fifth/model.safetensors runs/sixth/model.safetensors runs/seventh/model.safetensors \
	runs/eighth/model.safetensors runs/ninth/model.safetensors runs/tenth/model.safetensors
ENDS := runs/ninth/model.safetensors runs/tenth/model.safetensors

starter: $(STAGES) | .venv/.installed
	$(BIN)/python -m napari_clipseg.train.soup $(ENDS) --output runs/starter.safetensors
	$(BIN)/python -m napari_clipseg.evaluate.card runs/starter.safetensors \
		--data '$(DATA)' --output runs/card

runs/language/text-tower.safetensors: | .venv/.installed
	$(BIN)/pip install -qq --disable-pip-version-check -e '.[train]'
	$(BIN)/python -m napari_clipseg.train.language --data '$(DATA)' --output $@

# each stage goes on from the weights of the one before
runs/starter/model.safetensors: | runs/language/text-tower.safetensors
runs/second/model.safetensors: | runs/starter/model.safetensors
runs/third/model.safetensors: | runs/second/model.safetensors
runs/fourth/model.safetensors: | runs/third/model.safetensors
runs/fifth/model.safetensors: | runs/fourth/model.safetensors
runs/sixth/model.safetensors: | runs/fifth/model.safetensors
runs/seventh/model.safetensors: | runs/sixth/model.safetensors
runs/eighth/model.safetensors: | runs/seventh/model.safetensors
$(ENDS): | runs/eighth/model.safetensors

runs/%/model.safetensors:
	$(BIN)/napari-clipseg train $(TRAINING)/$(patsubst starter-starter,starter,starter-$*).toml \
		--data '$(DATA)' --output $(@D) --resume

.venv/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -qq --disable-pip-version-check -e .
	touch $@

.venv/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -qq --disable-pip-version-check -e '.[test]'
	mkdir -p '$(SCRATCH)'
	touch $@ .venv/.installed

$(BIN)/python:
	@[[ -n '$(PYTHON)' ]] || { echo 'Python 3.11 or newer is needed: install it first' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/apt-install python3-venv
	$(PYTHON) -m venv .venv

.venv/.display: Makefile | $(BIN)/python
	.ci/apt-install $(DISPLAY_PACKAGES)
	touch $@
