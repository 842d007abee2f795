#!/usr/bin/env bash
# Every bench of benches/, and what came out of them kept under benches/runs/<date>-<machine>/: `<bench>.txt` as printed, and of
# the criterion ones `<bench>.json`, one line a function with median, its confidence interval and the samples, nanoseconds.
# Names of benches as arguments run only these. ORIEL_RUNS names another folder.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck disable=SC2034  # rustup's own place, for shells that have not read its profile yet
[ -d "$HOME/.cargo/bin" ] && PATH="$PATH:$HOME/.cargo/bin"

cpu=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)
# `AMD EPYC 7543 32-Core Processor` is epyc-7543, `Intel(R) N100` is n100.
short=$(tr 'A-Z' 'a-z' <<<"${cpu:-$(uname -m)}" | sed -E 's/\((r|tm)\)//g; s/@.*//; s/\b(intel|amd|arm|cpu|core|processor|[0-9]+-core|with .*)\b//g; s/[^a-z0-9]+/-/g; s/^-|-$//g')
out=${ORIEL_RUNS:-benches/runs/$(date +%F)-$(nproc)core-${short:-unknown}}
mkdir -p "$out"

benches=("$@")
if [ ${#benches[@]} -eq 0 ]; then
    mapfile -t benches < <(sed -n '/^\[\[bench\]\]/,/^harness/s/^name = "\(.*\)"/\1/p' Cargo.toml)
fi
for bench in "${benches[@]}"; do
    mark=$(mktemp)
    {
        echo "# $bench, $(date -u +%FT%TZ), $(git describe --always --dirty 2>/dev/null || echo unknown)"
        echo "# $(nproc) x ${cpu:-$(uname -m)}, load $(cut -d' ' -f1-3 /proc/loadavg)"
        cargo bench --quiet --bench "$bench" 2>&1
        echo "# load at the end $(cut -d' ' -f1-3 /proc/loadavg)"
    } | tee "$out/$bench.txt"
    python3 - "$mark" >"$out/$bench.json" <<'E2'
import json, os, sys
from pathlib import Path

since = os.stat(sys.argv[1]).st_mtime
for path in sorted(Path("target/criterion").rglob("new/estimates.json")):
    if path.stat().st_mtime < since:
        continue
    name = json.loads((path.parent / "benchmark.json").read_text())["full_id"]
    median = json.loads(path.read_text())["median"]
    sample = json.loads((path.parent / "sample.json").read_text())
    interval = median["confidence_interval"]
    print(json.dumps({
        "name": name,
        "median_ns": round(median["point_estimate"], 1),
        "low_ns": round(interval["lower_bound"], 1),
        "high_ns": round(interval["upper_bound"], 1),
        "samples_ns": [round(t / n, 1) for t, n in zip(sample["times"], sample["iters"])],
    }))
E2
    rm -f "$mark"
    [ -s "$out/$bench.json" ] || rm -f "$out/$bench.json"
done
echo "kept in $out"
