#!/usr/bin/env bash
# Makes models/oriel-gate again: synthetic frames, the teacher's labels, training from public weights, export, int8, judgement.
# Each step goes on where it was interrupted. `make train-gate` calls it with these variables:
#   ORIEL_CLIPS, ORIEL_MODELS   folders of unlabelled clips and of the public models (where it starts, the teacher, the one to beat)
#   ORIEL_STILLS                folders of single pictures, if there are any
#   WORK       where all of it lies (default models/training/work)
#   MINUTES    of training on two cores (default 100; a GPU needs far fewer)
#   OUT        the new card's folder (default WORK/made/oriel-gate; nothing is written over what is committed)
#   FROM       the weights to start from (default ORIEL_MODELS/yolox_nano_416.onnx; the public file upstream/yolox_nano.onnx is the same)
#   SMOKE=1    a few frames and steps from random weights, without clips, teacher or accuracy: does the kit run? (WORK/smoke)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
smoke=${SMOKE:-0} work=${WORK:-$here/work}
[ "$smoke" = 1 ] && work=$work/smoke
venv=${VENV:-$here/.venv}
python=$venv/bin/python

if ! "$python" -c 'import torch, onnx, onnxruntime, cv2, PIL, yaml' 2>/dev/null; then
    echo "train-gate: installing $here/requirements.txt into $venv"
    python3 -m venv "$venv"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
fi
command -v ffmpeg >/dev/null || { echo "train-gate: ffmpeg is not installed (scripts/setup.sh)" >&2; exit 1; }
mkdir -p "$work"
cd "$here"

if [ "$smoke" = 1 ]; then
    rm -rf "${work:?}"/*
    "$python" synthetic.py --work "$work" --files 2 --scenes 2
    "$python" synthetic.py --work "$work" --suite "$work/suite" --suite-files 1
    "$python" train.py --work "$work" --steps 4 --batch 4
    # Ended in the middle, it has to go on.
    "$python" train.py --work "$work" --steps 6 --batch 4 | grep "going on from step 4"
    "$python" export.py "$work/f32/oriel-gate-f32" --work "$work"
    "$python" evaluate.py "$work/f32/oriel-gate-f32/oriel-gate-f32.onnx" --suite "$work/suite" --no-clips
    echo "train-gate: the kit runs (a smoke run's model sees nothing)"
    exit 0
fi

: "${ORIEL_CLIPS:?train-gate: name the folder of clips}" "${ORIEL_MODELS:?train-gate: name the folder of public models}"
export ORIEL_CLIPS ORIEL_MODELS
# shellcheck disable=SC2086  # several folders
"$python" teacher.py --work "$work" ${ORIEL_STILLS:+--stills $ORIEL_STILLS}
"$python" synthetic.py --work "$work" --files "${FILES:-48}"
[ -d "$work/suite" ] || "$python" synthetic.py --suite "$work/suite"
# Other seeds than the suite's: what is judged on does not choose the ranges.
[ -d "$work/calibration" ] || "$python" synthetic.py --suite "$work/calibration" --suite-first 500 --suite-files 10
from=${FROM:-$ORIEL_MODELS/yolox_nano_416.onnx}
[ -f "$from" ] || from=$ORIEL_MODELS/yolox_nano.onnx
[ -f "$from" ] || from=$ORIEL_MODELS/upstream/yolox_nano.onnx
"$python" train.py --work "$work" --from "$from" --minutes "${MINUTES:-100}"
"$here/finish.sh" "$python" "$work" "${OUT:-$work/made/oriel-gate}"
