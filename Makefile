# netwatch-server: `make run` serves, `make check` checks everything.

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
PORT ?= 8080
DATA_DIR ?= ./data/reports

.PHONY: help target build run test check lint fmt bench docker

help: ## List the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The component's target; installed once, quietly if it is there.
target:
	@rustup target add wasm32-wasip2 >/dev/null 2>&1 || \
		{ echo 'cannot install the Wasm target; run: rustup target add wasm32-wasip2' >&2; exit 1; }

build: target ## Build the server with its component embedded
	$(CARGO) build --release --locked -p netwatch-server

run: build ## Build and serve on PORT (8080), storing in DATA_DIR (./data/reports)
	PORT='$(PORT)' DATA_DIR='$(DATA_DIR)' exec '$(TARGET_DIR)/release/netwatch-server'

lint: target ## Format check and clippy, on both targets, no warning allowed
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --release --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --release -p netwatch-guest --target wasm32-wasip2 -- -D warnings

test: target ## All tests: unit, simulation, integration
	sh scripts/install-test-tools
	$(CARGO) build --release --locked --workspace
	$(CARGO) test --release --locked --workspace --all-targets -- --test-threads=2

check: lint test ## Everything CI checks

fmt: ## Format the code
	$(CARGO) fmt --all

bench: target ## Micro-benchmarks, and the whole server beside a bare hyper server
	$(CARGO) build --release --locked --workspace
	$(CARGO) run --release --locked -p netwatch-tests --bin bench

docker: ## Build the container image
	docker build -t netwatch-server .
