# Needs Go alone; modules come through the module proxy. The race detector also
# needs a C compiler, the checks of python/ a Python with venv and pip, those of
# other processors QEMU, those of the CUDA engine a C++ compiler, which setup installs where
# it is root and there is apt; each is left out, saying so, where there is none. NEED_PYTHON=1,
# NEED_QEMU=1 and NEED_CXX=1 fail instead. No test needs a card.
#
#   make up      try the whole system on this machine
#   make test    everything that must hold before a change lands
#
# P is the number of packages built and tested at once.

GO       ?= go
P        ?= 2
FUZZTIME ?= 30s
BENCH    ?= .
PYTHON   ?= python3

# Packages whose goroutines are worth the race detector's time, and tests whose loops,
# under it, take as long as all others of their packages.
RACE := $(addprefix ./,$(addsuffix /...,$(wildcard gradient aggregation replica transport coordinator worker validator checkpoints)))
NORACE := TestLevelsBeatMeanSigma|TestRulesWithstandLiars

S3TEST := .cache/s3test
# Tests that need an S3 server start this one.
export LODE_S3TEST := $(CURDIR)/$(S3TEST)

# Python with what python/ needs.
VENV := .cache/venv

.PHONY: help setup qemu cxx ptx cuda-headers stand-in card lint test race python up fuzz bench clean

help:
	@sed -n 's/^#   //p' Makefile; echo 'make lint | race | python | fuzz | bench | ptx | cuda-headers | stand-in | card | setup | clean'

setup: $(S3TEST) $(VENV)/ready qemu cxx
	$(GO) mod download

# Runs programs for other processors (TestSameBitsEverywhere).
qemu:
	@command -v qemu-aarch64 >/dev/null || command -v qemu-aarch64-static >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends qemu-user >/dev/null; \
	} || { \
		echo "NOT CHECKED: that other processors find the same bits (no qemu-aarch64; on Debian: apt-get install qemu-user)"; \
		test -z "$(NEED_QEMU)"; \
	}

# Compiles the stand-in for NVIDIA's libraries (engine/cuda/cudatest).
cxx:
	@command -v "$${CXX:-g++}" >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends g++ libc6-dev >/dev/null; \
	} || { \
		echo "NOT CHECKED: the CUDA engine, by a stand-in for NVIDIA's libraries (no C++ compiler; on Debian: apt-get install g++)"; \
		test -z "$(NEED_CXX)"; \
	}

# PTX of the CUDA kernels, for whoever changes them: NVIDIA's compiler comes from PyPI and
# needs no card. The compiler is the oldest that will do, so that old drivers take its PTX; the
# assembler knows new cards.
NVRTC   := nvidia-cuda-nvrtc-cu12==12.0.140
PTXAS   := nvidia-cuda-nvcc-cu12==12.9.86
HEADERS := nvidia-cuda-runtime-cu12==12.9.79 nvidia-cublas-cu12==12.9.1.4 nvidia-cuda-cccl-cu12==12.9.27 nvidia-nccl-cu12==2.32.3
NVIDIA  := .cache/nvidia

$(NVIDIA)/%: Makefile
	@mkdir -p $(NVIDIA); rm -rf $@; \
	$(PYTHON) -m venv $(NVIDIA)/venv && $(NVIDIA)/venv/bin/pip install -q --disable-pip-version-check --no-deps --target $@ $($*) && touch $@

ptx: $(NVIDIA)/NVRTC $(NVIDIA)/PTXAS
	LODE_CUDA_PATH=$(NVIDIA)/NVRTC/nvidia/cuda_nvrtc/lib $(GO) run ./engine/cuda/kernels/gen -dir engine/cuda/kernels -ptxas $(NVIDIA)/PTXAS/nvidia/cuda_nvcc/bin/ptxas

# Whether the stand-in declares what NVIDIA's headers do, whether cuBLASLt takes our
# descriptors, and whether NCCL has what we call (950 MB from PyPI; no card).
cuda-headers: $(NVIDIA)/HEADERS $(NVIDIA)/NVRTC $(NVIDIA)/PTXAS
	@for f in driver state peer blas nvrtc nccl; do \
		echo "$$f.cpp"; \
		"$${CXX:-g++}" -std=c++17 -fsyntax-only -DREAL_HEADERS $(addprefix -I$(NVIDIA)/,HEADERS/nvidia/cuda_runtime/include HEADERS/nvidia/cublas/include HEADERS/nvidia/nccl/include HEADERS/nvidia/cuda_cccl/include NVRTC/nvidia/cuda_nvrtc/include PTXAS/nvidia/cuda_nvcc/include) engine/cuda/cudatest/fake/$$f.cpp || exit 1; \
	done
	LODE_REAL_CUDA=$(CURDIR)/$(NVIDIA)/HEADERS/nvidia/cublas/lib:$(CURDIR)/$(NVIDIA)/HEADERS/nvidia/nccl/lib:$(CURDIR)/$(NVIDIA)/NVRTC/nvidia/cuda_nvrtc/lib $(GO) test -count 1 -run Real ./engine/cuda/driver

# The stand-in for NVIDIA's libraries, for programs tried by hand where there is no card:
# LODE_CUDA_PATH=.cache/stand-in lode doctor.
stand-in: cxx
	@mkdir -p .cache
	LODE_STAND_IN=$(CURDIR)/.cache/stand-in $(GO) test -count 1 -run TestStandIn ./engine/cuda/cudatest

# What benchmarks/card/run.py takes to a machine with a card: programs that need neither Go nor
# a network there.
card:
	@mkdir -p .cache/card
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o .cache/card/lode ./cmd/lode
	CGO_ENABLED=0 $(GO) test -c -trimpath -ldflags '-s -w' -o .cache/card/cuda.test ./engine/cuda

$(S3TEST): $(wildcard tools/s3test/*.go tools/s3test/go.*)
	@mkdir -p .cache
	cd tools/s3test && $(GO) build -p $(P) -o ../../$(S3TEST) .

$(VENV)/ready: python/requirements.txt
	@mkdir -p .cache; rm -rf $(VENV); \
	if $(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install -q --disable-pip-version-check -r $<; then touch $@; \
	else rm -rf $(VENV); test -z "$(NEED_PYTHON)"; fi

lint:
	@files=$$($(GO) tool gofumpt -l .); test -z "$$files" || { echo "not formatted (go tool gofumpt -l -w .):"; echo "$$files"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# All parts run whatever the others find.
test: setup
	@failed=; \
	$(MAKE) --no-print-directory lint || failed="$$failed lint"; \
	echo "$(GO) test -timeout 30m -p $(P) ./..."; $(GO) test -timeout 30m -p $(P) ./... || failed="$$failed test"; \
	for tool in asm plot; do \
		echo "$(GO) test ./... in tools/$$tool"; (cd tools/$$tool && $(GO) vet ./... && $(GO) test -p $(P) ./...) || failed="$$failed $$tool"; \
	done; \
	$(MAKE) --no-print-directory race || failed="$$failed race"; \
	$(MAKE) --no-print-directory python || failed="$$failed python"; \
	test -z "$$failed" || { echo "make test: failed:$$failed"; exit 1; }

race:
	@if test -z "$(RACE)"; then exit 0; fi; \
	cc=$$($(GO) env CC); command -v "$${cc%% *}" >/dev/null || { echo "no C compiler here: the race detector is left out"; exit 0; }; \
	echo "$(GO) test -race -short -timeout 30m -p $(P) -skip '$(NORACE)' $(RACE)"; CGO_ENABLED=1 $(GO) test -race -short -timeout 30m -p $(P) -skip '$(NORACE)' $(RACE)

# The second implementation of the update format, alone and against the first, and the
# engine in Python with numpy. LODE_TORCH_PYTHON may name a Python with PyTorch, by which
# that engine is held to the same.
python:
	@if ! test -e $(VENV)/ready; then \
		echo "NOT CHECKED: python/, the twin of the update format and the engine in Python (no Python with venv and pip, or it could not install; see make setup)"; \
		test -z "$(NEED_PYTHON)"; exit; \
	fi; \
	echo "$(VENV)/bin/python -m unittest discover -s python/tests"; PYTHONPATH=python $(VENV)/bin/python -m unittest discover -s python/tests || exit 1; \
	echo "$(GO) test -count 1 -run Python ./gradient ./engine/torch ./sim/solo ./worker"; LODE_PYTHON=$(CURDIR)/$(VENV)/bin/python $(GO) test -p $(P) -count 1 -run Python ./gradient ./engine/torch ./sim/solo ./worker

up:
	$(GO) run ./cmd/lode up

# Each fuzz target for FUZZTIME, one after another. Making interesting inputs small is
# kept short: on a busy machine it takes most of the time. Go before 1.27 may end a run
# with "context deadline exceeded", having found nothing (go.dev/issue/75804).
fuzz:
	@mkdir -p .cache; \
	grep -rnoE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' . | grep -v /testdata/ | \
	sed -E 's|^(.*)/[^/]+:[0-9]+:func (.*)|\1 \2|' | sort | \
	while read -r dir target; do \
		echo "$$dir $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s $$dir </dev/null 2>&1 | tee .cache/fuzz.log; \
		grep -q '^ok' .cache/fuzz.log && continue; \
		grep -q '^ *context deadline exceeded' .cache/fuzz.log && ! grep -q 'Failing input' .cache/fuzz.log || exit 1; \
	done

bench:
	$(GO) test -p 1 -run '^$$' -bench '$(BENCH)' -benchmem ./...

clean:
	rm -rf .cache lode
