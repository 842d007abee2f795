"""Prints what export.py's --shift has to be, for each kind, so that 0.4, the service's default, is the best score: on synthetic frames that
were neither trained on nor are judged on (synthetic.py --suite with another --suite-first), and on frames of the clips that it
was trained on, with the teacher's boxes. Both count alike.
"""
import argparse
import math
import pathlib

import numpy as np

from evaluate import GROUPS, SCORES, Ours, f1, of_clip, of_suite, tally

WANTED = 0.4
FRAMES = 12  # of a clip


def of_clips(folder):
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            pictures, rows = file["pictures"], file["boxes"]
        step = max(1, len(pictures) // FRAMES)
        # What the teacher is not sure of counts neither way.
        yield from list(of_clip(pictures, rows, True, 0))[::step]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path, help="exported without a shift")
    p.add_argument("frames", type=pathlib.Path)
    p.add_argument("--real", type=pathlib.Path, help="folder of teacher.py's files")
    a = p.parse_args()
    ours = Ours(a.model)
    sums = [tally(ours, of_suite(a.frames))] + ([tally(ours, of_clips(a.real))] if a.real else [])
    logit = lambda v: math.log(v / (1 - v))
    for group in GROUPS:
        best = SCORES[sum(f1(part[group]) for part in sums).argmax()]
        print(f"{group}={logit(WANTED) - logit(best):.2f}", end=" ")
    print()


if __name__ == "__main__":
    main()
