#!/usr/bin/env bash
# Everything that CI runs: format, lints, tests. Goes on after a failure and ends with one line of totals. A test that
# cannot run here appends a line to the file named by $ORIEL_SKIPS; these are listed and counted, never silent.
set -uo pipefail
cd "$(dirname "$0")/.."
# shellcheck disable=SC2034  # rustup's own place, for shells that have not read its profile yet
[ -d "$HOME/.cargo/bin" ] && PATH="$PATH:$HOME/.cargo/bin"

log=$(mktemp) ORIEL_SKIPS=$(mktemp)
export ORIEL_SKIPS
trap 'rm -f "$log" "$ORIEL_SKIPS"' EXIT

passed=0 failed=0 broken=()
step() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) broken+=("$name"); fi
}

step "format" cargo fmt --check
step "lints" cargo clippy --quiet --all-targets -- -D warnings

# The kit that makes models/oriel-gate: scenes, training with a break in it, export. Its packages are large; where they cannot be
# had in time that is a skip, as with every test that cannot run here.
training_kit() {
    local venv=${VENV:-models/training/.venv}
    if ! "$venv/bin/python" -c 'import torch, onnx, onnxruntime, cv2, PIL, yaml' 2>/dev/null; then
        if ! timeout 420 bash -c "python3 -m venv '$venv' && '$venv/bin/python' -m pip install --quiet \
            --disable-pip-version-check -r models/training/requirements.txt"; then
            echo "SKIPPED: training kit: its packages could not be installed" | tee -a "$ORIEL_SKIPS"
            passed=$((passed + 1)) # A skip is taken off again below.
            return
        fi
    fi
    step "training kit" env VENV="$(realpath -m "$venv")" make --no-print-directory train-gate SMOKE=1
}
training_kit

# Where it cannot run it adds a skip, which is taken off again below.
step "kernels for AArch64, emulated" scripts/test_aarch64.sh

printf '\n== tests\n'
# --no-fail-fast: every test binary gets its turn.
cargo test --no-fail-fast -- --color never 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
# `test result: ok. 12 passed; 1 failed; 2 ignored; ...`, one line for each test binary.
read -r good bad ignored < <(awk '/^test result:/ { for (i = 1; i < NF; i++) {
    if ($(i + 1) ~ /^passed;/) p += $i; if ($(i + 1) ~ /^failed;/) f += $i; if ($(i + 1) ~ /^ignored;/) g += $i } }
    END { print p + 0, f + 0, g + 0 }' "$log")
passed=$((passed + good)) failed=$((failed + bad))
if [ "$bad" -gt 0 ]; then broken+=("$bad tests"); fi
# It did not compile, or a test binary died without a result line.
if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then failed=$((failed + 1)) broken+=("cargo test ended with $code"); fi
if [ "$code" -eq 0 ] && [ "$good" -eq 0 ]; then failed=$((failed + 1)) broken+=("no test ran"); fi

# A test that says it was skipped has passed as far as cargo knows.
skips=$(sort -u "$ORIEL_SKIPS" | grep -c . || true)
passed=$((passed - skips))
skipped=$((skips + ignored))

echo
if [ "$skips" -gt 0 ]; then sort -u "$ORIEL_SKIPS" | sed 's/^\(SKIPPED: \)\{0,1\}/SKIPPED: /'; fi
if [ "$ignored" -gt 0 ]; then grep -E '^test .* \.\.\. ignored' "$log" | sed 's/^test /SKIPPED: /'; fi
for name in ${broken[@]+"${broken[@]}"}; do echo "FAILED: $name"; done
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
