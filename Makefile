# netwatch-server: `make run` serves, `make check` checks everything.

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
PORT ?= 8080
DATA_DIR ?= ./data/reports

.PHONY: help target build run test check lint fmt micro bench soak docker

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

# What the component is built with: `host/build.rs`.
micro: target ## How fast each stage is, in Wasm
	$(CARGO) build --release --locked --workspace --bin stock-wasmtime
	CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS='-C target-feature=+simd128' \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_LTO=fat \
		$(CARGO) build --release --locked -p netwatch-guest --example micro \
		--target wasm32-wasip2 --target-dir '$(TARGET_DIR)/micro'
	'$(TARGET_DIR)/release/stock-wasmtime' run -Scli -Shttp -Sp3=y -Wcomponent-model-async=y \
		'$(TARGET_DIR)/micro/wasm32-wasip2/release/examples/micro.wasm'

# BENCH=--quick takes minutes instead of half an hour; `bench --help` says more.
bench: micro ## Each stage alone; the server beside hyper, Go and wasmtime serve; reading; pauses
	$(CARGO) build --release --locked --workspace
	mkdir -p '$(TARGET_DIR)/bench'
	'$(TARGET_DIR)/release/bench' --json '$(TARGET_DIR)/bench/results.json' \
		--plot '$(TARGET_DIR)/bench/bench.svg' $(BENCH)
	'$(TARGET_DIR)/release/bench-reading'
	'$(TARGET_DIR)/release/bench-pauses'

soak: target ## Three minutes at 5,000 requests/s under a stock runtime, twice
	$(CARGO) build --release --locked --workspace
	'$(TARGET_DIR)/release/soak'
	'$(TARGET_DIR)/release/soak' --kill

docker: ## Build the container image
	docker build -t netwatch-server .
