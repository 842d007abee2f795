"""One gate scene in space and how a camera sees it: `Scene(rng).shot(t)` -> BGR [h, w, 3] and boxes [n, 6].

A box is left, top, right, bottom, sureness, kind, around what can be seen of the thing; sureness is 0.3 (neither a thing nor
background) where less than 0.45 of it can be seen or it is too small, else 1.
"""
import cv2
import numpy as np

import solids as S

W, H = 640, 360
LEAST = 13  # pixels of the longer side; 8 in the model's picture
FRACTION = 3  # bits behind the point in drawn coordinates


class Camera:
    """A pinhole 2 to 6 m high that looks down along +y."""

    def __init__(self, rng):
        self.height = rng.uniform(2, 6)
        self.tilt = np.radians(rng.uniform(4, 14) + self.height * rng.uniform(1.0, 4.0))
        self.roll = np.radians(rng.normal(0, 1.5))
        self.f = W / 2 / np.tan(np.radians(rng.uniform(48, 88)) / 2)
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        right, ahead, up = np.array([1, 0, 0]), np.array([0, c, -s]), np.array([0, s, c])
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        self.axes = np.stack([cr * right + sr * up, cr * up - sr * right, ahead])

    def see(self, points):
        """Pixels [n, 2] and distances along the axis [n]."""
        p = (np.asarray(points) - [0, 0, self.height]) @ self.axes.T
        z = np.maximum(p[:, 2], 1e-3)
        return np.stack([W / 2 + self.f * p[:, 0] / z, H / 2 - self.f * p[:, 1] / z], 1), p[:, 2]

    def ground(self):
        """The matrix from metres on the ground (x, y, 1) to pixels."""
        k = np.array([[self.f, 0, W / 2], [0, -self.f, H / 2], [0, 0, 1]])
        at = np.array([0, 0, self.height])
        return k @ np.column_stack([self.axes[:, 0], self.axes[:, 1], -self.axes @ at])


def clouds(rng, h, w, grain):
    """Smooth noise [h, w] around 0, of the given size in pixels."""
    small = rng.normal(0, 1, (max(2, int(h / grain) + 2), max(2, int(w / grain) + 2))).astype(np.float32)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)


class Scene:
    def __init__(self, rng):
        self.rng, self.camera = rng, Camera(rng)
        self.light = rng.choice(["day", "dusk", "night", "infrared"], p=[0.58, 0.12, 0.14, 0.16])
        self.rain = rng.random() < 0.2
        self.fog = rng.uniform(0.01, 0.05) if rng.random() < 0.12 else 0.0
        sun = np.array([rng.uniform(-1, 1), rng.uniform(-1, 0.6), rng.uniform(0.5, 1.4)])
        self.sun = sun / np.linalg.norm(sun)
        self.shadow = rng.uniform(0.3, 0.65) if self.light == "day" and rng.random() < 0.65 and not self.rain else 0.0
        self.ambient = rng.uniform(0.55, 0.75)
        self.road = rng.uniform(-0.6, 0.6)  # the way the road runs, from straight ahead
        self.base = self.ground_and_sky()
        self.standing = self.scenery()
        self.things = self.population()
        self.seed = int(rng.integers(1 << 31))

    def spot(self, near=4.0, far=30.0):
        """A place on the ground that the camera sees, more often near than far."""
        rng = self.rng
        for _ in range(30):
            y = near * (far / near) ** rng.random()
            x = rng.uniform(-1, 1) * y * W / 2 / self.camera.f
            (u, v), = self.camera.see([[x, y, 0]])[0]
            if -20 < u < W + 20 and H * 0.1 < v < H * 1.08:
                return x, y
        return 0.0, 8.0

    def ground_and_sky(self):
        rng, n, metre = self.rng, 1024, 16  # texture of 64 m
        grey = rng.uniform(70, 175)
        tint = rng.normal(0, 8, 3)
        tex = np.empty((n, n, 3), np.float32)
        tex[:] = grey + tint
        tex += (clouds(rng, n, n, 90) * rng.uniform(2, 12) + clouds(rng, n, n, 12) * rng.uniform(1, 7) + clouds(rng, n, n, 2) * rng.uniform(2, 9))[..., None]
        at = lambda x, y: (int((x + 32) * metre), int(y * metre))
        c, s = np.sin(self.road), np.cos(self.road)
        along = lambda off, d: at(off * s + d * c, d * s - off * c)
        half = rng.uniform(2.5, 5)
        verge = [(50, 95, 70), (60, 110, 100), tuple(rng.uniform(90, 190, 3))][rng.integers(3)]
        for side in (-1, 1):
            if rng.random() < 0.75:
                strip = [along(side * half, -20), along(side * half, 90), along(side * 60, 90), along(side * 60, -20)]
                mask = cv2.fillPoly(np.zeros((n, n), np.uint8), [np.array(strip)], 1)[..., None]
                tex = np.where(mask, np.float32(verge) + (tex - grey) * rng.uniform(0.8, 2.2), tex)
                cv2.line(tex, along(side * half, -20), along(side * half, 90), (rng.uniform(130, 210),) * 3, 4)
        for off in (0, -half * 0.92, half * 0.92):
            if rng.random() < 0.5:
                for d in np.arange(-5, 64, 3.0 if off == 0 else 60):
                    cv2.line(tex, along(off, d), along(off, d + (1.5 if off == 0 else 60)), (205, 215, 215), 2)
        if rng.random() < 0.4:
            where = rng.uniform(4, 18)
            for off in np.arange(-half, half, 1.0):
                cv2.line(tex, along(off, where), along(off, where + rng.uniform(2.5, 3)), (215, 218, 218), 7)
        if rng.random() < 0.35:
            size = rng.uniform(0.4, 1.5) * metre
            for q in np.arange(0, n, size):
                cv2.line(tex, (int(q), 0), (int(q), n), (grey * 0.82,) * 3, 1)
                cv2.line(tex, (0, int(q)), (n, int(q)), (grey * 0.82,) * 3, 1)
        to_ground = np.array([[1 / metre, 0, -32], [0, 1 / metre, 0], [0, 0, 1.0]])
        base = cv2.warpPerspective(tex, self.camera.ground() @ to_ground, (W, H), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        # Above the horizon the ground's matrix turns over: sky.
        v, u = np.mgrid[0:H, 0:W].astype(np.float32)
        horizon = H / 2 - self.camera.f * np.tan(self.camera.tilt) - (u - W / 2) * np.tan(self.camera.roll)
        sky = np.float32([235, 215, 190]) * rng.uniform(0.6, 1.08)
        if rng.random() < 0.5:
            sky = np.float32([215, 212, 208]) * rng.uniform(0.6, 1.1)
        return np.where((v < horizon + 3)[..., None], sky + clouds(rng, H, W, 80)[..., None] * 8, base)

    def scenery(self):
        """(parts, x, y) of all that is not a thing to be found."""
        rng, out = self.rng, []
        for _ in range(int(rng.integers(0, 5))):
            x, y = self.spot(14, 45)
            out.append((S.placed(S.wall(rng), x, y, rng.choice([0, rng.uniform(-0.8, 0.8)])), x, y))
        for make, most in ((S.tree, 5), (S.clutter, 8), (S.booth, 2)):
            for _ in range(int(rng.integers(0, most))):
                x, y = self.spot(5, 30)
                out.append((S.placed(make(rng), x, y, rng.uniform(0, 6.3)), x, y))
        for _ in range(int(rng.integers(0, 3))):
            x, y = self.spot(5, 18)
            out.append((S.placed(S.Barrier(rng).parts(0), x, y, rng.choice([0, np.pi]) + rng.normal(0, 0.15)), x, y))
        return out

    def population(self):
        """[thing, x, y, heading]; two things keep clear of each other."""
        rng, out = self.rng, []
        for _ in range(int(rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 10], p=[0.06, 0.1, 0.14, 0.16, 0.16, 0.14, 0.1, 0.08, 0.06]))):
            make = [S.Person, S.TwoWheeler, S.Car, S.Truck][rng.choice(4, p=[0.46, 0.2, 0.25, 0.09])]
            thing = make(rng)
            if make is S.Person and self.rain and rng.random() < 0.5:
                thing.umbrella = S.paint(rng)
            if self.light in ("night", "dusk") and make in (S.Car, S.Truck):
                thing.lamps = thing.speed > 0
            near = {0: 3.0, 1: 3.5, 2: 6, 3: 9}[thing.kind]
            for _ in range(12):
                x, y = self.spot(near, 34)
                if all(np.hypot(x - q[1], y - q[2]) > 0.5 * (thing.long + q[0].long) * (0.6 if thing.kind == 0 and q[0].kind == 0 else 1) for q in out):
                    heading = rng.uniform(0, 2 * np.pi) if thing.kind < 2 or rng.random() < 0.35 else np.pi / 2 - self.road + rng.choice([0, np.pi]) + rng.normal(0, 0.15)
                    out.append((thing, x, y, heading))
                    break
        return out

    def lit(self, colour, normal, distance, glow):
        c = np.array(colour)
        if glow:
            return c
        if self.light == "infrared":
            return c * 0.9
        return c * (self.ambient + (1 - self.ambient) * 1.1 * max(0.0, float(normal @ self.sun)))

    def draw(self, picture, mask, number, parts):
        """All parts of one thing, far ones first; its number goes into the mask."""
        todo = []
        eye = np.array([0, 0, self.camera.height])
        for p in parts:
            points = p[1] if p[0] == "face" else np.stack(p[1:3])
            seen, depth = self.camera.see(points)
            if depth.min() < 0.4:
                continue
            todo.append((np.linalg.norm(points.mean(0) - eye), p, seen, depth))
        one = 1 << FRACTION
        whole = lambda q: np.round(np.clip(q, -4000, 4000) * one).astype(np.int32)
        for distance, p, seen, depth in sorted(todo, key=lambda q: -q[0]):
            if p[0] == "face":
                a, b, c = p[1][0], p[1][1], p[1][2]
                normal = np.cross(b - a, c - a)
                normal /= np.linalg.norm(normal) + 1e-9
                if normal @ (eye - a) < 0:
                    normal = -normal
                colour = self.lit(p[2], normal, distance, p[3]).tolist()
                cv2.fillPoly(picture, [whole(seen)], colour, cv2.LINE_AA, FRACTION)
                cv2.fillPoly(mask, [whole(seen)], number, 8, FRACTION)
                continue
            ra, rb = p[3] * self.camera.f / depth[0], p[4] * self.camera.f / depth[1]
            way = seen[1] - seen[0]
            long = np.hypot(*way)
            side = np.array([-way[1], way[0]]) / long if long > 0.01 else np.array([1.0, 0])
            quad = np.stack([seen[0] + side * ra, seen[1] + side * rb, seen[1] - side * rb, seen[0] - side * ra])
            dark, pale = self.lit(p[5], np.array([0, -0.6, 0.2]), distance, False), self.lit(p[5], self.sun, distance, False)
            for canvas, colour, kind in ((picture, (0.5 * (dark + pale)).tolist(), cv2.LINE_AA), (mask, number, 8)):
                cv2.fillConvexPoly(canvas, whole(quad), colour, kind, FRACTION)
                for centre, r in ((seen[0], ra), (seen[1], rb)):
                    if r > 0.4:
                        cv2.circle(canvas, whole(centre).tolist(), int(r * one), colour, -1, kind, FRACTION)
            if min(ra, rb) > 1.5:
                sun = self.sun @ self.camera.axes[:2].T * [1, -1]
                shift = sun / (np.hypot(*sun) + 1e-6) * min(ra, rb) * 0.4
                cv2.line(picture, whole(seen[0] + shift).tolist(), whole(seen[1] + shift).tolist(), pale.tolist(), max(1, int(min(ra, rb) * 0.8)), cv2.LINE_AA, FRACTION)

    def cast(self, dim, parts):
        """Darkens the ground where a thing keeps the sun off, or softly below it."""
        for p in parts:
            points = p[1] if p[0] == "face" else np.concatenate([np.stack(p[1:3]) + [[p[3], 0, 0]], np.stack(p[1:3]) - [[p[3], 0, 0]]])
            flat = points - self.sun * (points[:, 2:] / self.sun[2]) if self.shadow else points * [1, 1, 0]
            seen, depth = self.camera.see(flat * [1, 1, 0])
            if depth.min() > 0.4:
                cv2.fillConvexPoly(dim, cv2.convexHull(np.clip(seen, -4000, 4000).astype(np.int32)), 1.0)

    def shot(self, t):
        """What is seen `t` seconds on."""
        things = []
        for thing, x, y, heading in self.things:
            x, y = x + thing.speed * t * np.cos(heading), y - thing.speed * t * np.sin(heading)
            things.append((S.placed(thing.parts(t), x, y, heading), x, y, thing.kind))
            if getattr(thing, "rider", None):
                # A hair nearer, so that it is drawn over what it sits on.
                things.append((S.placed(thing.rider.parts(t, thing.seat), x, y, heading), x, y - 0.05, 0))
        picture, mask, whole = self.base.copy(), np.zeros((H, W), np.uint8), []
        dim = np.zeros((H, W), np.float32)
        for parts, *_ in [*self.standing, *things]:
            self.cast(dim, parts)
        dim = cv2.GaussianBlur(dim, (0, 0), 1.2 if self.shadow else 4)
        picture *= 1 - dim[..., None] * (self.shadow or 0.28)
        order = [(np.hypot(x, y), 0, parts) for parts, x, y in self.standing] + [(np.hypot(x, y), i + 1, q) for i, (q, x, y, _) in enumerate(things)]
        for _, number, parts in sorted(order, key=lambda q: -q[0]):
            self.draw(picture, mask, number, parts)
        boxes = []
        for i, (parts, _, _, kind) in enumerate(things):
            line, column = np.nonzero(mask == i + 1)
            if len(line) < 6:
                continue
            alone = np.zeros((H, W), np.uint8)
            self.draw(np.zeros((H, W, 3), np.float32), alone, 1, parts)
            l, t_, r, b = column.min(), line.min(), column.max() + 1, line.max() + 1
            shown = len(line) / max(1, alone.sum())
            clear = shown > 0.45 and max(r - l, b - t_) >= LEAST and min(r - l, b - t_) >= 5
            # Half of it beyond the picture's rim is judged by the teacher as the half that is seen.
            boxes.append([l, t_, r, b, 1.0 if clear else 0.3, kind])
        return self.atmosphere(picture, t), np.array(boxes, np.float32).reshape(-1, 6)

    def atmosphere(self, picture, t):
        rng = np.random.default_rng(self.seed)
        v = np.mgrid[0:H, 0:W][0].astype(np.float32)
        horizon = H / 2 - self.camera.f * np.tan(self.camera.tilt)
        far = self.camera.height * self.camera.f / np.maximum(v - horizon, 4)  # metres, roughly
        picture = picture * (1 + 0.05 * clouds(rng, H, W, 5)[..., None])
        if self.light in ("night", "dusk"):
            lamps = np.zeros((H, W), np.float32)
            for _ in range(int(rng.integers(1, 5))):
                cx, cy, r = rng.uniform(0, W), rng.uniform(0.2, 1) * H, rng.uniform(60, 260)
                lamps += np.exp(-(((np.arange(W) - cx)[None] / r) ** 2 + ((np.arange(H) - cy)[:, None] / (0.6 * r)) ** 2))
            level = rng.uniform(0.12, 0.3) if self.light == "night" else rng.uniform(0.35, 0.6)
            tone = np.float32([0.75, 0.95, 1.1]) if rng.random() < 0.6 else np.float32([1, 1, 1])
            bright = (picture > 247).all(2) | ((picture[..., 2] > 225) & (picture[..., 1] < 60))
            lit = picture * (level + np.minimum(lamps, 1.2)[..., None] * rng.uniform(0.3, 0.7)) * tone
            glare = cv2.GaussianBlur(bright.astype(np.float32), (0, 0), 7) * 500
            picture = lit + bright[..., None] * 120 + glare[..., None]
        if self.light == "infrared":
            grey = picture @ np.float32([0.2, 0.3, 0.5])
            grey = (grey - 110) * rng.uniform(0.4, 0.9) + 115
            beam = np.exp(-(((np.arange(W) - W / 2)[None] / (0.6 * W)) ** 2)) * np.minimum(1, rng.uniform(5, 14) / far)
            picture = np.repeat((grey * (0.15 + 1.1 * beam))[..., None], 3, 2)
        if self.fog:
            clear = np.exp(-far * self.fog)[..., None]
            picture = picture * clear + (1 - clear) * 190 * (0.3 if self.light == "night" else 1)
        if self.rain:
            streaks = np.zeros((H, W), np.float32)
            fall = np.random.default_rng([self.seed, int(t * 1000)])
            for _ in range(int(fall.integers(60, 260))):
                x, y, n = fall.uniform(0, W), fall.uniform(-20, H), fall.uniform(6, 26)
                cv2.line(streaks, (int(x), int(y)), (int(x + n * 0.12), int(y + n)), fall.uniform(0.1, 0.5), 1, cv2.LINE_AA)
            picture = picture * 0.92 + streaks[..., None] * 110
        noise = rng.uniform(1, 4) if self.light == "day" else rng.uniform(3, 12)
        live = np.random.default_rng([self.seed, 7, int(t * 1000)])
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.35, 1.0))
        picture = (picture - 128) * rng.uniform(0.75, 1.15) + 128 + rng.uniform(-15, 15)
        if self.light == "infrared":
            return np.clip(picture + live.normal(0, noise, (H, W, 1)), 0, 255).astype(np.uint8)
        return np.clip(picture + live.normal(0, noise, (H, W, 3)), 0, 255).astype(np.uint8)
