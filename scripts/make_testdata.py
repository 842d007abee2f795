#!/usr/bin/env python3
"""Draws the project's own test clips and their truth: testdata/clips/{gate,facade}.mp4, testdata/truth/{gate,facade}.json.

Needs numpy, Pillow and ffmpeg with libx264. `scripts/make_testdata.py` in a checkout makes all of it again; the pictures are
the same on every machine, the encoded bytes depend on the encoder's version.
"""
import json, math, pathlib, subprocess, sys

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from scenes import figures as F

W, H, FPS = 640, 360, 25
HERE = pathlib.Path(__file__).resolve().parent.parent / "testdata"


def encode(name, frames):
    """As a camera would: no B-frames, a key frame every two seconds."""
    p = subprocess.Popen(["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{W}x{H}", "-r", str(FPS), "-i", "-",
                          "-c:v", "libx264", "-preset", "slow", "-crf", "27", "-bf", "0", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-threads", "1",
                          "-vf", "scale=out_color_matrix=bt709:out_range=limited", "-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709",
                          "-color_trc", "bt709", "-movflags", "+faststart", str(HERE / "clips" / name)], stdin=subprocess.PIPE)
    for frame in frames:
        p.stdin.write(frame.tobytes())
    p.stdin.close()
    if p.wait():
        sys.exit(f"ffmpeg failed on {name}")


def box(b):
    return [round(float(v), 4) for v in (b[0] / W, b[1] / H, b[2] / W, b[3] / H)]


# figure, class index, start second, seconds, from x, to x (fractions), feet y, height (fractions of the picture's height)
GATE = [
    (F.Person, 1, 0.4, 6.0, -0.06, 1.06, 0.70, 0.30),
    (F.Person, 2, 2.2, 6.5, 1.06, -0.06, 0.66, 0.28),
    (F.Car, 3, 4.5, 4.5, -0.30, 1.30, 0.86, 0.24),
    (F.TwoWheeler, 4, 8.4, 3.6, 1.12, -0.12, 0.74, 0.30),
    (F.Person, 5, 9.0, 4.6, -0.06, 1.06, 0.92, 0.34),
]


def gate_clip():
    rng = np.random.default_rng(7)
    place = F.gate(rng, W, H)
    cast = [(kind(np.random.default_rng(100 + i)), i, *rest) for kind, i, *rest in GATE]
    rows, pictures = [], []
    noise = np.random.default_rng(1)
    for n in range(14 * FPS):
        t = n / FPS
        im = place.copy()
        d = ImageDraw.Draw(im)
        F.barrier(d, W, H, min(1.0, max(0.0, (t - 3.6) / 1.0)) if t < 9 else min(1.0, max(0.0, 13.6 - t)))
        objects = []
        for figure, i, start, long, x0, x1, y, h in sorted(cast, key=lambda c: c[6]):
            u = (t - start) / long
            if 0 <= u <= 1:
                x = (x0 + u * (x1 - x0)) * W
                b = figure.draw(d, x, y * H, h * H, phase=2 * math.pi * 1.6 * t + i, right=x1 > x0)
                objects.append({"id": i, "kind": figure.kind, "box": box(b)})
        rows.append(objects)
        pictures.append(F.camera(noise, im, noise=2.0, blur=0.6))
    encode("gate.mp4", pictures)
    line = {"a": [0.5, 1.0], "b": [0.5, 0.45]}
    crossings = [{"t": round(start + long * (0.5 - x0) / (x1 - x0), 2), "kind": kind.kind, "direction": "in" if x1 > x0 else "out"} for kind, i, start, long, x0, x1, y, h in GATE]
    truth = {"clip": "clips/gate.mp4", "width": W, "height": H, "fps": FPS, "line": line, "in": "left_to_right",
             "crossings": sorted(crossings, key=lambda c: c["t"]), "frames": rows}
    (HERE / "truth" / "gate.json").write_text(json.dumps(truth) + "\n")


def facade_clip():
    rng = np.random.default_rng(21)
    place = F.facade(rng, W, H)
    bird, thing = F.Bird(np.random.default_rng(4)), F.Thing(np.random.default_rng(5))
    noise = np.random.default_rng(2)
    rows, pictures = [], []
    released, g, drag = 3.0, 9.81, 30.0  # seconds, m/s2, terminal velocity m/s
    metres = 48.0  # height of the picture at the facade
    for n in range(9 * FPS):
        t = n / FPS
        im = place.copy()
        d = ImageDraw.Draw(im)
        if 1.5 < t < 6.2:
            d.rectangle([0.41 * W, 0.62 * H, 0.445 * W, 0.66 * H], fill=(148, 160, 168))
        objects = []
        u = (t - 0.6) / 3.4
        if 0 <= u <= 1:
            b = bird.draw(d, (-0.05 + 1.1 * u) * W, (0.30 - 0.12 * u + 0.02 * math.sin(5 * t)) * H, 0.05 * H, phase=2 * math.pi * 3 * t)
            objects.append({"id": 1, "kind": "bird", "box": box(b)})
        fall = t - released
        if fall >= 0:
            down = drag * drag / g * math.log(math.cosh(g * fall / drag))
            y = 0.16 + down / metres
            if y < 1.02:
                b = thing.draw(d, (0.60 + 0.012 * fall) * W, y * H, 0.046 * H)
                objects.append({"id": 2, "kind": "object", "box": box(b)})
        rows.append(objects)
        pictures.append(F.camera(noise, im, noise=2.0, blur=0.6))
    encode("facade.mp4", pictures)
    truth = {"clip": "clips/facade.mp4", "width": W, "height": H, "fps": FPS, "released_s": released, "frames": rows}
    (HERE / "truth" / "facade.json").write_text(json.dumps(truth) + "\n")


if __name__ == "__main__":
    for folder in ("clips", "truth"):
        (HERE / folder).mkdir(parents=True, exist_ok=True)
    gate_clip()
    facade_clip()
