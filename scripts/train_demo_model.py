#!/usr/bin/env python3
"""Trains models/demo_figures: a small detector of the figures that scripts/make_testdata.py draws, and of nothing else.

Needs torch, numpy, Pillow, onnx and onnxruntime. `scripts/train_demo_model.py --minutes 6` draws its own pictures, trains on two
cores, exports ONNX in YOLOX's layout, checks it against torch and writes the card. A checkpoint is kept after each round;
running again goes on from it.
"""
import argparse, hashlib, multiprocessing as mp, pathlib, sys, time

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from scenes import figures as F
from scenes.pictures import draw

W, H, STRIDES = 416, 256, (8, 16, 32)
HERE = pathlib.Path(__file__).resolve().parent.parent / "models" / "demo_figures"


def sample(seed):
    """One picture as the model wants it, BGR bytes [3, H, W] with padding below, and its boxes [class, x0, y0, x1, y1] in pixels."""
    picture, boxes = draw(seed)
    full = np.full((H, W, 3), 114, np.uint8)
    full[:len(picture)] = picture
    return np.ascontiguousarray(full[..., ::-1].transpose(2, 0, 1)), boxes


class Net(nn.Module):
    def __init__(self, classes=len(F.CLASSES)):
        super().__init__()

        def conv(i, o, s=1):
            return nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

        self.low = nn.Sequential(conv(3, 8, 2), conv(8, 16, 2), conv(16, 16), conv(16, 32, 2), conv(32, 32))
        self.mid = nn.Sequential(conv(32, 48, 2), conv(48, 48))
        self.deep = nn.Sequential(conv(48, 64, 2), conv(64, 64), conv(64, 64))
        self.to_mid, self.to_low = nn.Conv2d(64, 48, 1), nn.Conv2d(48, 32, 1)
        self.heads = nn.ModuleList([nn.Sequential(conv(c, 32), nn.Conv2d(32, 5 + classes, 1)) for c in (32, 48, 64)])
        for head in self.heads:
            nn.init.constant_(head[1].bias[4], -4.0)

    def forward(self, x):
        a = self.low(x / 255.0)
        b = self.mid(a)
        c = self.deep(b)
        b = b + nn.functional.interpolate(self.to_mid(c), scale_factor=2.0, mode="nearest")
        a = a + nn.functional.interpolate(self.to_low(b), scale_factor=2.0, mode="nearest")
        rows = [h(f).flatten(2).transpose(1, 2) for h, f in zip(self.heads, (a, b, c))]
        y = torch.cat(rows, 1)
        return torch.cat([y[..., :4], y[..., 4:].sigmoid()], -1)


def targets(boxes):
    """Which rows answer for which box: cells around the centre on the stride that fits its size."""
    out = []
    base = 0
    for s in STRIDES:
        cols, rows = W // s, H // s
        for c, x0, y0, x1, y1 in boxes:
            size = max(x1 - x0, y1 - y0)
            if not ((s == 8 and size < 40) or (s == 16 and 32 <= size < 100) or (s == 32 and size >= 80)):
                continue
            cx, cy = (x0 + x1) / 2 / s, (y0 + y1) / 2 / s
            for gx in range(int(cx - 1), int(cx + 2)):
                for gy in range(int(cy - 1), int(cy + 2)):
                    if 0 <= gx < cols and 0 <= gy < rows and abs(gx + 0.5 - cx) < 1.0 and abs(gy + 0.5 - cy) < 1.0:
                        out.append((base + gy * cols + gx, int(c), cx - gx, cy - gy, np.log((x1 - x0) / s), np.log((y1 - y0) / s)))
        base += cols * rows
    return out


def loss_of(y, batch):
    n, rows, _ = y.shape
    hit, cls, geo, idx = torch.zeros(n, rows), [], [], []
    for i, boxes in enumerate(batch):
        for row, c, *g in targets(boxes):
            hit[i, row] = 1
            idx.append((i, row)), cls.append(c), geo.append(g)
    p = y[..., 4].clamp(1e-6, 1 - 1e-6)
    focal = -(hit * (1 - p) ** 2 * p.log() * 0.6 + (1 - hit) * p ** 2 * (1 - p).log() * 0.4)
    total = focal.sum() / max(1, len(idx)) * 4
    if idx:
        i, r = torch.tensor(idx).T
        q = y[i, r]
        want = nn.functional.one_hot(torch.tensor(cls), len(F.CLASSES)).float()
        total = total + nn.functional.binary_cross_entropy(q[:, 5:].clamp(1e-6, 1 - 1e-6), want)
        total = total + nn.functional.smooth_l1_loss(q[:, :4], torch.tensor(np.array(geo, np.float32)), beta=0.2) * 3
    return total


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", type=float, default=6)
    p.add_argument("--pictures", type=int, default=6000)
    p.add_argument("--checkpoint", default="demo_figures.pt.tmp")
    a = p.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(2)
    begun = time.time()
    with mp.Pool(2) as pool:
        data = pool.map(sample, range(1000, 1000 + a.pictures), chunksize=50)
    print(f"{len(data)} pictures in {time.time() - begun:.0f} s", flush=True)
    net, begun, step, batch = Net(), time.time(), 0, 24
    if pathlib.Path(a.checkpoint).exists():
        net.load_state_dict(torch.load(a.checkpoint))
    opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    rng = np.random.default_rng(0)
    while (gone := (time.time() - begun) / 60) < a.minutes:
        for group in opt.param_groups:
            group["lr"] = 3e-3 * max(0.02, 0.5 * (1 + np.cos(np.pi * gone / a.minutes)))
        some = [data[i] for i in rng.integers(0, len(data), batch)]
        flip = rng.random(batch) < 0.5
        x = torch.from_numpy(np.stack([(im[:, :, ::-1] if f else im) for (im, _), f in zip(some, flip)])).float()
        boxes = [b if not f else np.stack([b[:, 0], W - b[:, 3], b[:, 2], W - b[:, 1], b[:, 4]], 1) for (_, b), f in zip(some, flip)]
        loss = loss_of(net(x), boxes)
        opt.zero_grad(), loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 10)
        opt.step()
        step += 1
        if step % 50 == 0:
            print(f"step {step} loss {loss.item():.3f} after {gone:.1f} min", flush=True)
            torch.save(net.state_dict(), a.checkpoint)
    net.eval()
    HERE.mkdir(parents=True, exist_ok=True)
    path = HERE / "demo_figures.onnx"
    zeros = torch.zeros(1, 3, H, W)
    torch.onnx.export(net, zeros, str(path), input_names=["images"], output_names=["output"], opset_version=13,
                      dynamic_axes={"images": {0: "n"}, "output": {0: "n"}}, dynamo=False)
    import onnxruntime
    x = np.stack([sample(s)[0] for s in range(4)]).astype(np.float32)
    got = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"images": x})[0]
    gap = np.abs(got - net(torch.from_numpy(x)).detach().numpy()).max()
    assert gap < 1e-2, gap
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    card = f"""name: demo_figures
file: demo_figures.onnx
sha256: {sha}
licence: Apache-2.0
origin: "this project: scripts/train_demo_model.py on pictures drawn by scripts/scenes/figures.py; knows drawn figures, not people"
input: {{width: {W}, height: {H}, order: bgr, mean: [0, 0, 0], std: [1, 1, 1], fit: letterbox_top_left, pad: 114}}
head: {{type: yolox}}
classes: [{", ".join(F.CLASSES)}]
kinds: {{{", ".join(f"{c}: {c}" for c in F.CLASSES)}}}
precision: f32
measured:
  how: "for the demo and the tests alone: see testdata/truth; never use it on a real camera"
"""
    (HERE / "model.yml").write_text(card)
    print(f"{path}: {path.stat().st_size} bytes, {step} steps, largest difference to torch {gap:.1e}")


if __name__ == "__main__":
    main()
