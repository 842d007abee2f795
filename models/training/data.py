"""Training pictures from labelled frames: cut, scaled, mixed, with cut-out things pasted in, and worn as cameras wear them.

Reads WORK/real/*.npz (teacher.py) and WORK/synthetic/*.npz (synthetic.py): `pictures` [n, h, w, 3] and `boxes` [m, 7]: frame,
left, top, right, bottom, score, kind. A box below SURE is neither a thing nor background, and so is what moves in front of a
steady camera and has no name.
"""
import cv2
import numpy as np
import torch

from detectors import session
from material import H, KINDS, PAD, PUBLIC, W

# Its threads would hang in a loader's process, which is a fork of one that has used them.
cv2.setNumThreads(0)
SURE = 0.4
MOST = 60  # boxes in one training picture
VARIED = 4  # times as often as a clip of one place


def background(pictures):
    """What a steady camera sees behind its things, [h, w, 3]; None where the camera moves."""
    some = pictures[np.linspace(0, len(pictures) - 1, min(len(pictures), 41)).astype(int)]
    still = np.median(some, axis=0).astype(np.uint8)
    moved = np.mean([foreground(p, still).mean() for p in some[::4]])
    return still if moved < 0.2 else None


def foreground(picture, still):
    """1 where the picture differs from what stands still, [h, w] float."""
    apart = cv2.absdiff(picture, still).max(2)
    mask = (cv2.GaussianBlur(apart, (5, 5), 0) > 22).astype(np.uint8)
    return cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)).astype(np.float32)


def unnamed(picture, still, boxes):
    """Boxes [n, 4] of what moves outside all `boxes`."""
    mask = foreground(picture, still).astype(np.uint8)
    for l, t, r, b in boxes.astype(int):
        mask[max(0, t - 3):b + 3, max(0, l - 3):r + 3] = 0
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    least = mask.size * 0.0008
    return np.array([[x, y, x + w, y + h] for x, y, w, h, area in stats[1:] if area > least], np.float32).reshape(-1, 4)


class Clip:
    """One file: `pictures`, and `boxes[i]` [m, 6] of picture i: left, top, right, bottom, score, kind."""

    def __init__(self, path, real):
        with np.load(path) as file:
            self.pictures, rows = file["pictures"], file["boxes"]
        self.boxes = [rows[rows[:, 0] == i, 1:] for i in range(len(self.pictures))]
        self.cutouts = []  # (BGR [h, w, 3], alpha [h, w], kind, height as a fraction of the picture's)
        self.steady = False
        if not real:
            return
        still = background(self.pictures)
        self.steady = still is not None
        for i, picture in enumerate(self.pictures):
            self.cut(picture, still, self.boxes[i])
            if still is not None:
                extra = unnamed(picture, still, self.boxes[i][:, :4])
                extra = np.concatenate([extra, np.zeros((len(extra), 2), np.float32)], 1)
                self.boxes[i] = np.concatenate([self.boxes[i], extra])
        # A parked car is the same in all frames.
        if len(self.cutouts) > 400:
            self.cutouts = [self.cutouts[k] for k in np.linspace(0, len(self.cutouts) - 1, 400).astype(int)]

    def cut(self, picture, still, boxes):
        h, w = picture.shape[:2]
        mask = None if still is None else cv2.GaussianBlur(foreground(picture, still), (3, 3), 0)
        for l, t, r, b, score, kind in boxes:
            l, t, r, b = max(0, int(l)), max(0, int(t)), min(w, round(r)), min(h, round(b))
            if score < 0.5 or r - l < 8 or b - t < 8 or l == 0 or t == 0 or r == w or b == h:
                continue
            piece = picture[t:b, l:r]
            filled = 0 if mask is None else mask[t:b, l:r].mean()
            if filled > 0.3:
                alpha = mask[t:b, l:r].copy()
            elif kind >= 2 and score > 0.55:
                # It stands still, so there is no outline: the box with soft edges.
                alpha = np.zeros(piece.shape[:2], np.float32)
                rim = max(1, min(alpha.shape) // 12)
                alpha[rim:-rim, rim:-rim] = 1
                alpha = cv2.GaussianBlur(alpha, (0, 0), rim * 0.6)
            else:
                continue
            self.cutouts.append((piece, alpha, int(kind), (b - t) / h))


def warp(rng, picture, boxes, width, height, fitted):
    """The picture mirrored, scaled from `fitted` and cut to [height, width, 3], and its boxes."""
    h, w = picture.shape[:2]
    zoom = fitted * np.exp(rng.uniform(np.log(0.5), np.log(1.7)) if rng.random() < 0.7 else 0)
    stretch = np.exp(rng.uniform(-0.2, 0.2))
    sx, sy = zoom * stretch, zoom / stretch
    flip = rng.random() < 0.5
    left = rng.uniform(min(0, width - w * sx), max(0, width - w * sx))
    top = rng.uniform(min(0, height - h * sy), max(0, height - h * sy))
    sure = boxes[boxes[:, 4] >= SURE]
    if len(sure) and rng.random() < 0.8:
        # A cut that is smaller than the picture shows one of its things, somewhere.
        box = sure[rng.integers(len(sure))]
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        x = w - x if flip else x
        left = np.clip(rng.uniform(0.1, 0.9) * width - x * sx, min(0, width - w * sx), max(0, width - w * sx))
        top = np.clip(rng.uniform(0.1, 0.9) * height - y * sy, min(0, height - h * sy), max(0, height - h * sy))
    m = np.array([[-sx if flip else sx, 0, left + (w * sx if flip else 0)], [0, sy, top]])
    # Scaling far down without this aliases, which no camera does.
    how = cv2.INTER_AREA if zoom < 0.6 else cv2.INTER_LINEAR
    if zoom < 0.6:
        small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=how)
        grow = np.diag([w / small.shape[1], h / small.shape[0], 1])
        out = cv2.warpAffine(small, m @ grow, (width, height), flags=cv2.INTER_LINEAR, borderValue=(PAD,) * 3)
    else:
        out = cv2.warpAffine(picture, m, (width, height), flags=cv2.INTER_LINEAR, borderValue=(PAD,) * 3)
    got = boxes.copy()
    xs = boxes[:, [0, 2]] * m[0, 0] + m[0, 2]
    got[:, 0], got[:, 2] = xs.min(1), xs.max(1)
    got[:, [1, 3]] = boxes[:, [1, 3]] * sy + top
    return out, visible(got, width, height)


def visible(boxes, width, height):
    """Clipped boxes; what is mostly cut off is no more than half sure, and what is nearly gone is dropped."""
    whole = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    cut = boxes.copy()
    cut[:, [0, 2]] = boxes[:, [0, 2]].clip(0, width)
    cut[:, [1, 3]] = boxes[:, [1, 3]].clip(0, height)
    sides = cut[:, 2:4] - cut[:, :2]
    left = sides.prod(1) / (whole + 1e-6)
    cut[(left < 0.4) | (sides.min(1) < 4), 4] = 0.3
    return cut[(left > 0.1) & (sides.min(1) >= 2)]


def paste(rng, picture, boxes, cutouts):
    """Up to five things from other pictures, where they hide little of what is known to be there."""
    h, w = picture.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        piece, alpha, kind, tall = cutouts[rng.integers(len(cutouts))]
        th = float(np.clip(tall * H * np.exp(rng.uniform(-0.8, 0.8)), 9, 0.9 * h))
        tw = th * piece.shape[1] / piece.shape[0] * np.exp(rng.uniform(-0.12, 0.12))
        th, tw = round(th), round(tw)
        if tw < 5 or tw > w * 0.8:
            continue
        x, y = int(rng.uniform(0, w - tw)), int(rng.uniform(0, h - th))
        spot = np.array([x, y, x + tw, y + th])
        inner = (np.minimum(boxes[:, 2:4], spot[2:]) - np.maximum(boxes[:, :2], spot[:2])).clip(0).prod(1)
        if len(boxes) and (inner / (boxes[:, 2:4] - boxes[:, :2]).prod(1).clip(1)).max() > 0.25:
            continue
        how = cv2.INTER_AREA if th < piece.shape[0] else cv2.INTER_LINEAR
        p, a = cv2.resize(piece, (tw, th), interpolation=how).astype(np.float32), cv2.resize(alpha, (tw, th), interpolation=how)[..., None]
        if rng.random() < 0.5:
            p, a = p[:, ::-1], a[:, ::-1]
        if rng.random() < 0.5:
            p = p * rng.uniform(0.6, 1.3) + rng.uniform(-25, 25)
            if rng.random() < 0.4:
                p = p[..., rng.permutation(3)]
        under = picture[y:y + th, x:x + tw]
        picture[y:y + th, x:x + tw] = (a * p + (1 - a) * under).clip(0, 255).astype(np.uint8)
        boxes = np.concatenate([boxes, [[*spot, 1.0, kind]]]).astype(np.float32)
    return picture, boxes


def wear(rng, picture):
    """Light, colour, infrared, lens, sensor and encoder."""
    x = picture
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(x, cv2.COLOR_BGR2HSV).astype(np.int16)
        hsv[..., 0] = (hsv[..., 0] + int(rng.integers(-12, 13))) % 180
        hsv[..., 1] = (hsv[..., 1] * rng.uniform(0.4, 1.5)).clip(0, 255)
        x = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)
    if rng.random() < 0.15:
        x = np.repeat(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY)[..., None], 3, 2)
    if rng.random() < 0.7:
        ramp = np.arange(256) / 255
        ramp = ramp ** np.exp(rng.uniform(-0.6, 0.6)) * rng.uniform(0.6, 1.3) + rng.uniform(-0.1, 0.1)
        x = cv2.LUT(x, (ramp * 255).clip(0, 255).astype(np.uint8))
    if rng.random() < 0.25:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.25:
        h, w = x.shape[:2]
        coarse = int(rng.integers(1, 3))
        noise = rng.normal(0, rng.uniform(2, 12), (h // coarse, w // coarse))
        x = (x + cv2.resize(noise, (w, h))[..., None]).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        x = cv2.imdecode(cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))])[1], cv2.IMREAD_COLOR)
    return x


class Pictures(torch.utils.data.IterableDataset):
    """Endless (picture [3, height, width] bytes, boxes [MOST, 6], their number, whether all that is there is known, what the
    public net makes of it: its output and what it sees at its marks).

    `share` of them start from synthetic frames. A size below the model's cuts out of a picture at the model's scale.
    """

    def __init__(self, work, share=0.35, seed=0, size=(H, W)):
        self.height, self.width = size
        self.real = [Clip(p, True) for p in sorted((work / "real").glob("*.npz"))]
        self.synthetic = [Clip(p, False) for p in sorted((work / "synthetic").glob("*.npz"))]
        self.share = share if self.real else 1.0
        if not self.synthetic:
            self.share = 0.0
        self.seed, self.public = seed, work / PUBLIC
        # Each kind is pasted as often as each other, whichever clips it comes from.
        self.cutouts = [[c for clip in self.real for c in clip.cutouts if c[2] == k] for k in range(len(KINDS))]
        # A clip with many boxes teaches more than one with few, but not in proportion; one whose background changes has more
        # to show than one that is a single place.
        self.weight = np.array([(1 + sum((b[:, 4] >= SURE).sum() for b in c.boxes)) ** 0.3 * (1 if c.steady else VARIED) for c in self.real])
        if not self.real and not self.synthetic:
            raise SystemExit(f"{work}: nothing to train on; run teacher.py or synthetic.py first")

    def frame(self, rng, drawn):
        clip = self.synthetic[rng.integers(len(self.synthetic))] if drawn else self.real[rng.choice(len(self.real), p=self.weight / self.weight.sum())]
        i = rng.integers(len(clip.pictures))
        return clip.pictures[i], clip.boxes[i]

    def sample(self, rng):
        drawn = rng.random() < self.share
        if self.width == W and rng.random() < 0.3:
            picture, boxes = np.full((H, W, 3), PAD, np.uint8), []
            cx, cy = int(rng.uniform(0.35, 0.65) * W), int(rng.uniform(0.35, 0.65) * H)
            for x0, y0, x1, y1 in ((0, 0, cx, cy), (cx, 0, W, cy), (0, cy, cx, H), (cx, cy, W, H)):
                whole, b = self.frame(rng, drawn)
                fitted = min((x1 - x0) / whole.shape[1], (y1 - y0) / whole.shape[0]) * 1.3
                part, b = warp(rng, whole, b, x1 - x0, y1 - y0, fitted)
                picture[y0:y1, x0:x1] = part
                boxes.append(b + np.array([x0, y0, x0, y0, 0, 0], np.float32))
            boxes = np.concatenate(boxes)
        else:
            whole, b = self.frame(rng, drawn)
            fitted = min(W / whole.shape[1], H / whole.shape[0])
            picture, boxes = warp(rng, whole, b, self.width, self.height, fitted)
        kinds = [c for c in self.cutouts if c]
        if kinds and rng.random() < 0.4:
            few = [c[rng.integers(len(c))] for c in kinds for _ in range(3)]
            # People are what counts most.
            few += [self.cutouts[0][rng.integers(len(self.cutouts[0]))] for _ in range(3 if self.cutouts[0] else 0)]
            picture, boxes = paste(rng, picture, boxes, few)
        picture = wear(rng, picture)
        boxes = boxes[np.argsort(-boxes[:, 4])][:MOST]
        full = np.zeros((MOST, 6), np.float32)
        full[:len(boxes)] = boxes
        return np.ascontiguousarray(picture.transpose(2, 0, 1)), full, len(boxes), drawn

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        public = session(self.public, 1)
        while True:
            picture, boxes, count, drawn = self.sample(rng)
            said = public.run(None, {"images": picture[None].astype(np.float32)})
            yield torch.from_numpy(picture), torch.from_numpy(boxes), count, drawn, [torch.from_numpy(s[0]) for s in said]
