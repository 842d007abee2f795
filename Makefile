# `make demo` and `make test` work on a fresh Debian 12 or Ubuntu 24.04 with git, make and a Rust toolchain.

# rustup's own place, for shells that have not read its profile yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: demo test soak bench setup train-gate clean-data

# Two simulated cameras, events as they arrive. `make demo DURATION=30` ends by itself.
# The dev profile: our own code is optimised in it too (Cargo.toml), and it builds several times sooner from nothing than
# release, whose extra optimisation of other crates two cameras do not need.
demo: setup
	cargo build
	./target/debug/oriel demo $(if $(DURATION),--duration $(DURATION))

# Everything that CI runs.
test: setup
	@scripts/test.sh

# The fault tests, longer: a million events, 200 kills, 2,000 power cuts, damage at every page; ten minutes without a broker; about three quarters of an hour.
soak: setup
	ORIEL_SOAK=1 cargo test --test faults -- --nocapture --test-threads=1

# Kernels, ledger and outbox, and what came out kept under benches/runs; numbers of a quiet machine only.
bench: setup
	@scripts/bench.sh $(BENCH)

# System packages and libonnxruntime; does nothing where all is there.
setup:
	@scripts/setup.sh

# The default gate detector again, from clips and a teacher that you name: models/training/README.md.
# `make train-gate SMOKE=1` only tries the kit, in a minute or two.
train-gate:
	@models/training/train_gate.sh

# Ledger and snapshots of `oriel run` and `oriel demo` in this folder.
clean-data:
	rm -rf data
