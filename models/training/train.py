"""Trains the net on WORK's pictures and keeps WORK/checkpoint.pt every two minutes; started again, it goes on from there.

It starts from YOLOX-nano's public weights, which turn.py brings from SiLU to ReLU, and is held to what the public net says
and sees in the same pictures (loss.py). The rate follows the minutes spent, so a run takes what it was
given on any machine; a GPU is used when there is one. New files in WORK are seen after `--round` steps.
"""
import argparse
import math
import pathlib
import time
import warnings

import numpy as np
import torch
from torch import nn

from data import Pictures
from loss import apart, cells, loss_of
from material import H, HERE, PUBLIC, W
from net import Net, hidden, pretrained
from steps import Steps
from turn import turn

RATE = 8e-4  # of a weight's own size, a step
# A cut of this size costs 0.38 of a whole picture: the first part of the time goes to them.
CUT, CUTS = (160, 256), 0.6
HELD = 8.0  # weight of what it sees
TURNED = 64  # pictures that SiLU becomes ReLU with


class Told(nn.Module):
    """The public net with all that is learnt from it as outputs."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        y, marks = self.net.told(x)
        return torch.cat([y[..., :4], y[..., 4:].sigmoid()], -1), *marks


def keep_public(net, path):
    names = ["output", *(f"mark{i}" for i in range(len(net.marks())))]
    free = {"images": {0: "n", 2: "h", 3: "w"}, "output": {0: "n", 1: "rows"}, **{n: {0: "n", 2: f"h{n}", 3: f"w{n}"} for n in names[1:]}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Told(net).eval(), torch.zeros(1, 3, H, W), str(path), input_names=["images"], output_names=names, opset_version=13, dynamic_axes=free, dynamo=False)


def save(path, **state):
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.rename(path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    p.add_argument("--from", dest="start", type=pathlib.Path, help="YOLOX-nano as ONNX, or a checkpoint of this program; without it the weights are random")
    p.add_argument("--minutes", type=float, default=100, help="all together, with those of earlier starts (default: %(default)s)")
    p.add_argument("--steps", type=int, help="stop after so many instead")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--round", type=int, default=10000, help="steps after which WORK is read again")
    p.add_argument("--threads", type=int, default=1, help="beside the one that makes the pictures")
    p.add_argument("--rate", type=float, default=RATE)
    p.add_argument("--synthetic", type=float, default=0.35, help="share of pictures that start from synthetic frames (default: %(default)s)")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pictures, fresh = Pictures(a.work, a.synthetic), 0
    net, kept, begin = Net(), a.work / "checkpoint.pt", a.work / "turned.pt"
    if not begin.exists():
        public = pretrained(a.start, exact=True) if a.start else Net().smooth(True)
        keep_public(public, a.work / PUBLIC)
        net = pretrained(a.start) if a.start else net
        rng = np.random.default_rng(0)
        some = torch.stack([torch.from_numpy(pictures.sample(rng)[0]).float() for _ in range(TURNED if a.start else 1)])
        left, lifts = turn(net, public, some)
        print(f"SiLU became ReLU: {np.mean(left):.3f} of the variance left, at worst {max(left):.3f}", flush=True)
        save(begin, net=net.state_dict(), lifts=lifts)
    state = torch.load(begin)
    net.load_state_dict(state["net"])
    marks = {id(m) for m in net.marks()}
    lifts = [lift.to(device) for m, lift in zip(hidden(net), state["lifts"]) if id(m) in marks]
    state = torch.load(kept, map_location=device) if kept.exists() else None
    net = net.to(device)
    steps, step, spent = Steps(net), 0, 0.0
    if state:
        steps.load(state["steps"])
        step = fresh = state["step"]
        spent = state["spent"]
        print(f"going on from step {step}, {spent:.1f} min", flush=True)
    saved = begun = time.time()
    sums = torch.zeros(3)

    def part():
        return step / a.steps if a.steps else spent / a.minutes

    def keep():
        # The average of the last weights is what is exported.
        save(kept, mean=steps.averaged(net), steps=steps.state(), step=step, spent=spent)

    while part() < 1:
        size = CUT if part() < CUTS else (H, W)
        grid = cells(*size)
        if step >= fresh + a.round:
            pictures, fresh = Pictures(a.work, a.synthetic), step
        pictures.seed, (pictures.height, pictures.width) = step, size
        print(f"{len(pictures.real)} real clips, {len(pictures.synthetic)} synthetic files, cut-outs by kind {[len(c) for c in pictures.cutouts]}", flush=True)
        loader = iter(torch.utils.data.DataLoader(pictures, a.batch, num_workers=1, prefetch_factor=3))
        for _ in range(a.round):
            x, boxes, counts, drawn, (said, *said_inside) = next(loader)
            rate = a.rate * min(1, (step + 1) / 100) * max(0.01, 0.5 * (1 + math.cos(math.pi * min(1, part()))))
            x = x.to(device).to(memory_format=torch.channels_last).float()
            y, seen = net.told(x)
            # Assigning is many small steps, which a GPU does no faster.
            loss, found = loss_of(y.float().cpu(), boxes, counts, drawn, said, grid)
            far = apart(seen, [m.to(device) for m in said_inside], lifts, drawn.to(device)).cpu()
            (loss + HELD * far).backward()
            step += 1
            steps.take(rate, min(0.995, step / (step + 20)))
            now = time.time()
            spent, begun = spent + (now - begun) / 60, now
            sums += torch.tensor([loss.item(), far.item(), found])
            if step % 50 == 0:
                print("step {} loss {:.3f} apart {:.3f} rows {:.0f} after {:.1f} min".format(step, *(sums / 50).tolist(), spent), flush=True)
                sums.zero_()
            if now - saved > 120:
                keep()
                saved = now
            if part() >= 1 or (size == CUT and part() >= CUTS):
                break
        del loader
    keep()
    print(f"{kept}: {step} steps, {spent:.1f} min", flush=True)


if __name__ == "__main__":
    main()
