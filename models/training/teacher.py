"""Labels unlabelled clips and stills with the teacher: WORK/real/<name>.npz, one file a clip, kept and not made twice.

A file holds `pictures` [n, h, w, 3], at most 640 wide, and `boxes` [m, 7]: frame, left, top, right, bottom in its pixels,
score, kind. Boxes from a score of 0.2 on are kept: below 0.4 they are neither a thing nor background.
"""
import argparse
import pathlib

import cv2
import numpy as np

from detectors import Teacher
from material import HELD_OUT, HERE, PAD, clips_in, folder_of, frames


def label(clip, teacher, most):
    """Up to `most` frames, evenly spread over the clip."""
    count = sum(1 for _ in frames(clip))
    return labelled((picture for _, picture in frames(clip, max(1, -(-count // most)), 640)), teacher)


def labelled(some, teacher):
    pictures, rows = [], []
    for picture in some:
        for box, score, kind in zip(*teacher.detect(picture)):
            rows.append([len(pictures), *box, score, kind])
        pictures.append(picture)
    return np.stack(pictures), np.array(rows, np.float32).reshape(-1, 7)


def still(path):
    """Fitted into 640x480 at the top left corner."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f"{path}: no picture that can be read")
    h, w = picture.shape[:2]
    ratio = min(640 / w, 480 / h)
    full = np.full((480, 640, 3), PAD, np.uint8)
    part = cv2.resize(picture, (round(w * ratio), round(h * ratio)), interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
    full[:len(part), :part.shape[1]] = part
    return full


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--clips", help="folder of clips, with those below it (default: $ORIEL_CLIPS)")
    p.add_argument("--stills", type=pathlib.Path, nargs="*", default=[], help="folders of single pictures")
    p.add_argument("--models", help="folder of the public models (default: $ORIEL_MODELS)")
    p.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    p.add_argument("--frames", type=int, default=400, help="of a clip, at most (default: %(default)s)")
    a = p.parse_args()
    clips, models = folder_of(a.clips, "ORIEL_CLIPS", "clips"), folder_of(a.models, "ORIEL_MODELS", "models")
    out = a.work / "real"
    out.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(models)
    for source in [*clips_in(clips), *a.stills]:
        target = out / f"{source.stem}.npz"
        if source.stem in HELD_OUT or target.exists():
            continue
        if source.is_dir():
            pictures, boxes = labelled(map(still, sorted(p for p in source.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))), teacher)
        else:
            pictures, boxes = label(source, teacher, a.frames)
        part = target.with_suffix(".tmp")
        with open(part, "wb") as file:
            np.savez(file, pictures=pictures, boxes=boxes)
        part.rename(target)
        sure = boxes[boxes[:, 5] >= 0.4]
        print(f"{source.name}: {len(pictures)} pictures, boxes by kind {np.bincount(sure[:, 6].astype(int), minlength=4).tolist()}", flush=True)


if __name__ == "__main__":
    main()
