"""Things of a gate scene as coloured parts in space: people, two-wheelers, cars, trucks, and what stands about.

Metres, x right, y away from the camera, z up. A part is ("face", corners [n, 3], colour, glow) or ("limb", a [3], b [3], radius at a,
radius at b, colour); colours are BGR 0..255; a face that glows is not shaded. Shapes come from the given generator.
"""
import numpy as np

GLASS = (62, 52, 44)
TYRE = (24, 22, 22)
SKIN = [(150, 182, 224), (118, 150, 198), (170, 200, 240), (80, 110, 150)]
PAINTS = [(240, 240, 240), (225, 225, 222), (30, 28, 28), (60, 56, 54), (130, 128, 126), (170, 170, 172), (40, 36, 150), (130, 70, 30), (60, 90, 110), (40, 110, 160), (70, 120, 60)]


def paint(rng, low=15, high=235):
    return tuple(float(v) for v in rng.integers(low, high, 3))


def tinted(colour, f):
    return tuple(min(255.0, c * f) for c in colour)


def cloth(rng):
    """Clothes are mostly dark or pale, seldom bright."""
    if rng.random() < 0.65:
        grey = rng.uniform(15, 235)
        return tuple(float(np.clip(grey + rng.uniform(-22, 22), 5, 250)) for _ in range(3))
    return paint(rng)


def face(corners, colour, glow=False):
    return ("face", np.asarray(corners, float), colour, glow)


def limb(a, b, ra, rb, colour):
    return ("limb", np.asarray(a, float), np.asarray(b, float), ra, rb, colour)


def hull(bottom, top, colour, top_colour=None):
    """A solid between two polygons [n, 3] with as many corners."""
    bottom, top = np.asarray(bottom, float), np.asarray(top, float)
    n = len(bottom)
    sides = [face([bottom[i], bottom[(i + 1) % n], top[(i + 1) % n], top[i]], colour) for i in range(n)]
    return sides + [face(top, top_colour or colour)]


def block(x0, x1, y0, y1, z0, z1, colour, taper=0.0):
    """A box; its top is smaller by `taper` metres on each side."""
    t = taper
    bottom = [(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)]
    top = [(x0 + t, y0 + t, z1), (x1 - t, y0 + t, z1), (x1 - t, y1 - t, z1), (x0 + t, y1 - t, z1)]
    return hull(bottom, top, colour)


def wheel(x, y, r, width, hub):
    """A disc that stands along x."""
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    ring = lambda yy, q: [(x + q * np.cos(t), yy, r + q * np.sin(t)) for t in turn]
    out = hull(ring(y - width / 2, r), ring(y + width / 2, r), TYRE)
    side = y - width / 2 - 0.01 if y < 0 else y + width / 2 + 0.01
    return out + [face(ring(side, r), TYRE), face(ring(side * 1.01, 0.6 * r), hub)]


def placed(parts, x, y, yaw):
    """Turned about the vertical and moved."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    move = np.array([x, y, 0])
    out = []
    for p in parts:
        if p[0] == "face":
            out.append(("face", p[1] @ turn + move, *p[2:]))
        else:
            out.append(("limb", p[1] @ turn + move, p[2] @ turn + move, *p[3:]))
    return out


class Person:
    """Faces +x; `phase` moves legs and arms. `seat` is the height of a saddle for a rider."""

    kind, long = 0, 0.6

    def __init__(self, rng):
        self.tall = rng.uniform(1.0, 1.4) if rng.random() < 0.12 else rng.normal(1.7, 0.08)
        self.wide = rng.uniform(0.85, 1.3)
        self.top, self.legs, self.shoes = cloth(rng), tinted(cloth(rng), 0.7), cloth(rng)
        self.skin, self.hair = SKIN[rng.integers(4)], tinted(paint(rng, 10, 90), 1)
        self.helmet = None
        self.coat, self.skirt = rng.random() < 0.3, rng.random() < 0.12
        self.bag = cloth(rng) if rng.random() < 0.3 else None
        self.umbrella = None
        self.still = rng.random() < 0.25
        self.long_sleeves = rng.random() < 0.7
        self.phase = rng.uniform(0, 6.3)
        self.speed = 0.0 if self.still else rng.uniform(0.7, 1.8)

    def parts(self, t, seat=None):
        k, w = self.tall / 1.7, self.wide
        step = 0.0 if self.still else np.sin(self.phase + 6.5 * t) * 0.42
        hip, neck = 0.9 * k, 1.42 * k
        out = []
        shift = np.zeros(3)
        lean = 0.04
        if seat is not None:
            shift = np.array([-0.12, 0, seat - hip + 0.04])
            lean = 0.22
        sleeve = self.top if self.long_sleeves else self.skin
        for side in (-1, 1):
            y = side * 0.1 * w
            a = step * side
            if seat is None:
                knee = np.array([0.42 * np.sin(a) * k + 0.04, y, hip - 0.44 * np.cos(a) * k])
                foot = knee + np.array([(0.40 * np.sin(a - 0.5 * max(0, -a) - 0.1)) * k, 0, -0.43 * np.cos(a) * k])
            else:
                knee = np.array([0.42, side * 0.16 * w, hip - 0.12])
                foot = np.array([0.34 + 0.1 * np.sin(self.phase + 5 * t + (side > 0) * 3.1), side * 0.14, hip - 0.5])
            start = np.array([0, y, hip])
            out += [limb(start, knee, 0.095 * w * k, 0.07 * w * k, self.legs), limb(knee, foot, 0.07 * w * k, 0.05 * k, self.legs)]
            out += [limb(foot, foot + np.array([0.16 * k, 0, -0.03]), 0.05 * k, 0.04 * k, self.shoes)]
            shoulder = np.array([lean, side * 0.2 * w * k, neck - 0.05])
            if seat is None:
                elbow = shoulder + np.array([-0.22 * np.sin(a), side * 0.05, -0.28 * k])
                hand = elbow + np.array([0.06 - 0.2 * np.sin(a), 0, -0.24 * k])
            else:
                elbow, hand = shoulder + np.array([0.18, side * 0.08, -0.2]), shoulder + np.array([0.42, side * 0.08, -0.28])
            out += [limb(shoulder, elbow, 0.055 * w * k, 0.045 * k, self.top), limb(elbow, hand, 0.045 * k, 0.035 * k, sleeve), limb(hand, hand, 0.045 * k, 0.045 * k, self.skin)]
        for side in (-1, 1):
            y = side * 0.075 * w * k
            out.append(limb([0, y, hip], [lean, y * 1.45, neck - 0.06], 0.115 * w * k, 0.105 * w * k, self.top))
        out.append(limb([0, 0, hip], [lean, 0, neck - 0.05], 0.13 * w * k, 0.13 * w * k, self.top))
        if (self.coat or self.skirt) and seat is None:
            low = (0.35 if self.coat else 0.4) * k
            out.append(limb([0, 0, hip + 0.1], [0, 0, hip - low], 0.17 * w * k, (0.2 if self.coat else 0.24) * w * k, self.top if self.coat else self.legs))
        head = np.array([lean + 0.03, 0, 1.58 * k])
        out.append(limb([lean, 0, neck], head, 0.06 * k, 0.06 * k, self.skin))
        out.append(limb(head, head + [0, 0, 0.03], 0.105 * k, 0.105 * k, self.skin))
        crown = self.helmet or self.hair
        out.append(limb(head + [-0.04, 0, 0.035], head + [-0.02, 0, 0.05 + 0.02 * bool(self.helmet)], 0.105 * k, 0.11 * k, crown))
        if self.bag:
            out.append(limb([-0.2 * w, 0, hip + 0.08], [-0.2 * w + lean, 0, neck - 0.12], 0.13 * k, 0.12 * k, self.bag))
        if self.umbrella and seat is None:
            turn = np.linspace(0, 2 * np.pi, 11)[:-1]
            tip = np.array([0.1, 0, 2.1 * k])
            rim = [(0.1 + 0.55 * np.cos(q), 0.55 * np.sin(q), 1.86 * k) for q in turn]
            out += [face([rim[i], rim[(i + 1) % 10], tip], tinted(self.umbrella, 0.8 + 0.25 * (i % 2))) for i in range(10)]
        for_all = [("limb", p[1] + shift, p[2] + shift, *p[3:]) if p[0] == "limb" else ("face", p[1] + shift, *p[2:]) for p in out]
        return for_all


class TwoWheeler:
    """Bicycle, scooter or motorcycle along +x, without its rider."""

    kind, long = 1, 1.8

    def __init__(self, rng):
        self.paint, self.scooter = PAINTS[rng.integers(len(PAINTS))] if rng.random() < 0.6 else paint(rng), rng.random() < 0.55
        self.rider = Person(rng) if rng.random() < 0.7 else None
        if self.rider:
            self.rider.still = False
            self.rider.helmet = paint(rng) if rng.random() < 0.5 else None
        self.speed = rng.uniform(2, 6) if self.rider else 0.0
        self.seat = 0.78 if self.scooter else 0.95
        self.basket, self.case = rng.random() < 0.3, paint(rng) if rng.random() < 0.3 else None

    def parts(self, t):
        out, dark = [], (35, 33, 32)
        r = 0.24 if self.scooter else 0.33
        half = 0.62 if self.scooter else 0.53
        turn = np.linspace(0, 2 * np.pi, 13)
        for x in (-half, half):
            points = [(x + r * np.cos(q), 0, r + r * np.sin(q)) for q in turn]
            out += [limb(a, b, 0.06 if self.scooter else 0.025, 0.06 if self.scooter else 0.025, TYRE) for a, b in zip(points, points[1:])]
        c = self.paint
        if self.scooter:
            out += block(-0.75, 0.0, -0.14, 0.14, 0.36, 0.72, c, 0.03)
            out += block(-0.7, 0.05, -0.12, 0.12, 0.72, 0.8, dark)
            out += block(-0.1, 0.45, -0.14, 0.14, 0.24, 0.34, tinted(c, 0.8))
            out += [limb([0.6, 0, r], [0.42, 0, 1.02], 0.05, 0.05, dark), limb([0.47, 0, 0.4], [0.4, 0, 0.9], 0.14, 0.12, c)]
            out += [limb([0.4, -0.32, 1.04], [0.4, 0.32, 1.04], 0.025, 0.025, dark), limb([0.5, 0, 0.92], [0.5, 0, 0.94], 0.07, 0.07, (225, 235, 240))]
        else:
            pairs = [((-half, r), (-0.05, 0.3)), ((-0.05, 0.3), (0.38, 0.78)), ((-0.2, 0.85), (0.38, 0.8)), ((-0.2, 0.9), (-0.05, 0.3)), ((-0.2, 0.8), (-half, r)), ((0.36, 0.95), (half, r))]
            out += [limb([a[0], 0, a[1]], [b[0], 0, b[1]], 0.03, 0.03, c) for a, b in pairs]
            out += [limb([-0.3, 0, 0.94], [-0.1, 0, 0.94], 0.06, 0.04, dark), limb([0.36, -0.28, 1.0], [0.36, 0.28, 1.0], 0.02, 0.02, dark)]
            if self.basket:
                out += block(0.42, 0.72, -0.17, 0.17, 0.72, 0.95, (120, 120, 118))
        if self.case:
            out += block(-0.95, -0.55, -0.2, 0.2, self.seat, self.seat + 0.38, self.case)
        return out


class Car:
    """Saloon, hatchback, estate or minivan along +x."""

    kind = 2

    def __init__(self, rng):
        self.paint = PAINTS[rng.integers(len(PAINTS))] if rng.random() < 0.8 else paint(rng)
        self.form = rng.choice(["saloon", "hatch", "suv", "van"], p=[0.35, 0.25, 0.25, 0.15])
        tall = {"saloon": 1.45, "hatch": 1.5, "suv": 1.72, "van": 1.9}[self.form]
        self.long, self.wide, self.tall = rng.uniform(3.7, 4.3) if self.form == "hatch" else rng.uniform(4.3, 4.95), rng.uniform(1.68, 1.92), tall * rng.uniform(0.96, 1.05)
        self.speed = 0.0 if rng.random() < 0.45 else rng.uniform(1.5, 7)
        self.lamps = rng.random() < 0.3
        self.plate = (235, 235, 235) if rng.random() < 0.4 else (180, 90, 20)
        self.hub = tinted((190, 190, 192), rng.uniform(0.4, 1.1))

    def parts(self, t):
        L, w, c = self.long / 2, self.wide / 2, self.paint
        belt = 0.55 * self.tall + 0.06
        nose = belt - rng_free(self.form, saloon=0.12, hatch=0.1, suv=0.08, van=0.15)
        back = {"saloon": -0.62, "hatch": -0.92, "suv": -0.94, "van": -0.96}[self.form] * L
        roof_back = back + {"saloon": 0.5, "hatch": 0.3, "suv": 0.18, "van": 0.1}[self.form]
        front = {"saloon": 0.42, "hatch": 0.48, "suv": 0.46, "van": 0.72}[self.form] * L
        roof_front = front - (0.75 if self.form != "van" else 0.55)
        low = 0.22
        side = lambda y: [(-L, y, low), (L, y, low), (L, y, nose - 0.18), (L - 0.12, y, nose), (front, y, belt), (back, y, belt), (-L + 0.05, y, belt - 0.05 if self.form == "saloon" else belt)]
        left, right = side(-w), side(w)
        out = []
        n = len(left)
        for i in range(n):
            j = (i + 1) % n
            shade = (45, 42, 42) if i == 0 else c
            out.append(face([left[i], left[j], right[j], right[i]], shade))
        out += [face(left, c), face(right, c)]
        # The sill is darker, which is what tells a body from a box.
        for y in (-w - 0.005, w + 0.005):
            out.append(face([(-L, y, low), (L, y, low), (L, y, low + 0.16), (-L, y, low + 0.16)], tinted(c, 0.55)))
        t_ = 0.16
        bottom = [(back, -w, belt), (front, -w, belt), (front, w, belt), (back, w, belt)]
        top = [(roof_back, -w + t_, self.tall), (roof_front, -w + t_, self.tall), (roof_front, w - t_, self.tall), (roof_back, w - t_, self.tall)]
        out += hull(bottom, top, c)
        inset = lambda q, f: [tuple(np.mean(q, 0) + (np.array(p) - np.mean(q, 0)) * f) for p in q]
        B, T = np.array(bottom), np.array(top)
        push = 0.02
        for i, j, off in ((1, 2, (push, 0, 0)), (3, 0, (-push, 0, 0))):
            out.append(face(np.array(inset([B[i], B[j], T[j], T[i]], 0.86)) + off, GLASS))
        for i, j, y in ((0, 1, -push), (2, 3, push)):
            quad = np.array(inset([B[i], B[j], T[j], T[i]], 0.86)) + (0, y, 0)
            mid_b, mid_t = (quad[0] * 0.52 + quad[1] * 0.48), (quad[3] * 0.52 + quad[2] * 0.48)
            gap = (quad[1] - quad[0]) * 0.02
            out += [face([quad[0], mid_b - gap, mid_t - gap, quad[3]], GLASS), face([mid_b + gap, quad[1], quad[2], mid_t + gap], GLASS)]
        r = 0.31 if self.form != "suv" else 0.36
        for x in (-0.62 * L, 0.64 * L):
            for y in (-w + 0.08, w - 0.08):
                out += wheel(x, y, r, 0.2, self.hub)
        for y in (-w + 0.3, w - 0.3):
            q = lambda x, z, hy, hz: [(x, y - hy, z - hz), (x, y + hy, z - hz), (x, y + hy, z + hz), (x, y - hy, z + hz)]
            out.append(face(q(L + 0.02, nose - 0.2, 0.2, 0.08), (250, 252, 255) if self.lamps else (205, 208, 210), self.lamps))
            out.append(face(q(-L - 0.02, belt - 0.2, 0.18, 0.08), (40, 40, 230) if self.lamps else (30, 30, 150), self.lamps))
        out.append(face([(L + 0.02, -0.5, 0.4), (L + 0.02, 0.5, 0.4), (L + 0.02, 0.5, 0.55), (L + 0.02, -0.5, 0.55)], (40, 38, 38)))
        for x in (L + 0.03, -L - 0.03):
            out.append(face([(x, -0.22, 0.5), (x, 0.22, 0.5), (x, 0.22, 0.62), (x, -0.22, 0.62)], self.plate))
        return out


def rng_free(form, **by):
    """The measure of this form."""
    return by[form]


class Truck:
    """Lorry, delivery van or bus along +x."""

    kind = 3

    def __init__(self, rng):
        self.paint = PAINTS[rng.integers(len(PAINTS))] if rng.random() < 0.6 else paint(rng)
        self.load = (232, 232, 230) if rng.random() < 0.5 else paint(rng, 40)
        self.form = rng.choice(["box", "flat", "bus"], p=[0.5, 0.2, 0.3])
        self.long = {"box": rng.uniform(5.2, 8), "flat": rng.uniform(5, 7.5), "bus": rng.uniform(6.5, 10.5)}[self.form]
        self.wide, self.tall = rng.uniform(1.95, 2.4), rng.uniform(2.5, 3.2)
        self.speed = 0.0 if rng.random() < 0.5 else rng.uniform(1, 5)
        self.lamps = rng.random() < 0.3

    def parts(self, t):
        L, w, c = self.long / 2, self.wide / 2, self.paint
        out = []
        if self.form == "bus":
            out += block(-L, L, -w, w, 0.35, self.tall, c, 0.04)
            out += [face([(L + 0.02, -w + 0.15, 1.15), (L + 0.02, w - 0.15, 1.15), (L, w - 0.2, self.tall - 0.45), (L, -w + 0.2, self.tall - 0.45)], GLASS)]
            for y in (-w - 0.01, w + 0.01):
                for x in np.arange(-L + 0.3, L - 0.9, 1.15):
                    out.append(face([(x, y, 1.35), (x + 1.0, y, 1.35), (x + 1.0, y * 0.99, self.tall - 0.5), (x, y * 0.99, self.tall - 0.5)], GLASS))
                out.append(face([(-L, y, 0.8), (L, y, 0.8), (L, y, 1.05), (-L, y, 1.05)], self.load))
        else:
            cab = min(1.9, 0.35 * self.long)
            high = min(self.tall, 2.3)
            out += block(L - cab, L, -w + 0.08, w - 0.08, 0.45, high, c, 0.05)
            out += [face([(L + 0.01, -w + 0.2, 1.3), (L + 0.01, w - 0.2, 1.3), (L - 0.02, w - 0.25, high - 0.2), (L - 0.02, -w + 0.25, high - 0.2)], GLASS)]
            for y in (-w + 0.06, w - 0.06):
                out.append(face([(L - cab * 0.75, y, 1.3), (L - 0.25, y, 1.3), (L - 0.3, y, high - 0.25), (L - cab * 0.75, y, high - 0.25)], GLASS))
            top = self.tall if self.form == "box" else 1.35
            out += block(-L, L - cab - 0.1, -w, w, 0.75, top, self.load)
            out += block(-L, L - cab, -w + 0.3, w - 0.3, 0.45, 0.75, (40, 40, 40))
        for x in (-0.62 * L, 0.68 * L):
            for y in (-w + 0.1, w - 0.1):
                out += wheel(x, y, 0.42, 0.26, (140, 140, 142))
        for y in (-w + 0.3, w - 0.3):
            for x, z, colour in ((L + 0.03, 0.75, (250, 252, 255) if self.lamps else (200, 205, 205)), (-L - 0.03, 0.8, (40, 40, 230) if self.lamps else (30, 30, 140))):
                out.append(face([(x, y - 0.16, z - 0.1), (x, y + 0.16, z - 0.1), (x, y + 0.16, z + 0.1), (x, y - 0.16, z + 0.1)], colour, self.lamps))
        return out


class Barrier:
    """A boom gate across x, its post at the origin; `lift` 0 shut, 1 open."""

    def __init__(self, rng):
        self.reach, self.lift = rng.uniform(2.8, 4.5), rng.choice([0.0, 1.0, rng.uniform(0, 1)])
        self.post = paint(rng, 60) if rng.random() < 0.5 else (40, 180, 225)
        self.stripes = ((40, 40, 205), (240, 240, 240)) if rng.random() < 0.7 else ((30, 30, 30), (40, 200, 235))
        self.fence = rng.random() < 0.3

    def parts(self, t):
        out = block(-0.18, 0.18, -0.15, 0.15, 0, 1.05, self.post)
        a = self.lift * 1.35
        way = np.array([np.cos(a), 0, np.sin(a)])
        start = np.array([0.1, -0.18, 0.95])
        for k in range(10):
            out.append(limb(start + way * self.reach * k / 10, start + way * self.reach * (k + 1) / 10, 0.05, 0.05, self.stripes[k % 2]))
            if self.fence and k % 2:
                top = start + way * self.reach * k / 10
                out.append(limb(top, top - [0, 0, 0.6 * np.cos(a)], 0.02, 0.02, (220, 220, 220)))
        return out


def booth(rng):
    """The guard's hut."""
    w, d, h, c = rng.uniform(0.8, 1.4), rng.uniform(0.8, 1.4), rng.uniform(2.2, 2.8), paint(rng, 70)
    out = block(-w, w, -d, d, 0, h, c)
    for y in (-d - 0.01, d + 0.01):
        out.append(face([(-w * 0.8, y, 1.0), (w * 0.8, y, 1.0), (w * 0.8, y, h - 0.4), (-w * 0.8, y, h - 0.4)], tinted(GLASS, rng.uniform(0.8, 2))))
    for x in (-w - 0.01, w + 0.01):
        out.append(face([(x, -d * 0.7, 1.0), (x, d * 0.7, 1.0), (x, d * 0.7, h - 0.4), (x, -d * 0.7, h - 0.4)], GLASS))
    return out + block(-w - 0.25, w + 0.25, -d - 0.25, d + 0.25, h, h + 0.15, tinted(c, 0.7))


def tree(rng):
    """Trunk and a crown of leaves; small ones are bushes in pots."""
    small = rng.random() < 0.4
    r = rng.uniform(0.3, 0.6) if small else rng.uniform(0.8, 2.0)
    stem = rng.uniform(0.2, 0.5) if small else rng.uniform(1.6, 3)
    green = (rng.uniform(25, 70), rng.uniform(70, 130), rng.uniform(30, 90))
    out = [limb([0, 0, 0], [0, 0, stem + 0.5 * r], 0.25 * r if small else 0.14, 0.08, (50, 70, 92))]
    for _ in range(26):
        p = rng.normal(0, 0.42, 3) * r + [0, 0, stem + r * 0.8]
        out.append(limb(p, p, rng.uniform(0.2, 0.42) * r, 0.25 * r, tinted(green, rng.uniform(0.6, 1.35))))
    return out


def clutter(rng):
    """Upright and low things that are none of the kinds: bollard, cone, bin, lamp, sign, kerb stone, crate, box."""
    form = rng.integers(8)
    c = paint(rng)
    if form == 0:
        return [limb([0, 0, 0], [0, 0, rng.uniform(0.7, 1.2)], 0.07, 0.07, c)]
    if form == 1:
        return [limb([0, 0, 0.02], [0, 0, 0.35], 0.2, 0.12, (30, 80, 235)), limb([0, 0, 0.35], [0, 0, 0.45], 0.12, 0.08, (240, 240, 240)), limb([0, 0, 0.45], [0, 0, 0.7], 0.08, 0.03, (30, 80, 235))]
    if form == 2:
        return block(-0.3, 0.3, -0.3, 0.3, 0, rng.uniform(0.8, 1.2), c, -0.04) + block(-0.34, 0.34, -0.34, 0.34, 1.0, 1.1, tinted(c, 0.6))
    if form == 3:
        return [limb([0, 0, 0], [0, 0, rng.uniform(3, 6)], 0.08, 0.05, (110, 110, 108))]
    if form == 4:
        h = rng.uniform(1.5, 2.5)
        return [limb([0, 0, 0], [0, 0, h], 0.04, 0.04, (120, 120, 120)), *block(-0.3, 0.3, -0.02, 0.02, h - 0.5, h + 0.1, c)]
    if form == 5:
        return block(-1.0, 1.0, -0.15, 0.15, 0, 0.25, tinted(c, 0.8))
    if form == 6:
        w, h = rng.uniform(0.2, 0.7), rng.uniform(0.3, 1.6)
        return block(-w, w, -w, w, 0, h, c)
    w, h = rng.uniform(0.25, 0.4), rng.uniform(1.3, 2.0)
    return block(-w, w, -0.15, 0.15, 0, h, c) + [face([(-w * 0.8, -0.16, 0.6 * h), (w * 0.8, -0.16, 0.6 * h), (w * 0.8, -0.16, 0.9 * h), (-w * 0.8, -0.16, 0.9 * h)], paint(rng))]


def wall(rng):
    """A house or a wall along x, 0.4 to 9 m high, with windows or bars."""
    w, h = rng.uniform(2, 9), rng.choice([rng.uniform(0.8, 2.5), rng.uniform(3, 9)])
    c = tinted(paint(rng, 90), rng.uniform(0.7, 1.1))
    if rng.random() < 0.3:
        grey = rng.uniform(120, 220)
        c = (grey, grey, grey)
    if h < 2.5 and rng.random() < 0.5:
        bars = [limb([x, 0, 0], [x, 0, h], 0.025, 0.025, c) for x in np.arange(-w, w, 0.25)]
        return bars + [limb([-w, 0, z], [w, 0, z], 0.03, 0.03, c) for z in (0.15, h - 0.1)]
    out = block(-w, w, 0, 0.3 if h < 2.5 else 4, 0, h, c)
    if h > 2.5:
        for z in np.arange(0.8, h - 1.2, 2.7):
            for x in np.arange(-w + 0.5, w - 1.2, rng.uniform(1.8, 2.6)):
                colour = tinted(GLASS, rng.uniform(0.6, 2.4))
                out.append(face([(x, -0.02, z), (x + 1.1, -0.02, z), (x + 1.1, -0.02, z + 1.3), (x, -0.02, z + 1.3)], colour))
    return out
