#!/usr/bin/env bash
# [TEST..]: the tests of the judgement (floors 0 and 1, which are Rust alone) for AArch64, in an emulator; those of the kernels that
# are written for its NEON if no name is given (`.` runs all of them, several minutes). Needs rustup and qemu-user, and gets both
# where it can; where it cannot it says so in $ORIEL_SKIPS and ends well, as every test that cannot run.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(uname -m)" = aarch64 ] && exit 0 # `cargo test` runs them here.
target=aarch64-unknown-linux-musl

skip() {
    echo "SKIPPED: tests for AArch64: $*" | tee -a "${ORIEL_SKIPS:-/dev/null}"
    exit 0
}
if ! [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    timeout 120 rustup --quiet target add "$target" || skip "no rustup, or it could not get $target"
fi
if ! command -v qemu-aarch64 >/dev/null; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    timeout 300 "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=200 -qq install -y --no-install-recommends qemu-user >/dev/null ||
        skip "qemu-user could not be installed"
fi
# Rust's own linker and C library: nothing of another toolchain is needed.
export CARGO_TARGET_DIR=$PWD/target/aarch64 CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER=qemu-aarch64
[ $# -gt 0 ] || set -- preprocess
[ "$1" != . ] || shift
cargo test --quiet --locked --manifest-path tests/aarch64/Cargo.toml --target "$target" --lib -- --color never "$@"
