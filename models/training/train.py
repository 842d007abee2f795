"""Trains the net on WORK's pictures and keeps WORK/checkpoint.pt every two minutes; started again, it goes on from there.

The rate follows the minutes spent, so a run takes what it was given on any machine; a GPU is used when there is one. New
files in WORK are seen at the next round (`--round` steps).
"""
import argparse
import copy
import math
import pathlib
import time

import torch

from data import Pictures
from loss import cells, loss_of
from material import H, HERE, W
from net import Net

RATE = 2.5e-3
# Most of a picture is background: the first part of the time goes to cuts of this size, which cost 0.38 of a whole picture.
CUT, CUTS = (160, 256), 0.4


def save(path, **state):
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.rename(path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    p.add_argument("--minutes", type=float, default=100, help="all together, with those of earlier starts (default: %(default)s)")
    p.add_argument("--steps", type=int, help="stop after so many instead")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--round", type=int, default=300, help="steps")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--synthetic", type=float, default=0.45, help="share of pictures that start from synthetic frames (default: %(default)s)")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = Net().to(device, memory_format=torch.channels_last)
    opt = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=5e-3)
    step, spent, kept = 0, 0.0, a.work / "checkpoint.pt"
    mean = copy.deepcopy(net)  # the average of the last weights: what is exported
    if kept.exists():
        state = torch.load(kept, map_location=device)
        net.load_state_dict(state["net"]), mean.load_state_dict(state["mean"]), opt.load_state_dict(state["opt"])
        step, spent = state["step"], state["spent"]
        print(f"going on from step {step}, {spent:.1f} min", flush=True)
    saved = begun = time.time()
    sums = [0.0, 0.0]

    def part():
        return step / a.steps if a.steps else spent / a.minutes

    def keep():
        save(kept, net=net.state_dict(), mean=mean.state_dict(), opt=opt.state_dict(), step=step, spent=spent)

    while part() < 1:
        size = CUT if part() < CUTS else (H, W)
        grid = cells(*size)
        pictures = Pictures(a.work, a.synthetic, step, size)
        print(f"{len(pictures.real)} real clips, {len(pictures.synthetic)} synthetic files, cut-outs by kind {[len(c) for c in pictures.cutouts]}", flush=True)
        loader = iter(torch.utils.data.DataLoader(pictures, a.batch, num_workers=1, prefetch_factor=3))
        for _ in range(a.round):
            x, boxes, counts = next(loader)
            for group in opt.param_groups:
                group["lr"] = RATE * min(1, (step + 1) / 100) * max(0.01, 0.5 * (1 + math.cos(math.pi * min(1, part()))))
            x = x.to(device).to(memory_format=torch.channels_last).float() / 255
            # Assigning is many small steps, which a GPU does no faster.
            loss, found = loss_of(net.rows(x).float().cpu(), boxes, counts, grid)
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10)
            opt.step()
            step += 1
            with torch.no_grad():
                decay = min(0.998, step / (step + 20))
                for m, n in zip(mean.state_dict().values(), net.state_dict().values()):
                    m.lerp_(n, 1 - decay) if m.is_floating_point() else m.copy_(n)
            now = time.time()
            spent, begun = spent + (now - begun) / 60, now
            sums = [sums[0] + loss.item(), sums[1] + found]
            if step % 50 == 0:
                print(f"step {step} loss {sums[0] / 50:.3f} rows {sums[1] / 50:.0f} after {spent:.1f} min", flush=True)
                sums = [0.0, 0.0]
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
