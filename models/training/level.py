"""Prints what export.py's --shift has to be so that 0.4, the service's default, is the best score: on synthetic frames that
were neither trained on nor are judged on (synthetic.py --suite with another --suite-first).
"""
import argparse
import math
import pathlib

from evaluate import SCORES, Ours, f1, of_suite, tally

WANTED = 0.4


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path, help="exported without a shift")
    p.add_argument("frames", type=pathlib.Path)
    a = p.parse_args()
    sums = tally(Ours(a.model), of_suite(a.frames))
    # All kinds count alike; the sum of them is smoother than each.
    best = SCORES[sum(f1(counts) for counts in sums.values()).argmax()]
    logit = lambda v: math.log(v / (1 - v))
    print(f"{logit(WANTED) - logit(best):.2f}")


if __name__ == "__main__":
    main()
