#!/usr/bin/env python3
"""Draws labelled pictures for `oriel models score`: FOLDER/images/NNNNNN.png and FOLDER/labels/NNNNNN.txt.

Needs numpy and Pillow. A label file holds one line a figure: class, centre x, centre y, width, height, as fractions of the
picture; a picture without figures has an empty one. The pictures are drawn as those that scripts/train_demo_model.py trains
on, with seeds from 1000000 on, which it never uses.
"""
import argparse, pathlib, sys

from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from scenes.pictures import H, W, draw


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--pictures", type=int, default=300)
    p.add_argument("--seed", type=int, default=1_000_000, help="of the first picture (default: %(default)s)")
    a = p.parse_args()
    if a.pictures < 1:
        p.error(f"--pictures {a.pictures}: expected at least 1")
    for part in ("images", "labels"):
        (a.folder / part).mkdir(parents=True, exist_ok=True)
    for seed in range(a.seed, a.seed + a.pictures):
        picture, boxes = draw(seed)
        Image.fromarray(picture).save(a.folder / "images" / f"{seed}.png")
        lines = [f"{int(c)} {(l + r) / 2 / W:.6f} {(t + b) / 2 / H:.6f} {(r - l) / W:.6f} {(b - t) / H:.6f}\n" for c, l, t, r, b in boxes.tolist()]
        (a.folder / "labels" / f"{seed}.txt").write_text("".join(lines))
    print(f"{a.folder}: {a.pictures} pictures")


if __name__ == "__main__":
    main()
