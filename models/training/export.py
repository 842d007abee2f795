"""WORK/checkpoint.pt -> FOLDER/<folder's name>.onnx in f32 and its card; the averaged weights, batch and sides free.

`--shift` is added to the logits of the classes of a group of kinds: level.py says which one makes 0.4, the service's default,
the best score.
"""
import argparse
import hashlib
import pathlib
import warnings

import numpy as np
import onnxruntime
import torch
import yaml

from material import CLASSES, GROUPS, H, HERE, KINDS, PAD, SEEN, W
from net import Net


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    p.add_argument("--shift", nargs="*", default=[], metavar="GROUP=LOGIT")
    p.add_argument("--material", default="synthetic frames alone", help="what it was trained on, for the card")
    a = p.parse_args()
    state = torch.load(a.work / "checkpoint.pt", map_location="cpu")
    net = Net().eval()
    net.load_state_dict(state["mean"])
    shifts = dict(part.split("=") for part in a.shift)
    for i, kind in enumerate(CLASSES.values()):
        for group, members in GROUPS.items():
            if kind in KINDS and KINDS.index(kind) in members:
                for branch in net.heads:
                    branch.classes.bias.data[i] += float(shifts.get(group, 0))
    a.folder.mkdir(parents=True, exist_ok=True)
    path = a.folder / f"{a.folder.name}.onnx"
    free = {"images": {0: "n", 2: "h", 3: "w"}, "output": {0: "n", 1: "rows"}}
    with warnings.catch_warnings():
        # The exporter that writes plain graphs of this opset announces its successor.
        warnings.simplefilter("ignore")
        torch.onnx.export(net, torch.zeros(1, 3, H, W), str(path), input_names=["images"], output_names=["output"], opset_version=13, dynamic_axes=free, dynamo=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    gap = 0.0
    for shape in ((2, 3, H, W), (1, 3, H - 32, W - 64)):
        x = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
        with torch.no_grad():
            gap = max(gap, np.abs(session.run(None, {"images": x})[0] - net(torch.from_numpy(x)).numpy()).max())
    if gap > 1e-2:
        raise SystemExit(f"{path}: answers differ from torch's by {gap}")
    card = {
        "name": a.folder.name, "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "licence": "Apache-2.0 (a changed YOLOX-nano, Copyright (c) 2021-2022 Megvii Inc., Apache-2.0)",
        "origin": f"this project: models/training, {state['step']} steps; {a.material}",
        "input": {"width": W, "height": H, "free": 32, "order": "bgr", "mean": [0, 0, 0], "std": [1, 1, 1], "fit": "letterbox_top_left", "pad": PAD},
        "head": {"type": "yolox"}, "classes": SEEN, "kinds": {k: k for k in SEEN}, "precision": "f32",
    }
    (a.folder / "model.yml").write_text(yaml.safe_dump(card, sort_keys=False, default_flow_style=None, width=2000))
    print(f"{path}: {path.stat().st_size} bytes, {state['step']} steps, largest difference to torch {gap:.1e}")


if __name__ == "__main__":
    main()
