"""A sheet of synthetic frames with the boxes that a model draws, for the docs: never a real picture.

Takes the suite's pictures (synthetic.py --suite), every so many, and writes one JPEG or PNG.
"""
import argparse
import pathlib

import cv2
import numpy as np

from evaluate import Ours
from material import KINDS

COLOURS = [(60, 60, 255), (60, 220, 60), (255, 140, 60), (40, 220, 240)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("suite", type=pathlib.Path)
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--columns", type=int, default=4)
    p.add_argument("--rows", type=int, default=4)
    p.add_argument("--score", type=float, default=0.4)
    a = p.parse_args()
    ours, files = Ours(a.model), sorted((a.suite / "images").glob("*.png"))
    tiles = []
    for path in (files[i] for i in np.linspace(0, len(files) - 1, a.columns * a.rows).astype(int)):
        picture = cv2.imread(str(path))
        for box, score, kind in zip(*ours.detect(picture, a.score)):
            l, t, r, b = (int(v) for v in box)
            cv2.rectangle(picture, (l, t), (r, b), COLOURS[kind], 2)
            cv2.putText(picture, f"{KINDS[kind]} {score:.2f}", (l, max(12, t - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, COLOURS[kind], 1, cv2.LINE_AA)
        tiles.append(cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA))
    sheet = np.vstack([np.hstack(tiles[i:i + a.columns]) for i in range(0, len(tiles), a.columns)])
    cv2.imwrite(str(a.out), sheet, [cv2.IMWRITE_JPEG_QUALITY, 80])
    print(f"{a.out}: {len(tiles)} frames, {a.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
