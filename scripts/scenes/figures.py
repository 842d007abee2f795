"""Drawn figures and places: what the project's own test clips show and what its demo model is trained on.

Needs numpy and Pillow. Everything is drawn with Pillow at the size asked for; a figure's box is the smallest one around it.
Colours and shapes come from the given random generator, so that the same seed gives the same picture.
"""
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ["person", "two_wheeler", "car", "bird", "object"]
SKIN = [(224, 182, 150), (198, 150, 118), (240, 200, 170)]


def colour(rng, low=20, high=230):
    return tuple(int(v) for v in rng.integers(low, high, 3))


def shade(c, f):
    return tuple(int(max(0, min(255, v * f))) for v in c)


class Person:
    """Walks on legs and swings its arms; `phase` in radians."""

    kind = "person"

    def __init__(self, rng):
        self.coat, self.legs, self.skin, self.hair = colour(rng), colour(rng, 10, 120), SKIN[rng.integers(3)], colour(rng, 10, 80)
        self.slim = rng.uniform(0.85, 1.2)

    def draw(self, d, x, y, h, phase=0.0, right=True):
        w = 0.11 * h * self.slim
        s = 1 if right else -1
        hip, neck = y - 0.47 * h, y - 0.82 * h
        for k, f in ((1, 0.8), (-1, 1.0)):
            swing = k * math.sin(phase) * 0.16 * h
            d.line([(x, hip), (x + s * swing * 0.5, y - 0.24 * h), (x + s * swing, y)], fill=shade(self.legs, f), width=max(1, int(0.075 * h)))
            d.ellipse(sorted_box(x + s * (swing - 0.03 * h), y - 0.035 * h, x + s * (swing + 0.09 * h), y), fill=(25, 25, 28))
            arm = -swing * 0.7
            d.line([(x, neck + 0.05 * h), (x + s * arm, y - 0.45 * h)], fill=shade(self.coat, f * 0.85), width=max(1, int(0.05 * h)))
        d.rounded_rectangle([x - w, neck, x + w, hip + 0.04 * h], radius=max(1, 0.5 * w), fill=self.coat)
        r = 0.075 * h
        d.ellipse([x - r, y - h, x + r, y - h + 2.2 * r], fill=self.skin)
        d.pieslice([x - r, y - h, x + r, y - h + 2.0 * r], 180, 360, fill=self.hair)
        reach = abs(math.sin(phase)) * 0.16 * h + 0.05 * h
        return (x - max(w, reach), y - h, x + max(w, reach), y)


class TwoWheeler:
    """A scooter or bicycle with its rider."""

    kind = "two_wheeler"

    def __init__(self, rng):
        self.rider, self.frame = Person(rng), colour(rng)
        self.scooter = rng.random() < 0.6

    def draw(self, d, x, y, h, phase=0.0, right=True):
        s = 1 if right else -1
        r = 0.19 * h
        for wx in (x - 0.3 * h, x + 0.3 * h):
            d.ellipse([wx - r, y - 2 * r, wx + r, y], outline=(20, 20, 22), width=max(1, int(0.05 * h)))
        if self.scooter:
            d.polygon([(x - s * 0.38 * h, y - 0.42 * h), (x + s * 0.05 * h, y - 0.42 * h), (x + s * 0.12 * h, y - 0.18 * h), (x - s * 0.3 * h, y - 0.16 * h)], fill=self.frame)
            d.line([(x + s * 0.12 * h, y - 0.18 * h), (x + s * 0.24 * h, y - 0.6 * h)], fill=shade(self.frame, 0.7), width=max(1, int(0.07 * h)))
        else:
            for a, b in (((-0.3, -0.19), (0, -0.19)), ((0, -0.19), (0.2, -0.48)), ((-0.1, -0.48), (0.2, -0.48)), ((-0.1, -0.48), (-0.3, -0.19)), ((0.2, -0.55), (0.3, -0.19))):
                d.line([(x + s * a[0] * h, y + a[1] * h), (x + s * b[0] * h, y + b[1] * h)], fill=self.frame, width=max(1, int(0.035 * h)))
        p = self.rider
        hip, neck = (x - s * 0.12 * h, y - 0.5 * h), (x + s * 0.02 * h, y - 0.82 * h)
        knee = (x + s * 0.12 * h, y - 0.42 * h + 0.04 * h * math.sin(phase))
        d.line([hip, knee, (x + s * 0.04 * h, y - 0.16 * h)], fill=p.legs, width=max(1, int(0.075 * h)))
        d.line([hip, neck], fill=p.coat, width=max(2, int(0.17 * h)))
        d.line([neck, (x + s * 0.24 * h, y - 0.58 * h)], fill=shade(p.coat, 0.8), width=max(1, int(0.05 * h)))
        q = 0.075 * h
        d.ellipse([neck[0] - q, y - h, neck[0] + q, y - h + 2.2 * q], fill=p.skin)
        d.pieslice([neck[0] - q * 1.1, y - h, neck[0] + q * 1.1, y - h + 2.0 * q], 180, 360, fill=shade(self.frame, 1.2))
        return (x - 0.3 * h - r, y - h, x + 0.3 * h + r, y)


class Car:
    """Seen from the side."""

    kind = "car"

    def __init__(self, rng):
        self.paint, self.roof = colour(rng, 30, 245), rng.uniform(0.5, 0.66)

    def draw(self, d, x, y, h, phase=0.0, right=True):
        s, half = 1 if right else -1, 1.35 * h
        d.ellipse([x - half, y - 0.1 * h, x + half, y + 0.04 * h], fill=(40, 40, 42))
        d.rounded_rectangle([x - half, y - 0.62 * h, x + half, y - 0.14 * h], radius=0.16 * h, fill=self.paint)
        roof = [(x - s * 0.8 * half, y - 0.6 * h), (x - s * self.roof * half, y - h), (x + s * 0.3 * half, y - h), (x + s * 0.62 * half, y - 0.6 * h)]
        d.polygon(roof, fill=shade(self.paint, 0.9))
        glass = [(x - s * 0.7 * half, y - 0.62 * h), (x - s * (self.roof - 0.04) * half, y - 0.93 * h), (x + s * 0.26 * half, y - 0.93 * h), (x + s * 0.5 * half, y - 0.62 * h)]
        d.polygon(glass, fill=(50, 62, 74))
        d.line([(x - s * 0.12 * half, y - 0.95 * h), (x - s * 0.12 * half, y - 0.2 * h)], fill=shade(self.paint, 0.7), width=max(1, int(0.03 * h)))
        d.rectangle(sorted_box(x + s * 0.9 * half, y - 0.52 * h, x + s * half, y - 0.4 * h), fill=(250, 240, 190))
        for wx in (x - 0.6 * half, x + 0.6 * half):
            r = 0.22 * h
            d.ellipse([wx - r, y - 2 * r, wx + r, y], fill=(18, 18, 20))
            d.ellipse([wx - 0.5 * r, y - 1.5 * r, wx + 0.5 * r, y - 0.5 * r], fill=(170, 172, 176))
        return (x - half, y - h, x + half, y)


class Bird:
    kind = "bird"

    def __init__(self, rng):
        self.ink = colour(rng, 15, 90)

    def draw(self, d, x, y, h, phase=0.0, right=True):
        flap = math.sin(phase)
        top, half = 0.45 * h * flap, 0.9 * h
        y0 = y - 0.5 * h
        w = max(2, int(0.16 * h))
        d.line([(x - half, y0 - top), (x - 0.4 * half, y0 - 0.5 * top - 0.1 * h), (x, y0), (x + 0.4 * half, y0 - 0.5 * top - 0.1 * h), (x + half, y0 - top)], fill=self.ink, width=w, joint="curve")
        s = 1 if right else -1
        d.ellipse(sorted_box(x - s * 0.35 * h, y0 - 0.13 * h, x + s * 0.4 * h, y0 + 0.15 * h), fill=self.ink)
        return (x - half, min(y0 - top, y0 - 0.3 * h), x + half, max(y0 - top, y0 + 0.2 * h))


class Thing:
    """What falls: a box, a bag, a bottle, smeared by its speed."""

    kind = "object"

    def __init__(self, rng):
        self.paint, self.shape, self.aspect = colour(rng, 10, 250), int(rng.integers(3)), rng.uniform(0.7, 1.2)

    def draw(self, d, x, y, h, phase=0.0, right=True):
        w = 0.5 * h * self.aspect
        box = [x - w, y - h, x + w, y]
        if self.shape == 0:
            d.rectangle(box, fill=self.paint, outline=shade(self.paint, 0.6))
        elif self.shape == 1:
            d.ellipse(box, fill=self.paint, outline=shade(self.paint, 0.6))
        else:
            d.rounded_rectangle(box, radius=0.3 * w, fill=self.paint)
            d.rectangle([x - 0.3 * w, y - h, x + 0.3 * w, y - 0.75 * h], fill=shade(self.paint, 0.6))
        return tuple(box)


def sorted_box(x0, y0, x1, y1):
    return [min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]


FIGURES = [Person, TwoWheeler, Car, Bird, Thing]


def gate(rng, w, h):
    """A compound's gate from a camera at the guard house: wall, posts, road, pavement, trees."""
    im = Image.new("RGB", (w, h), shade((170, 195, 220), rng.uniform(0.7, 1.1)))
    d = ImageDraw.Draw(im)
    horizon = 0.36 * h
    for _ in range(int(rng.integers(4, 9))):
        x, bw, bh = rng.uniform(0, w), rng.uniform(0.06, 0.16) * w, rng.uniform(0.15, 0.34) * h
        c = shade((176, 168, 158), rng.uniform(0.6, 1.1))
        d.rectangle([x, horizon - bh, x + bw, horizon], fill=c)
        for wy in np.arange(horizon - bh + 4, horizon - 4, 9):
            for wx in np.arange(x + 3, x + bw - 5, 9):
                d.rectangle([wx, wy, wx + 4, wy + 5], fill=shade(c, rng.choice([0.55, 0.7, 1.25])))
    d.rectangle([0, horizon, w, h], fill=shade((120, 122, 120), rng.uniform(0.7, 1.15)))
    d.polygon([(0, h), (0, 0.62 * h), (w, 0.62 * h), (w, h)], fill=shade((96, 97, 99), rng.uniform(0.75, 1.2)))
    d.rectangle([0, 0.6 * h, w, 0.625 * h], fill=shade((168, 166, 158), rng.uniform(0.8, 1.1)))
    for x in np.arange(rng.uniform(-40, 0), w, 0.12 * w):
        d.polygon([(x, 0.84 * h), (x + 0.05 * w, 0.84 * h), (x + 0.045 * w, 0.85 * h), (x - 0.005 * w, 0.85 * h)], fill=(205, 205, 198))
    wall = shade((188, 138, 110), rng.uniform(0.7, 1.15))
    d.rectangle([0, 0.3 * h, 0.34 * w, 0.52 * h], fill=wall)
    d.rectangle([0.72 * w, 0.3 * h, w, 0.52 * h], fill=wall)
    for y in np.arange(0.3 * h, 0.52 * h, 5):
        d.line([(0, y), (0.34 * w, y)], fill=shade(wall, 0.9))
        d.line([(0.72 * w, y), (w, y)], fill=shade(wall, 0.9))
    for x in (0.33 * w, 0.71 * w):
        d.rectangle([x, 0.2 * h, x + 0.03 * w, 0.55 * h], fill=shade((150, 146, 140), rng.uniform(0.8, 1.1)))
    for _ in range(int(rng.integers(2, 5))):
        x, r = rng.choice([rng.uniform(0, 0.28), rng.uniform(0.78, 1)]) * w, rng.uniform(0.05, 0.1) * w
        d.rectangle([x - 3, 0.3 * h, x + 3, 0.5 * h], fill=(88, 66, 48))
        for _ in range(14):
            a, q = rng.uniform(-r, r), rng.uniform(-r, r)
            d.ellipse([x + a - 0.4 * r, 0.26 * h + q * 0.7 - 0.4 * r, x + a + 0.4 * r, 0.26 * h + q * 0.7 + 0.4 * r], fill=shade((66, 108, 58), rng.uniform(0.6, 1.3)))
    return im


def barrier(d, w, h, lift):
    """The arm between the posts; `lift` 0 closed, 1 open."""
    x, y, n = 0.345 * w, 0.46 * h, 0.36 * w
    a = lift * 1.35
    d.rectangle([x - 6, y - 4, x + 6, 0.56 * h], fill=(225, 190, 40))
    for k in range(10):
        p, q = k / 10, (k + 1) / 10
        c = (205, 40, 40) if k % 2 else (240, 240, 240)
        d.line([(x + n * p * math.cos(a), y - n * p * math.sin(a)), (x + n * q * math.cos(a), y - n * q * math.sin(a))], fill=c, width=max(2, int(0.012 * h)))


def facade(rng, w, h):
    """A tower from below: storeys grow smaller upwards."""
    im = Image.new("RGB", (w, h), shade((165, 190, 220), rng.uniform(0.6, 1.1)))
    d = ImageDraw.Draw(im)
    c = shade((190, 182, 168), rng.uniform(0.65, 1.15))
    top, x0, x1, t0, t1 = 0.05 * h, 0.12 * w, 0.88 * w, 0.3 * w, 0.7 * w
    d.polygon([(x0, h), (t0, top), (t1, top), (x1, h)], fill=c)
    n, y = 18, float(h)
    step = 0.098 * h
    for storey in range(n):
        f0, f1 = (h - y) / (h - top), min(1.0, (h - y + step) / (h - top))
        if f1 >= 1:
            break
        for col in range(7):
            def at(u, f):
                return x0 + f * (t0 - x0) + u * ((x1 + f * (t1 - x1)) - (x0 + f * (t0 - x0))), h - f * (h - top)
            u = (col + 0.2) / 7
            quad = [at(u, f0 + 0.25 * (f1 - f0)), at(u + 0.085, f0 + 0.25 * (f1 - f0)), at(u + 0.085, f0 + 0.85 * (f1 - f0)), at(u, f0 + 0.85 * (f1 - f0))]
            d.polygon(quad, fill=shade((70, 82, 96), rng.choice([0.8, 1.0, 1.3, 2.2], p=[0.35, 0.4, 0.15, 0.1])))
            if rng.random() < 0.4:
                a, b = at(u + 0.095, f0 + 0.1 * (f1 - f0)), at(u + 0.13, f0 + 0.4 * (f1 - f0))
                d.rectangle(sorted_box(*a, *b), fill=(214, 214, 210), outline=(140, 140, 140))
        a, b = x0 + f0 * (t0 - x0), x1 + f0 * (t1 - x1)
        d.line([(a, y), (b, y)], fill=shade(c, 0.8), width=max(1, int(0.014 * h * (1 - 0.6 * f0))))
        y -= step
        step *= 0.945
    return im


def camera(rng, im, noise=3.0, blur=0.5, gain=1.0):
    """What a sensor and a lens do to a drawing."""
    a = np.asarray(im.filter(ImageFilter.GaussianBlur(blur)) if blur else im).astype(np.float32) * gain
    a += rng.normal(0, noise, a.shape[:2])[..., None]
    return np.clip(a, 0, 255).astype(np.uint8)
