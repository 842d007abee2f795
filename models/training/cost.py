"""CPU time of models for one picture: one thread, batch 1, all of them in turns in one process, so that a noisy machine is
fair to them. Prints the least and the median of --runs; free sides are taken as 416x256, or as the model's own.
"""
import argparse
import pathlib
import time

import numpy as np

from detectors import session
from material import H, W


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", type=pathlib.Path, nargs="+", help="ONNX files")
    p.add_argument("--runs", type=int, default=200)
    a = p.parse_args()
    jobs = []
    for path in a.models:
        net = session(path, 1)
        first = net.get_inputs()[0]
        shape = [d if isinstance(d, int) else free for d, free in zip(first.shape, (1, 3, H, W))]
        jobs.append((path.name, net, {first.name: np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)}, []))
    for _ in range(a.runs):
        for _, net, x, spent in jobs:
            begun = time.process_time()
            net.run(None, x)
            spent.append((time.process_time() - begun) * 1e3)
    for name, _, _, spent in jobs:
        print(f"{name}: least {min(spent):.2f} ms, median {np.median(spent):.2f} ms, {min(spent) / min(jobs[0][3]):.2f} of the first")


if __name__ == "__main__":
    main()
