"""What all steps share: the model's shape and kinds, where clips and public models lie, frames of a clip, overlap of boxes.

Pictures are BGR bytes [h, w, 3]; boxes are [n, 4] left, top, right, bottom in pixels of their picture.
"""
import os
import pathlib

import cv2
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
W, H = 416, 256
STRIDES = (8, 16, 32)
PAD = 114
KINDS = ["person", "two_wheeler", "car", "truck_bus"]
COCO = """person bicycle car motorbike aeroplane bus train truck boat traffic_light fire_hydrant stop_sign parking_meter bench bird cat
dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite
baseball_bat baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon bowl banana apple sandwich
orange broccoli carrot hot_dog pizza donut cake chair sofa potted_plant bed dining_table toilet tvmonitor laptop mouse remote
keyboard cell_phone microwave oven toaster sink refrigerator book clock vase scissors teddy_bear hair_drier toothbrush""".split()
# What the net knows, of COCO's classes, and the kind of each; animals are not trained, they come with the public weights.
CLASSES = {"person": "person", "bicycle": "two_wheeler", "motorbike": "two_wheeler", "car": "car", "bus": "truck_bus", "truck": "truck_bus",
           "bird": "bird", "cat": "animal", "dog": "animal", "horse": "animal", "sheep": "animal", "cow": "animal"}
SEEN = list(dict.fromkeys(CLASSES.values()))  # the kinds of the model, in the order of its output: KINDS first
# What is judged as one: a van is a car to one detector and a truck to the next.
GROUPS = {"person": (0,), "two_wheeler": (1,), "vehicle": (2, 3)}
# Whole clips that are never trained on, by the stem of their file name: a car park with people, bicycles and cars, and a
# road with cars that come towards the camera.
HELD_OUT = ("person-bicycle-car-detection", "vehicle_surveillance_360p")
PUBLIC = "public.onnx"  # in WORK: the net that training starts from, as it was
VIDEO = {".mp4", ".avi", ".mkv", ".mov", ".ts"}


def folder_of(named, variable, what):
    """The folder that was named, else the one of the environment variable; ends the program where there is none."""
    path = named or os.environ.get(variable)
    if not path:
        raise SystemExit(f"{what}: name the folder with its option or with ${variable}")
    path = pathlib.Path(path)
    if not path.is_dir():
        raise SystemExit(f"{what}: {path} is no folder")
    return path


def clips_in(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO)


def frames(path, step=1, width=None):
    """Yields (index, picture) of each `step`th frame, scaled down to `width` where it is wider."""
    video = cv2.VideoCapture(str(path))
    index = 0
    while video.grab():
        if index % step == 0:
            ok, picture = video.retrieve()
            if not ok:
                break
            if width and picture.shape[1] > width:
                size = width, round(picture.shape[0] * width / picture.shape[1])
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            yield index, picture
        index += 1
    if index == 0:
        raise SystemExit(f"{path}: no frame can be decoded")


def fit(picture):
    """As the card says: letterbox at the top left corner, [H, W, 3], and the scale from picture to model pixels."""
    h, w = picture.shape[:2]
    ratio = min(W / w, H / h)
    iw, ih = min(W, int(w * ratio)), min(H, int(h * ratio))
    full = np.full((H, W, 3), PAD, np.uint8)
    full[:ih, :iw] = cv2.resize(picture, (iw, ih), interpolation=cv2.INTER_LINEAR)
    return full, ratio


def overlap(a, b):
    """Intersection over union, [len(a), len(b)]."""
    left, right = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = (right - left).clip(0).prod(2)
    areas = [(x[:, 2:] - x[:, :2]).clip(0).prod(1) for x in (a, b)]
    return inner / (areas[0][:, None] + areas[1][None] - inner + 1e-9)


def distinct(boxes, scores, kinds, most=0.6):
    """Indices that survive non-maximum suppression, best first; cars and trucks suppress each other."""
    family = np.array([0, 1, 2, 2])[kinds]
    order, kept = np.argsort(-scores), []
    ious = overlap(boxes, boxes)
    for i in order:
        if all(family[i] != family[k] or ious[i, k] <= most for k in kept):
            kept.append(i)
    return np.array(kept, int)
