#!/usr/bin/env bash
# Installs what oriel needs on Debian 12 and Ubuntu 24.04, and says what. Where all is there it does nothing, needs no
# root and no network. Fetches:
#   - system packages, through apt (as root, or with sudo)
#   - libonnxruntime.so, pinned by sha256, into .local/onnxruntime/lib (set ORT_DYLIB_PATH to use one of your own)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# The first Rust that the code compiles with stands in Cargo.toml.
check_rust() {
    # rustup's own place, for shells that have not read its profile yet.
    [ -d "$HOME/.cargo/bin" ] && PATH="$PATH:$HOME/.cargo/bin"
    local needed found
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    command -v cargo >/dev/null || fail "cargo is not there: install a Rust toolchain, $needed or later (https://rustup.rs), then start again"
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n%s\n' "$needed" "${found%%-*}" | sort -V | head -n1)" = "$needed" ] ||
        fail "Rust $found is too old, $needed or later is needed: rustup update"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        fail "root is needed for: $* (or install sudo)"
    fi
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
    local missing=() package
    for package in "$@"; do is_installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing system packages: ${missing[*]}"
    # A fresh machine often runs its own apt in the background: wait for it.
    as_root apt-get -o DPkg::Lock::Timeout=300 -qq update
    as_root apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${missing[@]}" >/dev/null ||
        fail "apt could not install: ${missing[*]}"
}

system_packages() {
    # pkg-config, libssl-dev: TLS to brokers. libgst*-dev: video in. plugins: the elements of our pipelines, with libav's
    # decoders and x264 (ugly) for the cameras that demo and tests play. ffmpeg, mosquitto, Paho: a second opinion in tests.
    local packages=(
        pkg-config libssl-dev
        libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev
        gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
        gstreamer1.0-libav gstreamer1.0-tools
        ffmpeg mosquitto mosquitto-clients python3-paho-mqtt
    )
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        say "no apt here; make sure that these, or what they are called here, are installed: ${packages[*]}"
        return 0
    fi
    command -v cc >/dev/null || packages+=(gcc libc6-dev)
    # Where mosquitto comes as a new package it starts as a service on port 1883, which is the embedded broker's.
    local had_mosquitto=no
    is_installed mosquitto && had_mosquitto=yes
    install_packages "${packages[@]}"
    if [ "$had_mosquitto" = no ] && [ -d /run/systemd/system ]; then
        as_root systemctl disable --now mosquitto >/dev/null 2>&1 || true
    fi
}

ONNXRUNTIME=1.31.1
library() {
    local folder=.local/onnxruntime sha256 platform
    case "$(uname -m)" in
        x86_64) platform=x86_64 sha256=1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536 ;;
        aarch64 | arm64) platform=aarch64 sha256=0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc ;;
        *) fail "no libonnxruntime is pinned for $(uname -m): build one and set ORT_DYLIB_PATH" ;;
    esac
    if [ -n "${ORT_DYLIB_PATH:-}" ] && [ -f "$ORT_DYLIB_PATH" ]; then return 0; fi
    if [ -f "$folder/lib/libonnxruntime.so" ] && [ "$(cat "$folder/version" 2>/dev/null)" = "$ONNXRUNTIME $sha256" ]; then return 0; fi

    # The library is taken out of the Python package `onnxruntime`: the vendor's own build, for both machines, hash-pinned.
    # No Python of ours runs afterwards.
    if ! python3 -m pip --version >/dev/null 2>&1; then
        command -v apt-get >/dev/null || fail "python3 with pip is needed to fetch libonnxruntime"
        install_packages python3 python3-pip ca-certificates
    fi
    say "fetching libonnxruntime $ONNXRUNTIME ($platform)"
    local work
    work=$(mktemp -d)
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$work'" EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp --platform "manylinux_2_28_$platform" -d "$work" "onnxruntime==$ONNXRUNTIME" ||
        fail "libonnxruntime could not be fetched; with a copy of your own, set ORT_DYLIB_PATH to it"
    local wheel
    wheel=$(echo "$work"/onnxruntime-*.whl)
    echo "$sha256  $wheel" | sha256sum --check --quiet || fail "what was fetched is not what is pinned; nothing was installed"
    mkdir -p "$folder/lib"
    python3 - "$wheel" "$folder/lib/libonnxruntime.so.part" <<'PYTHON'
import shutil, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
name = next(n for n in wheel.namelist() if "/libonnxruntime.so." in n)
with wheel.open(name) as packed, open(sys.argv[2], "wb") as out:
    shutil.copyfileobj(packed, out)
PYTHON
    mv "$folder/lib/libonnxruntime.so.part" "$folder/lib/libonnxruntime.so"
    echo "$ONNXRUNTIME $sha256" >"$folder/version"
    say "libonnxruntime $ONNXRUNTIME is in $folder/lib"
}

check_rust
system_packages
library
