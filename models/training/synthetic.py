"""Synthetic frames, through a real H.264 or H.265 encoder: WORK/synthetic/NNNN.npz, in the form of teacher.py's files.

Every eighth file holds drawn figures of `scripts/scenes` in place of scenes in space, so that the clips of `make demo` are
known too. `--suite FOLDER` writes the judging suite instead: images/*.png and labels/*.txt (class, centre x, centre y, width,
height as fractions) from seeds that training never takes; what is hidden or too small is in ignored/*.txt.
"""
import argparse
import multiprocessing
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np

from material import HERE, REPOSITORY
from world import H, W, Scene

sys.path.insert(0, str(REPOSITORY / "scripts"))
from scenes import pictures as drawn  # noqa: E402

SHOTS, SCENES, BETWEEN = 4, 10, 0.35  # of a scene, of a file, seconds
SUITE = 1_000_000


def encoded(rng, pictures):
    """Pictures [n, h, w, 3] as a camera's encoder hands them on."""
    n, h, w, _ = pictures.shape
    codec = rng.choice(["libx264", "libx265"], p=[0.6, 0.4])
    quality = int(rng.integers(22, 36))
    quiet = ["-hide_banner", "-loglevel", "error", "-threads", "1"]
    extra = ["-x265-params", "log-level=error:pools=1:frame-threads=1"] if codec == "libx265" else []
    with tempfile.TemporaryDirectory() as folder:
        clip = f"{folder}/clip.mkv"
        raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{w}x{h}"]
        subprocess.run(["ffmpeg", *quiet, *raw, "-r", "10", "-i", "-", "-c:v", codec, "-preset", "veryfast", "-crf", str(quality), *extra,
                        "-pix_fmt", "yuv420p", clip], input=pictures.tobytes(), check=True)
        back = subprocess.run(["ffmpeg", *quiet, "-i", clip, "-f", "rawvideo", "-pix_fmt", "bgr24", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(back, np.uint8).reshape(-1, h, w, 3)[:n]


def shots(rng, scenes, each):
    pictures, rows = [], []
    for _ in range(scenes):
        scene = Scene(rng)
        for k in range(each):
            picture, boxes = scene.shot(k * BETWEEN)
            rows += [[len(pictures), *box] for box in boxes.tolist()]
            pictures.append(picture)
    return np.stack(pictures), rows


def figures(seed, count):
    """Drawn figures on a grey picture of W x H; birds and falling things count as background."""
    pictures, rows = [], []
    grow = W / drawn.W
    for i in range(count):
        picture, boxes = drawn.draw(seed * 1000 + i)
        size = W, round(len(picture) * grow)
        pictures.append(np.ascontiguousarray(cv2.resize(picture, size)[:H, :, ::-1]))
        for kind, *box in boxes.tolist():
            if kind <= 2:
                l, t, r, b = np.array(box) * grow
                rows.append([i, l, t, r, min(b, H), 1.0, kind])
                if kind == 1:
                    # The rider of a drawn two-wheeler belongs to its box.
                    rows.append([i, l, t, r, b, 0.3, 0])
    return np.stack(pictures), rows


def write(job):
    seed, path, scenes, each = job
    rng = np.random.default_rng(seed)
    pictures, rows = figures(seed, scenes * each) if seed % 8 == 7 else shots(rng, scenes, each)
    part = path.with_suffix(".tmp")
    with open(part, "wb") as file:
        np.savez(file, pictures=encoded(rng, pictures), boxes=np.array(rows, np.float32).reshape(-1, 7))
    part.rename(path)
    return path.name


def suite_file(job):
    seed, folder = job
    rng = np.random.default_rng(SUITE + seed)
    pictures, rows = shots(rng, 5, 2)
    for i, picture in enumerate(encoded(rng, pictures)):
        name = f"{seed:03}-{i:02}"
        cv2.imwrite(str(folder / "images" / f"{name}.png"), picture)
        for part, wanted in (("labels", True), ("ignored", False)):
            lines = [f"{int(k)} {(l + r) / 2 / W:.6f} {(t + b) / 2 / H:.6f} {(r - l) / W:.6f} {(b - t) / H:.6f}\n"
                     for n, l, t, r, b, sure, k in rows if n == i and (sure > 0.5) == wanted]
            (folder / part / f"{name}.txt").write_text("".join(lines))
    return f"suite {seed}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=pathlib.Path, default=HERE / "work")
    p.add_argument("--files", type=int, default=60, help="of 40 frames each (default: %(default)s)")
    p.add_argument("--scenes", type=int, default=SCENES, help="of a file (default: %(default)s)")
    p.add_argument("--suite", type=pathlib.Path)
    p.add_argument("--suite-files", type=int, default=30, help="of 10 pictures each (default: %(default)s)")
    p.add_argument("--suite-first", type=int, default=0, help="first seed of the suite; another one gives other pictures")
    p.add_argument("--jobs", type=int, default=2)
    a = p.parse_args()
    cv2.setNumThreads(0)
    if a.suite:
        for part in ("images", "labels", "ignored"):
            (a.suite / part).mkdir(parents=True, exist_ok=True)
        work, jobs = suite_file, [(a.suite_first + i, a.suite) for i in range(a.suite_files)]
    else:
        out = a.work / "synthetic"
        out.mkdir(parents=True, exist_ok=True)
        every = ((i, out / f"{i:04}.npz", a.scenes, SHOTS) for i in range(a.files))
        work, jobs = write, [j for j in every if not j[1].exists()]
    with multiprocessing.Pool(a.jobs) as pool:
        for done in pool.imap_unordered(work, jobs):
            print(done, flush=True)


if __name__ == "__main__":
    main()
