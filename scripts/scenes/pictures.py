"""Drawn single pictures with their boxes: what the demo model is trained on, and what it is scored on with other seeds.

Needs numpy and Pillow. The same seed gives the same picture.
"""
import numpy as np
from PIL import ImageDraw

from scenes import figures as F

W, H = 416, 234  # 16:9


def draw(seed):
    """A picture as RGB bytes [H, W, 3] and its boxes [n, 5]: class, left, top, right, bottom in pixels."""
    rng = np.random.default_rng(seed)
    up = rng.random() < 0.4
    im = (F.facade if up else F.gate)(rng, W, H)
    d = ImageDraw.Draw(im)
    if not up and rng.random() < 0.7:
        F.barrier(d, W, H, rng.uniform(0, 1))
    boxes = []
    for _ in range(int(rng.integers(0, 5))):
        c = int(rng.choice([3, 4]) if up else rng.choice([0, 0, 1, 2, 3, 4], p=[0.25, 0.2, 0.25, 0.2, 0.05, 0.05]))
        h = {0: rng.uniform(0.18, 0.45), 1: rng.uniform(0.2, 0.42), 2: rng.uniform(0.14, 0.36), 3: rng.uniform(0.03, 0.08), 4: rng.uniform(0.034, 0.08)}[c] * H
        x, y = rng.uniform(-0.02, 1.02) * W, (rng.uniform(0.06, 1.0) if c > 2 else rng.uniform(0.5, 1.02)) * H
        b = F.FIGURES[c](rng).draw(d, x, y, h, phase=rng.uniform(0, 6.3), right=rng.random() < 0.5)
        b = (max(0, b[0]), max(0, b[1]), min(W, b[2]), min(H, b[3]))
        if b[2] - b[0] > 0.35 * h and b[3] - b[1] > 0.5 * h:
            boxes.append([c, *b])
    a = F.camera(rng, im, noise=rng.uniform(0, 5), blur=rng.uniform(0.2, 0.9), gain=rng.uniform(0.75, 1.2))
    return a, np.array(boxes, np.float32).reshape(-1, 5)
