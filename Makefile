# Two commands on a fresh machine: `make demo` and `make test`. Everything else is here too.
# Only a Rust toolchain has to be there already; `make setup` says what else it installs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GOLDEN ?= target/golden
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sysinfer
export SYSINFER_TEST_MODEL ?= $(CACHE)/SmolLM2-135M-Instruct.Q4_1.gguf
export SYSINFER_TEST_VOCAB ?= $(CACHE)/vocab
export SYSINFER_TEST_SCHEMAS ?= $(CACHE)/json-schemas

# With the debug programs that are there: `cargo test` has built them, and a build of the programs alone, whose
# crates have fewer features, would compile most again.
TEST_DOCS := python3 -m unittest discover -q -s tests/docs && \
	python3 tests/docs/run.py --programs "$${CARGO_TARGET_DIR:-target}/debug" --only "$(ONLY)"

FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= cpu_list gguf profile split template tokenizer

.PHONY: help demo test build docs test-docs setup model vocab golden fuzz bench bench-peers test-clients test-deploy lint clean dist dist-all build-arm64 test-arm64 test-arm64-kernels test-arm64-goldens test-page test-metrics

help:
	@echo "make demo          build, fetch a small model, tune, serve, stream one answer"
	@echo "make test          all tests"
	@echo "make test-docs     the commands of README and docs, with a small model: make test-docs ONLY=tuning"
	@echo "make test-clients  real clients of many makers against the release server: make test-clients ONLY=langchain"
	@echo "make test-deploy   units, container, Helm chart, balancers, alerts of deploy/: make test-deploy ONLY=haproxy"
	@echo "make test-page     the page of the server in a real browser: make test-page ONLY=refusals"
	@echo "make test-metrics  /metrics against what clients measure, and what slows a host down: make test-metrics ONLY=quota"
	@echo "make build         the release binaries, in target/release"
	@echo "make vocab         tokenizers against llama.cpp's, chat templates against transformers', on what llama.cpp tests with"
	@echo "make golden        logits against a folder of known ones: make golden GOLDEN=FOLDER"
	@echo "make fuzz          hostile input, a minute per target: make fuzz FUZZ_SECONDS=60 FUZZ_TARGETS='gguf profile'"
	@echo "make bench         kernel benchmarks (criterion)"
	@echo "make bench-peers   rates, start and memory beside llama.cpp's: make bench-peers ROUNDS=5 MODELS='smollm2 llama3.2-1b'"
	@echo "make docs          the documentation as a book in English and one in Chinese, in target/site"
	@echo "make lint          formatting, clippy, documentation: no warnings"
	@echo "make build-arm64   the release binaries for arm64, from an x86-64 Debian"
	@echo "make test-arm64    arm64's kernels and all tests on emulated CPUs, from an x86-64 Debian"
	@echo "make dist          tarball, .deb and .rpm in target/dist; from an x86-64 Debian also: make dist ARCH=arm64"
	@echo "make dist-all      those of x86-64 and of arm64"
	@echo "make setup         install the system packages that a build needs"

setup:
	@scripts/setup.sh

build:
	@scripts/setup.sh build
	cargo build --release --locked --bin sysinfer-server --bin server --bin sysinfer-tune

model:
	@scripts/model.sh

vocab: setup
	@scripts/vocab.sh
	cargo test --locked -p sysinfer-conformance --test vocab --test chat_templates -- --nocapture --test-threads 1

demo: setup build
	@scripts/demo.sh

test: setup
	@scripts/model.sh || echo "NOTE: without the small real model, the tests that need it say SKIPPED"
	@scripts/vocab.sh || echo "NOTE: without the vocabularies, the tests that need them say SKIPPED"
	@scripts/json_schemas.sh || echo "NOTE: without the JSON Schema Test Suite, its test says SKIPPED"
	cargo test --workspace --locked --no-fail-fast
	@$(TEST_DOCS)

test-docs: setup
	cargo build --locked --bin sysinfer-server --bin server --bin sysinfer-tune
	@$(TEST_DOCS)

docs:
	@scripts/docs.sh

test-clients: setup
	@scripts/test_clients.sh

test-deploy: setup
	@scripts/test_deploy.sh

test-page: setup
	@scripts/test_page.sh

test-metrics: setup
	@scripts/test_metrics.sh

golden: setup
	@test -e "$(GOLDEN)/golden.json" || { echo "$(GOLDEN) has no golden.json: make golden GOLDEN=FOLDER"; exit 2; }
	cargo run --release --locked -q -p sysinfer-conformance --bin golden -- "$(GOLDEN)"

fuzz: setup
	@scripts/fuzz.sh "$(FUZZ_SECONDS)" $(FUZZ_TARGETS)

bench: setup
	cargo bench --locked -p sysinfer-kernels

bench-peers: setup build
	@scripts/bench_peers.sh

dist:
	@scripts/dist.sh $(ARCH)

dist-all:
	@scripts/dist.sh x86_64
	@scripts/dist.sh arm64

build-arm64: setup
	@scripts/arm64.sh build

test-arm64: setup
	@scripts/model.sh || echo "NOTE: without the small real model, the tests that need it say SKIPPED"
	@scripts/vocab.sh || echo "NOTE: without the vocabularies, the tests that need them say SKIPPED"
	@scripts/arm64.sh test

test-arm64-kernels: setup
	@scripts/arm64.sh kernels

test-arm64-goldens: setup
	@scripts/arm64.sh goldens

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

clean:
	cargo clean
