"""Labels frames of unlabelled clips with the teacher: WORK/real/<clip>.npz, one file a clip, kept and not made twice.

A file holds `pictures` [n, h, w, 3], at most 640 wide, and `boxes` [m, 7]: frame, left, top, right, bottom in its pixels,
score, kind. Boxes from a score of 0.2 on are kept: below 0.4 they are neither a thing nor background.
"""
import argparse
import pathlib

import numpy as np

from detectors import Teacher
from material import HELD_OUT, HERE, clips_in, folder_of, frames


def label(clip, teacher, most):
    """Up to `most` frames, evenly spread over the clip."""
    count = sum(1 for _ in frames(clip))
    pictures, rows = [], []
    for _, picture in frames(clip, max(1, -(-count // most)), 640):
        for box, score, kind in zip(*teacher.detect(picture)):
            rows.append([len(pictures), *box, score, kind])
        pictures.append(picture)
    return np.stack(pictures), np.array(rows, np.float32).reshape(-1, 7)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--clips", help="folder of clips, with those below it (default: $ORIEL_CLIPS)")
    p.add_argument("--models", help="folder of the public models (default: $ORIEL_MODELS)")
    p.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    p.add_argument("--frames", type=int, default=400, help="of a clip, at most (default: %(default)s)")
    a = p.parse_args()
    clips, models = folder_of(a.clips, "ORIEL_CLIPS", "clips"), folder_of(a.models, "ORIEL_MODELS", "models")
    out = a.work / "real"
    out.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(models)
    for clip in clips_in(clips):
        target = out / f"{clip.stem}.npz"
        if clip.stem in HELD_OUT or target.exists():
            continue
        pictures, boxes = label(clip, teacher, a.frames)
        part = target.with_suffix(".tmp")
        with open(part, "wb") as file:
            np.savez(file, pictures=pictures, boxes=boxes)
        part.rename(target)
        sure = boxes[boxes[:, 5] >= 0.4]
        print(f"{clip.name}: {len(pictures)} pictures, boxes by kind {np.bincount(sure[:, 6].astype(int), minlength=4).tolist()}", flush=True)


if __name__ == "__main__":
    main()
