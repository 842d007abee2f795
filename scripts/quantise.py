#!/usr/bin/env python3
"""Makes an int8 model of a detector, with pictures of your own cameras, and checks that it still sees as well.

    scripts/quantise.py models/demo_figures --calibrate gate.mp4 facade.mp4 --out models/demo_figures_int8 --check labelled/images

Weights become int8 per channel, activations u8 (static QDQ). The first convolution, with one that works on each of its
channels alone, and what follows the last ones stay as they are: few channels gain nothing, and boxes and scores need their bits. The ranges of the activations are read from
--calibrate: frames spread over clips, or folders of pictures, put into the model's shape as its card says. All three ways to
choose a range are tried; the one that keeps most is taken: most mAP on the pictures of --check, or, without it, most
agreement with the model it was made from.

--check is a folder for `oriel models score`. A model that loses more than --loss-max there is not kept (exit code 1; --keep
keeps it all the same). Nothing is written into --out before all is done. Exit code 2: bad input.

Needs: pip install onnx onnxruntime opencv-python-headless pyyaml; and `oriel`, built.
"""
import argparse, contextlib, hashlib, io, json, logging, os, pathlib, re, shutil, subprocess, sys, tempfile

try:
    import cv2
    import numpy as np
    import onnx
    import onnx.version_converter
    import yaml
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import create_calibrator
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
    from onnxruntime.quantization.shape_inference import quant_pre_process
except ImportError as error:
    sys.exit(print(f"quantise: {error}: pip install onnx onnxruntime opencv-python-headless pyyaml", file=sys.stderr) or 2)

HERE = pathlib.Path(__file__).resolve().parent.parent
IMAGES = (".jpg", ".jpeg", ".png")
# 99.999, not 99.99: on models/demo_figures the latter loses 0.045 mAP, the former nothing.
METHODS = {"minmax": (CalibrationMethod.MinMax, {}), "percentile 99.999": (CalibrationMethod.Percentile, {"percentile": 99.999}),
           "entropy": (CalibrationMethod.Entropy, {})}
# Tensors of all layers are held for so many pictures at once.
CHUNK = 4
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
OPS = sorted({*QDQRegistry, *QLinearOpsRegistry})
# What becomes part of an int8 convolution.
RELU = ("Relu", "Clip")
SMOOTH = ("LeakyRelu", "PRelu", "HardSwish", "Swish", "Gelu", "Mish")


class Bad(Exception):
    """Bad input: exit code 2."""


def read_card(folder):
    path = folder / "model.yml"
    try:
        card = yaml.safe_load(path.read_text())
        for key in ("name", "file", "sha256", "licence", "origin", "input", "head", "classes", "kinds", "precision"):
            if key not in card:
                raise Bad(f"{path}: `{key}` is missing")
        for key in ("width", "height", "order", "mean", "std", "fit"):
            if key not in card["input"]:
                raise Bad(f"{path}: input: `{key}` is missing")
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise Bad(f"{path}: {error}")
    if card["precision"] != "f32":
        raise Bad(f"{path}: precision is {card['precision']}, expected f32")
    return card


def find_weights(folder, card):
    """By name and hash, where `oriel` looks too."""
    places = [folder, *map(pathlib.Path, filter(None, os.environ.get("ORIEL_MODELS", "").split(os.pathsep))), HERE.parent / "shared" / "models"]
    for place in [p for place in places for p in (place, place / "upstream")]:
        path = place / card["file"]
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]:
            return path
    raise Bad(f"{folder}: {card['file']} with sha256 {card['sha256']} is not beside its card nor in $ORIEL_MODELS")


def spread(count, wanted):
    return sorted({int((i + 0.5) * count / wanted) for i in range(min(count, wanted))})


def clip_frames(path, wanted):
    """BGR pictures, evenly spread over the clip."""
    def decode():
        clip = cv2.VideoCapture(str(path))
        while (got := clip.read())[0]:
            yield got[1]
        clip.release()
    count = sum(1 for _ in decode())  # what a container says of its length is not always true
    if not count:
        raise Bad(f"{path}: no clip or picture that can be read")
    chosen = set(spread(count, wanted))
    return [frame for i, frame in enumerate(decode()) if i in chosen]


def calibration(paths, wanted):
    """(pictures, in words what they are). The share of each path is the same; nothing of its name is kept."""
    clips, stills = [], []
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES)
            if not inside:
                raise Bad(f"{path}: holds no .jpg, .jpeg or .png")
            stills.append(inside)
        elif path.is_file() and path.suffix.lower() in IMAGES:
            stills.append([path])
        elif path.is_file():
            clips.append(path)
        else:
            raise Bad(f"{path}: no such file or folder")
    share = max(1, wanted // (len(clips) + len(stills)))
    frames = [frame for clip in clips for frame in clip_frames(clip, share)]
    pictures = []
    for path in (files[i] for files in stills for i in spread(len(files), share)):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise Bad(f"{path}: no picture that can be read")
        pictures.append(picture)
    words = [f"{len(frames)} frames of {len(clips)} clip{'s' * (len(clips) > 1)}"] * bool(frames) + [f"{len(pictures)} still pictures"] * bool(pictures)
    return frames + pictures, " and ".join(words)


def fit(picture, spec):
    """A BGR picture as the model wants it: u8 [1, 3, H, W], before mean and std."""
    W, H, (h, w) = spec["width"], spec["height"], picture.shape[:2]
    if spec["fit"] == "stretch":
        full = cv2.resize(picture, (W, H), interpolation=cv2.INTER_LINEAR)
    else:
        ratio = min(W / w, H / h)
        iw, ih = max(1, min(W, int(w * ratio))), max(1, min(H, int(h * ratio)))
        centred = spec["fit"] == "letterbox_centre"
        left, top = ((W - iw) // 2, (H - ih) // 2) if centred else (0, 0)
        full = np.full((H, W, 3), spec.get("pad", 0), np.uint8)
        full[top:top + ih, left:left + iw] = cv2.resize(picture, (iw, ih), interpolation=cv2.INTER_LINEAR)
    if spec["order"] == "rgb":
        full = full[..., ::-1]
    return np.ascontiguousarray(full.transpose(2, 0, 1)[None])


class Reader(CalibrationDataReader):
    def __init__(self, name, slots, spec):
        self.name, self.slots, self.spec = name, iter(slots), spec

    def get_next(self):
        slot = next(self.slots, None)
        if slot is None:
            return None
        if self.spec.get("samples", "f32") == "f32":
            mean, std = (np.array(self.spec[k], np.float32)[None, :, None, None] for k in ("mean", "std"))
            slot = (slot.astype(np.float32) - mean) / std
        return {self.name: slot}


@contextlib.contextmanager
def quiet():
    """The calibrators print their progress."""
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()):
        yield
    logging.disable(logging.NOTSET)


def prepare(source, target):
    """Folds what can be folded, and gives each node a name to be left out by."""
    try:
        with quiet():
            quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
            model = onnx.load(target)
            if next((o.version for o in model.opset_import if not o.domain), 0) < 13:  # scales per channel came with 13
                model = onnx.version_converter.convert_version(model, 13)
    except Exception as error:  # the library raises what it likes
        raise Bad(f"{source.name}: cannot be read as a model: {error}")
    if len(model.graph.input) != 1:
        raise Bad(f"{source.name}: has {len(model.graph.input)} inputs, expected 1")
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node):
        raise Bad(f"{source.name}: is quantised already")
    taken = set()
    for i, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{i}"
        taken.add(node.name)
    onnx.save(model, target)
    return model


def groups(node):
    return next((a.i for a in node.attribute if a.name == "group"), 1)


def ends(graph):
    """Names of the nodes before and with the first convolutions, with their activations, and of those from the last ones on."""
    makers = {o: n for n in graph.node for o in n.output}
    takers = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)

    def walk(names, step):
        seen = {}
        while names:
            for node in step(names.pop()):
                if node.name not in seen:
                    seen[node.name] = node
                    if node.op_type not in WEIGHTED:
                        names += node.output if step is forward else node.input
        return seen

    forward, backward = lambda name: takers.get(name, []), lambda name: [makers[name]] if name in makers else []
    first = walk([i.name for i in graph.input], forward)
    weighted = [n for n in first.values() if n.op_type in WEIGHTED]
    for node in weighted:
        if node.op_type == "Conv" and groups(node) == 1:
            # At this size a convolution of single channels is cheaper in f32 than taking its input apart.
            weighted += [n for n in walk([*node.output], forward).values() if n.op_type == "Conv" and groups(n) > 1]
    for node in weighted:
        first[node.name] = node
        for after in takers.get(node.output[0], []):
            if after.op_type in (*RELU, *SMOOTH, "Sigmoid", "HardSigmoid"):
                first[after.name] = after
                both = {node.output[0], after.output[0]}  # x * sigmoid(x)
                first.update({n.name: n for n in takers.get(after.output[0], []) if n.op_type == "Mul" and set(n.input) == both})
    return [*{**first, **walk([o.name for o in graph.output], backward)}]


def activations(graph):
    """How many ReLU, and how many others; a SiLU is x * sigmoid(x)."""
    sigmoids = {n.output[0]: n.input[0] for n in graph.node if n.op_type in ("Sigmoid", "HardSigmoid")}
    smooth = sum(n.op_type in SMOOTH for n in graph.node)
    smooth += sum(n.op_type == "Mul" and any(sigmoids.get(a) == b for a, b in (n.input, n.input[::-1])) for n in graph.node)
    return sum(n.op_type in RELU for n in graph.node), smooth


def ranges(prepared, name, slots, spec, method):
    kind, options = METHODS[method]
    with quiet(), tempfile.TemporaryDirectory() as work:
        calibrator = create_calibrator(prepared, None, augmented_model_path=str(pathlib.Path(work) / "augmented.onnx"), calibrate_method=kind, extra_options=options)
        for i in range(0, len(slots), CHUNK):
            calibrator.collect_data(Reader(name, slots[i:i + CHUNK], spec))
        return calibrator.compute_data()


def write_int8(prepared, target, found, left_out, bits):
    with quiet():
        quantizer = QDQQuantizer(onnx.load(prepared), True, bits == 7, QuantType.QInt8, QuantType.QUInt8, found, [], left_out, OPS, {})
        quantizer.quantize_model()
        quantizer.model.save_model_to_file(str(target), False)


def find_oriel(named):
    built = [HERE / "target" / profile / "oriel" for profile in ("release", "debug")]
    newest = sorted((p for p in built if p.is_file()), key=lambda p: p.stat().st_mtime)
    for program in [named] if named else [*newest[::-1][:1], shutil.which("oriel")]:
        if program and pathlib.Path(program).is_file():
            return str(program)
    raise Bad(f"{named or 'oriel'}: no such program; build it with `cargo build --release` or name it with --oriel")


def run_oriel(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode == 2:
        raise Bad(done.stderr.strip())
    return done


def write_card(folder, card, file):
    """`card` for the model `file`, which lies in `folder`."""
    card = {**card, "sha256": hashlib.sha256((folder / file).read_bytes()).hexdigest()}
    (folder / "model.yml").write_text(yaml.safe_dump(card, sort_keys=False, default_flow_style=None, width=2000, allow_unicode=True))


def score(program, folder, baseline, images, labels, loss_max, work):
    """The object of `oriel models score --json`."""
    out = work / "score.json"
    out.unlink(missing_ok=True)
    done = run_oriel(program, "models", "score", folder, images, *(["--labels", labels] if labels else []), "--baseline", baseline, "--loss-max", loss_max, "--json", out)
    if not out.is_file():
        raise RuntimeError(f"oriel models score: {done.stderr.strip()}")
    return json.loads(out.read_text())


def own_labels(program, baseline, pictures, work):
    """What the model itself sees in the calibration pictures, as a folder of labelled pictures; None if it is nothing."""
    folder = work / "agreement"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(folder / "images" / f"{i:04}.png"), picture)
    done = run_oriel(program, "detect", "--model", baseline, folder / "images", "--json", work / "own.json")
    if done.returncode:
        raise RuntimeError(f"oriel detect: {done.stderr.strip()}")
    found = 0
    for image in json.loads((work / "own.json").read_text())["images"]:
        lines = []
        for d in image["detections"]:
            l, t, r, b = d["box"]
            lines.append(f"{d['class_id']} {(l + r) / 2:.6f} {(t + b) / 2:.6f} {r - l:.6f} {b - t:.6f}\n")
        found += len(lines)
        (folder / "labels" / image["file"]).with_suffix(".txt").write_text("".join(lines))
    return folder / "images" if found else None


def make(a, work):
    source = a.card.resolve()
    card = read_card(source)
    out = a.out.resolve()
    if out.exists():
        raise Bad(f"{a.out}: exists already, expected a new folder")
    if not re.fullmatch(r"[a-z0-9_.-]{1,64}", out.name):
        raise Bad(f"{a.out}: its name becomes the model's, expected [a-z0-9_.-]")
    if a.check and not a.check.is_dir():
        raise Bad(f"{a.check}: expected a folder of labelled pictures")
    weights, program = find_weights(source, card), find_oriel(a.oriel)
    pictures, material = calibration(a.calibrate, a.frames)
    prepared = work / "prepared.onnx"
    model = prepare(weights, prepared)
    slots = [fit(picture, card["input"]) for picture in pictures]
    print(f"{card['name']}: calibrated with {material}")
    relu, smooth = activations(model.graph)
    if not relu:
        print(f"{card['name']} has no ReLU (but {smooth} SiLU, LeakyReLU or the like): nothing else becomes part of an int8 convolution in ONNX Runtime, so expect a smaller file and no gain in speed")
    left_out = ends(model.graph)
    convolutions = sum(n.op_type in WEIGHTED for n in model.graph.node)
    kept = sum(n.op_type in WEIGHTED and n.name in left_out for n in model.graph.node)

    images = a.check or own_labels(program, source, pictures[::max(1, len(pictures) // 60)], work)
    labels = a.labels if a.check else None
    draft = {k: v for k, v in card.items() if k not in ("url", "measured", "accuracy", "quantised")}
    draft |= {"name": out.name, "file": f"{out.name}.onnx", "origin": f"{card['name']} in int8, made by scripts/quantise.py; {card['name']}: {card['origin']}", "precision": "int8"}
    tried = []
    for method in METHODS:
        folder = work / method.replace(" ", "_") / out.name
        folder.mkdir(parents=True)
        write_int8(prepared, folder / draft["file"], ranges(prepared, model.graph.input[0].name, slots, card["input"], method), left_out, a.bits)
        how = f"static QDQ, u8 activations, int8 weights per channel{' of 7 bits' * (a.bits == 7)}, {method}; {kept} of {convolutions} convolutions left in f32"
        this = draft | {"quantised": {"from": card["name"], "sha256": card["sha256"], "how": how, "calibration": material}}
        write_card(folder, this, draft["file"])
        if images is None:
            print("the model sees nothing in these pictures, so the methods cannot be compared: minmax is taken")
            tried.append((0.0, None, folder, this))
            break
        result = score(program, folder, source, images, labels, a.loss_max, work)
        print(f"  {method}: {'mAP' if a.check else 'agreement'} {result['model']['map']:.4f}, loss {result['loss']:.4f}; {result['model']['cpu_ms']['median'] / result['baseline']['cpu_ms']['median']:.2f} of the CPU time")
        tried.append((result["model"]["map"], result, folder, this))
    _, result, folder, best = max(tried, key=lambda t: t[0])
    accuracy = {"how": "not measured: no labelled pictures were given"}
    refused = False
    if a.check:
        refused = result["loss"] > a.loss_max
        accuracy = {"map": round(result["model"]["map"], 4), "ap50": round(result["model"]["ap50"], 4),
                    "how": f"COCO protocol on {result['pictures']} {a.how}, {result['marked']} boxes; {card['name']} has {result['baseline']['map']:.4f} there"}
    write_card(folder, best | {"accuracy": accuracy | {"baseline": card["name"], "loss_max": a.loss_max}}, draft["file"])
    if refused:
        print(f"quantise: {out.name} loses {result['loss']:.4f} mAP against {card['name']}, more than the {a.loss_max} that is allowed{'' if a.keep else '; nothing was written (--keep keeps it)'}", file=sys.stderr)
    if not refused or a.keep:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place first: a rename is all or nothing within one file system only.
        beside = pathlib.Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
        try:
            shutil.copytree(folder, beside, dirs_exist_ok=True)
            beside.chmod(0o755)
            beside.rename(out)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        print(f"{a.out}: {best['quantised']['how']}; {(out / draft['file']).stat().st_size} bytes of {weights.stat().st_size}")
    return 1 if refused else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("card", type=pathlib.Path, help="folder with the model's card")
    p.add_argument("--calibrate", nargs="+", required=True, metavar="CLIP_OR_IMAGES", help="clips, pictures, or folders of pictures")
    p.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="new folder; its name is the model's")
    p.add_argument("--check", type=pathlib.Path, metavar="IMAGES", help="folder of labelled pictures")
    p.add_argument("--labels", type=pathlib.Path, help="as of `oriel models score`")
    p.add_argument("--loss-max", type=float, default=0.01, help="mAP that may be lost, 0..1 (default: %(default)s)")
    p.add_argument("--how", default="labelled pictures", metavar="PICTURES", help="what the card says of the pictures of --check (default: %(default)s)")
    p.add_argument("--frames", type=int, default=200, help="calibration pictures, all together (default: %(default)s)")
    p.add_argument("--bits", type=int, choices=(7, 8), default=7, help="of the weights; 8 overflow on x86 without VNNI (default: %(default)s)")
    p.add_argument("--keep", action="store_true", help="keep a model that loses more than allowed")
    p.add_argument("--oriel", help="the program (default: the newest of target/, else of $PATH)")
    a = p.parse_args()
    if not 0 <= a.loss_max <= 1:
        p.error(f"--loss-max {a.loss_max}: expected 0 to 1")
    if a.frames < 1:
        p.error(f"--frames {a.frames}: expected at least 1")
    try:
        with tempfile.TemporaryDirectory(prefix="quantise.") as work:
            return make(a, pathlib.Path(work))
    except Bad as error:
        print(f"quantise: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"quantise: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
