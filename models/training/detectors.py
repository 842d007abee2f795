"""The public detectors: the teacher, nanodet_plus_m_1.5x_416, its smaller sibling, and the one to beat, fastestdet_352.

All know COCO's 80 classes; those of our kinds are kept. `detect(picture)` gives boxes [n, 4] in pixels of the picture,
scores [n] and kinds [n].
"""
import cv2
import numpy as np
import onnxruntime

from material import distinct

# COCO's order: person, bicycle, car, motorcycle, airplane, bus, train, truck.
KIND_OF_CLASS = {0: 0, 1: 1, 2: 2, 3: 1, 5: 3, 7: 3}


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def of_kinds(boxes, values, floor):
    """Boxes of all rows with the 80 class values -> the best of our kinds per row, distinct ones only."""
    classes = np.array(list(KIND_OF_CLASS))
    best = values[:, classes].argmax(1)
    scores = values[np.arange(len(values)), classes[best]]
    keep = np.flatnonzero(scores >= floor)
    boxes, scores = boxes[keep], scores[keep]
    kinds = np.array([KIND_OF_CLASS[c] for c in classes[best[keep]]], int)
    kept = distinct(boxes, scores, kinds)
    return boxes[kept], scores[kept], kinds[kept]


class Teacher:
    """NanoDet-Plus: 80 sigmoid scores and four distributions over 0..7 strides for each point."""

    file = "nanodet_plus_m_1.5x_416.onnx"

    def __init__(self, models, threads=1):
        self.net = session(models / self.file, threads)
        points = [np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) * s for n, s in ((52, 8), (26, 16), (13, 32), (7, 64))]
        self.points = np.concatenate(points).astype(np.float32)
        self.strides = np.repeat([8, 16, 32, 64], [52 * 52, 26 * 26, 13 * 13, 7 * 7]).astype(np.float32)

    def detect(self, picture, floor=0.2):
        h, w = picture.shape[:2]
        x = cv2.resize(picture, (416, 416), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        x = (x - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]
        y = self.net.run(None, {self.net.get_inputs()[0].name: x.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        logits = y[:, 80:].reshape(-1, 4, 8)
        odds = np.exp(logits - logits.max(2, keepdims=True))
        sides = (odds / odds.sum(2, keepdims=True) @ np.arange(8, dtype=np.float32)) * self.strides[:, None]
        boxes = np.concatenate([self.points - sides[:, :2], self.points + sides[:, 2:]], 1)
        boxes = boxes.clip(0, 416) * np.array([w, h, w, h], np.float32) / 416
        return of_kinds(boxes, y[:, :80], floor)


class Sibling(Teacher):
    """The teacher's smaller sibling, ten times as dear as ours: what the distance between two good public nets is."""

    file = "nanodet_plus_m_416.onnx"


class FastestDet:
    """One 22x22 map: objectness, tanh centre, sigmoid size, 80 classes; score = obj^0.6 * class^0.4."""

    file = "fastestdet_352.onnx"

    def __init__(self, models, threads=1):
        self.net = session(models / self.file, threads)

    def detect(self, picture, floor=0.2):
        h, w = picture.shape[:2]
        x = cv2.resize(picture, (352, 352), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        y = self.net.run(None, {self.net.get_inputs()[0].name: x.transpose(2, 0, 1)[None]})[0][0]
        n = y.shape[1]
        column, line = np.meshgrid(np.arange(n), np.arange(n))
        cx, cy = (np.tanh(y[1]) + column) / n, (np.tanh(y[2]) + line) / n
        bw, bh = sigmoid(y[3]), sigmoid(y[4])
        boxes = np.stack([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2], -1).reshape(-1, 4).clip(0, 1) * [w, h, w, h]
        values = (y[0] ** 0.6 * y[5:] ** 0.4).reshape(80, -1).T
        return of_kinds(boxes.astype(np.float32), values, floor)
