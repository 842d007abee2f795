#!/usr/bin/env bash
# PYTHON WORK OUT: from WORK/checkpoint.pt to the int8 model and its card in OUT, judged. Part of train_gate.sh; also good for
# a look at what an unfinished training has come to.
set -euo pipefail
python=$1 work=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
held_out() { "$python" -c 'from material import HELD_OUT; print(*HELD_OUT)'; }
material="a changed YOLOX-nano (Copyright (c) 2021-2022 Megvii Inc., Apache-2.0), whose weights it started from; tuned with that net and nanodet_plus_m_1.5x_416 (RangiLyu/nanodet, Apache-2.0) as teachers on clips and pictures that are not part of this repository, and on synthetic frames of models/training; see docs/models.md"
"$python" export.py "$work/f32/oriel-gate-f32" --work "$work" --material "$material"
read -ra shift < <("$python" level.py "$work/f32/oriel-gate-f32/oriel-gate-f32.onnx" "$work/calibration" --real "$work/real")
"$python" export.py "$work/f32/oriel-gate-f32" --work "$work" --material "$material" --shift "${shift[@]}"
# The ranges come from what was trained on, never from what is judged on, and from synthetic night, infrared and rain.
clips=()
while IFS= read -r clip; do
    [[ " $(held_out) " == *" $(basename "${clip%.*}") "* ]] || clips+=("$clip")
done < <(find "$ORIEL_CLIPS" \( -name '*.mp4' -o -name '*.avi' -o -name '*.mkv' \) | sort)
rm -rf "$out"
"$python" "$here/../../scripts/quantise.py" "$work/f32/oriel-gate-f32" --calibrate "${clips[@]}" "$work/calibration/images" --frames "${FRAMES:-120}" \
    --out "$out" --check "$work/calibration/images" --loss-max 0.02 --keep --how "synthetic frames of models/training" ${ORIEL:+--oriel "$ORIEL"}
# The f32 model is not kept beside it, so the card names no baseline to be scored against.
sed -i "s/, baseline: oriel-gate-f32, loss_max: [0-9.]*}/}/" "$out/model.yml"
"$python" evaluate.py "$out/$(basename "$out").onnx" --work "$work" --suite "$work/suite" --json "$out.json"
