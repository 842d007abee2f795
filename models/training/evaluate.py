"""How well a model finds what the teacher finds in clips that were kept out of training, and what stands in the suite.

Truth in a clip is every box of the teacher with a score of 0.4 or more on up to 400 frames of it; a find is a box of the same
kind, cars and trucks taken as one, that overlaps it by half or more, each box used once. In the suite, what is hidden or too
small counts neither as found nor as missed. fastestdet_352 is judged on the same frames, at its own best score too; with
--sibling so is the teacher's smaller sibling. --lenient leaves out finds that the teacher has from 0.2 on, and --least boxes
of the teacher, and finds, whose longer side is below so many pixels of the model's picture.
"""
import argparse
import json
import pathlib

import cv2
import numpy as np

from detectors import FastestDet, Sibling, Teacher, session
from material import GROUPS, H, HELD_OUT, HERE, KINDS, STRIDES, W, clips_in, distinct, fit, folder_of, overlap
from teacher import label

SCORES = np.round(np.arange(0.15, 0.81, 0.05), 2)
# Column, line and stride of each row of the model's output.
GRID = np.concatenate([np.stack([*np.meshgrid(np.arange(W // s), np.arange(H // s)), np.full((H // s, W // s), s)], -1).reshape(-1, 3) for s in STRIDES])




class Ours:
    """A model file of this folder's making, or a function from pictures [n, 3, h, w] to its output."""

    def __init__(self, model, threads=1):
        self.run = model
        if not callable(model):
            net = session(model, threads)
            self.run = lambda x: net.run(None, {"images": x})[0]

    def detect(self, picture, floor=0.1):
        full, ratio = fit(picture)
        y = self.run(np.ascontiguousarray(full.transpose(2, 0, 1)[None], np.float32))[0]
        values = y[:, 4:5] * y[:, 5:]
        kinds, scores = values.argmax(1), values.max(1)
        # Birds and animals are not judged.
        keep = (scores >= floor) & (kinds < len(KINDS))
        y, grid, scores, kinds = y[keep], GRID[keep], scores[keep], kinds[keep]
        centre, half = (y[:, :2] + grid[:, :2]) * grid[:, 2:], np.exp(y[:, 2:4]) * grid[:, 2:] / 2
        boxes = np.concatenate([centre - half, centre + half], 1)
        h, w = picture.shape[:2]
        boxes = (boxes / ratio).clip(0, [w, h, w, h])
        kept = distinct(boxes, scores, kinds)
        return boxes[kept], scores[kept], kinds[kept]


def matched(found, truth, vague):
    """Found boxes [n, 4], best first, against truth [m, 4]: right, wrong, missed."""
    left, right, wrong = list(range(len(truth))), 0, 0
    ious = overlap(found, truth) if len(truth) else np.zeros((len(found), 0))
    aside = overlap(found, vague).max(1) if len(vague) and len(found) else np.zeros(len(found))
    for i in range(len(found)):
        best = max(left, key=lambda k: ious[i, k], default=None)
        if best is not None and ious[i, best] >= 0.5:
            left.remove(best)
            right += 1
        elif aside[i] < 0.5:
            wrong += 1
    return np.array([right, wrong, len(left)])


def tally(detector, frames):
    """{group: [scores, 3]} of right, wrong and missed; frames yields picture, truth [m, 5] and vague [k, 5]: box, kind."""
    sums = {g: np.zeros((len(SCORES), 3), int) for g in GROUPS}
    for picture, truth, vague in frames:
        boxes, scores, kinds = detector.detect(picture)
        order = np.argsort(-scores)
        boxes, scores, kinds = boxes[order], scores[order], kinds[order]
        for group, members in GROUPS.items():
            mine, theirs, aside = (np.isin(k, members) for k in (kinds, truth[:, 4], vague[:, 4]))
            for i, least in enumerate(SCORES):
                sums[group][i] += matched(boxes[mine & (scores >= least)], truth[theirs, :4], vague[aside, :4])
    return sums


def f1(counts):
    right, wrong, missed = np.moveaxis(np.asarray(counts, float), -1, 0)
    return 2 * right / np.maximum(1, 2 * right + wrong + missed)


def judged(work, clips, models):
    """(name, pictures, boxes of the teacher) of each clip that was kept out; the teacher's work is kept in WORK/judged."""
    folder = work / "judged"
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips_in(clips):
        if clip.stem not in HELD_OUT:
            continue
        kept = folder / f"{clip.stem}.npz"
        if not kept.exists():
            pictures, boxes = label(clip, Teacher(models), 400)
            np.savez(kept, pictures=pictures, boxes=boxes)
        with np.load(kept) as file:
            yield clip.stem, file["pictures"], file["boxes"]


def of_clip(pictures, rows, lenient, least):
    ratio = min(W / pictures.shape[2], H / pictures.shape[1])
    counts = (rows[:, 5] >= 0.4) & (np.maximum(rows[:, 3] - rows[:, 1], rows[:, 4] - rows[:, 2]) * ratio >= least)
    for i, picture in enumerate(pictures):
        here = rows[:, 0] == i
        yield picture, *(rows[here & some][:, [1, 2, 3, 4, 6]] for some in (counts, ~counts if lenient or least else here & ~here))


def large(detector, least):
    """The detector without its small finds; `least` in pixels of the model's picture."""

    class Large:
        def detect(self, picture):
            boxes, scores, kinds = detector.detect(picture)
            keep = (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0) * min(W / picture.shape[1], H / picture.shape[0]) >= least
            return boxes[keep], scores[keep], kinds[keep]

    return Large()


def of_suite(folder):
    for path in sorted((folder / "images").glob("*.png")):
        picture = cv2.imread(str(path))
        h, w = picture.shape[:2]
        both = []
        for part in ("labels", "ignored"):
            rows = np.loadtxt(folder / part / f"{path.stem}.txt", ndmin=2).reshape(-1, 5) if (folder / part / f"{path.stem}.txt").stat().st_size else np.zeros((0, 5))
            k, x, y, bw, bh = rows.T
            both.append(np.stack([(x - bw / 2) * w, (y - bh / 2) * h, (x + bw / 2) * w, (y + bh / 2) * h, k], 1))
        yield picture, *both


def report(name, sums, default, out):
    """One line a group that occurs: at the default score, and at the best one."""
    at = int(np.abs(SCORES - default).argmin())
    for group, counts in sums.items():
        truth = int(counts[0, 0] + counts[0, 2])
        if not truth:
            wrong = int(counts[at, 1])
            if wrong:
                print(f"| {name} | {group} | 0 | {wrong} found that are not there | |")
            continue
        best = int(f1(counts).argmax())
        right, wrong, missed = counts[at]
        print(f"| {name} | {group} | {truth} | {f1(counts)[at]:.3f} (precision {right / max(1, right + wrong):.2f}, recall {right / truth:.2f}) | {f1(counts)[best]:.3f} at {SCORES[best]:.2f} |", flush=True)
        out[f"{name}/{group}"] = {"truth": truth, "f1": round(float(f1(counts)[at]), 4), "best": round(float(f1(counts)[best]), 4), "best_at": float(SCORES[best])}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path, help="an ONNX file")
    p.add_argument("--clips"), p.add_argument("--models")
    p.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    p.add_argument("--suite", type=pathlib.Path, help="folder of synthetic.py --suite")
    p.add_argument("--score", type=float, default=0.4, help="at which ours and fastestdet are compared (default: %(default)s)")
    p.add_argument("--sibling", action="store_true"), p.add_argument("--lenient", action="store_true")
    p.add_argument("--least", type=float, default=0)
    p.add_argument("--no-clips", action="store_true", help="the suite alone")
    p.add_argument("--json", type=pathlib.Path)
    a = p.parse_args()
    ours, out = Ours(a.model), {}
    print(f"| frames and model | kind | boxes | F1 at {a.score} | best F1 |\n|---|---|---|---|---|")
    if a.suite:
        report("suite, ours", tally(ours, of_suite(a.suite)), a.score, out)
    if not a.no_clips:
        clips, models = folder_of(a.clips, "ORIEL_CLIPS", "clips"), folder_of(a.models, "ORIEL_MODELS", "models")
        detectors, sums = {"ours": ours, "fastestdet_352": FastestDet(models)}, {}
        if a.sibling:
            detectors["nanodet_plus_m_416"] = Sibling(models)
        for stem, pictures, rows in judged(a.work, clips, models):
            for name, detector in detectors.items():
                counts = tally(large(detector, a.least), of_clip(pictures, rows, a.lenient, a.least))
                report(f"{stem}, {name}", counts, a.score, out)
                for group in counts:
                    sums.setdefault(name, {g: 0 for g in GROUPS})[group] += counts[group]
        for name, counts in sums.items():
            report(f"all clips, {name}", counts, a.score, out)
    if a.json:
        a.json.write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
