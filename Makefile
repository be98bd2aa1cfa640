# `make` lists the targets. Node comes from tools/node when the machine's own is too old; tools/bootstrap puts it there.
export PATH := $(CURDIR)/tools/node/node_modules/.bin:$(PATH)
CONFIG ?= sightline.yaml
# For `sightline demo`: make demo DEMO_ARGS="--cameras 2"
DEMO_ARGS ?=
# NVIDIA's image under deepstream-image; better by its digest: make deepstream-image DEEPSTREAM_BASE=...@sha256:...
DEEPSTREAM_BASE ?= nvcr.io/nvidia/deepstream:9.1-triton-multiarch
# Under the stand-in's: one that was made on this machine where there is no way to a registry.
STANDIN_BASE ?= $(shell docker image inspect sightline/debian:bookworm > /dev/null 2>&1 && echo sightline/debian:bookworm || echo debian:bookworm-slim)

# The paths below are those of the repository.
ifeq ($(wildcard tools/bootstrap),)
$(error This is not Sightline's folder. Go there, or say so: make -C FOLDER $(MAKECMDGOALS))
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-integration test-e2e test-long deepstream-build deepstream-test deepstream-image deepstream-standin lint format types gen bench \
  run clean

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## The first alert in two minutes: installs what the demo needs, then runs it; Ctrl-C ends it
	@tools/bootstrap demo
	@bin/sightline demo $(DEMO_ARGS)

setup: ## Install what running and testing need: Debian packages (as root), Node 24, npm packages, native addons
	@tools/bootstrap

test: setup ## Everything that must hold before a change is merged, within 12 minutes
	@node tools/check.ts
	@node tools/test.ts unit integration e2e --concurrency 4

test-unit: ## Tests without sockets, processes and timers
	@node tools/test.ts unit

test-integration: ## Tests of one room against the real thing
	@node tools/test.ts integration

test-e2e: ## Tests of the whole program
	@node tools/test.ts e2e

test-long: setup ## Tests that take minutes or need Docker; not part of `make test`, run every night by .ci/nightly
	@node tools/test.ts long

# Neither optimised nor with symbols: it is built in every test run, and tests run little of it. STANDIN_TESTS=true: with those of the stand-in.
# SANITIZE=address (and undefined behaviour) or thread: with the compiler's sanitizers, in a folder of its own.
STANDIN_BUILD = deepstream/build$(if $(SANITIZE),-$(SANITIZE))
SANITIZE_OPTIONS = $(if $(SANITIZE),-Db_sanitize=$(SANITIZE:address=address,undefined) -Db_lundef=false -Dcpp_args=-g1)
deepstream-build: ## Build the DeepStream program against its stand-in on the CPU, into deepstream/build
	@mkdir -p $(STANDIN_BUILD)
	@flock $(STANDIN_BUILD)/.lock sh -ec 'test -f $(STANDIN_BUILD)/build.ninja || meson setup -Dbuildtype=plain $(SANITIZE_OPTIONS) $(STANDIN_BUILD) deepstream; \
	  test -z "$(STANDIN_TESTS)" || meson configure -Dstandin_tests=$(STANDIN_TESTS) $(STANDIN_BUILD); ninja -C $(STANDIN_BUILD)'

deepstream-test: deepstream-build ## The same, and run its own tests
	@meson test -C $(STANDIN_BUILD) --no-rebuild --print-errorlogs

lint: ## Formatting, lint rules and import order, without changing anything
	@node_modules/.bin/biome ci .

format: ## Put every file into the house's format
	@node_modules/.bin/biome check --write .

types: ## Type check
	@node_modules/.bin/tsc

gen: ## Write the generated files anew: protocol code, schema, reference, example configuration
	@node tools/generate.mjs

bench: ## Run the benchmarks; each prints a table and writes JSON to bench/results
	@set -e; for bench in bench/*.ts; do echo "== $$bench"; node "$$bench"; done

deepstream-image: ## Build the image of cameras with `runtime: deepstream`, on NVIDIA's (10 GB; their licence holds for it)
	@docker build -f deepstream/Dockerfile --build-arg BASE=$(DEEPSTREAM_BASE) -t sightline/deepstream .

deepstream-standin: ## Build the same with DeepStream's stand-in, for tests without a GPU
	@docker build --network host -f deepstream/Dockerfile.standin --build-arg BASE=$(STANDIN_BASE) -t sightline/deepstream-standin .

run: ## Run the daemon: make run CONFIG=sightline.yaml
	@bin/sightline run $(CONFIG)

clean: ## Remove what can be made again: caches, benchmark results, node_modules
	rm -rf .cache bench/results deepstream/build* node_modules tools/node/node_modules tools/legacy-view/node_modules
