"""The detector: YOLOX-nano's graph with another activation, so that its public weights fit (Megvii, Apache-2.0).

Differences to the original: ReLU in place of SiLU, because only that becomes part of an int8 convolution; the shuffle of
pixels before the first convolution is part of that convolution, whose outermost pixels are left out; the three sizes of pooling come from one another; and of the
80 classes the rows of CLASSES alone are kept. BatchNorm is part of the convolutions, as in the public file.

Input [n, 3, H, W] BGR, 0..255; output [n, rows, 5 + kinds]: x and y in cells from the cell's corner, logarithms of width
and height in cells, objectness, one value a kind. Any multiple of 32 fits as a side.
"""
from functools import reduce

import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d, silu

from material import CLASSES, COCO, SEEN


class Act(nn.Module):
    """ReLU, or SiLU as in the original."""

    smooth = False

    def forward(self, x):
        return silu(x) if self.smooth else torch.relu(x)


def conv(i, o, k=1, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(i, o, k, stride, (k - 1) // 2, groups=groups), Act())


def apart(i, o, stride=1):
    """3x3 a channel, then 1x1 over the channels."""
    return nn.Sequential(conv(i, i, 3, stride, i), conv(i, o))


class Stage(nn.Module):
    """CSP: half of the channels pass by `depth` bottlenecks."""

    def __init__(self, i, o, depth, add):
        super().__init__()
        h = o // 2
        self.through, self.beside = conv(i, h), conv(i, h)
        self.steps = nn.ModuleList(nn.Sequential(conv(h, h), apart(h, h)) for _ in range(depth))
        self.out, self.add = conv(2 * h, o), add

    def forward(self, x):
        a, b = self.through(x), self.beside(x)
        for step in self.steps:
            a = a + step(a) if self.add else step(a)
        return self.out(torch.cat([a, b], 1))


class Pools(nn.Module):
    """What lies within 2, 4 and 6 cells, beside the cell itself."""

    def __init__(self, c):
        super().__init__()
        self.narrow, self.out = conv(c, c // 2), conv(2 * c, c)

    def forward(self, x):
        parts = [self.narrow(x)]
        for _ in range(3):
            parts.append(max_pool2d(parts[-1], 5, 1, 2))
        return self.out(torch.cat(parts, 1))


class Branch(nn.Module):
    """The rows of one stride, [n, 5 + classes, h, w], with logits in place of the objectness and the classes."""

    def __init__(self, c, classes, h=64):
        super().__init__()
        self.stem = conv(c, h)
        self.what, self.where = (nn.Sequential(apart(h, h), apart(h, h)) for _ in range(2))
        self.classes, self.box = nn.Conv2d(h, classes, 1), nn.Conv2d(h, 5, 1)

    def forward(self, x):
        x = self.stem(x)
        a = self.what(x)
        classes = self.classes(a)
        b = self.where(x)
        return torch.cat([self.box(b), classes], 1)


class Net(nn.Module):
    def __init__(self, classes=len(CLASSES)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 4, 2, 1), Act())
        self.quarter = nn.Sequential(apart(16, 32, 2), Stage(32, 32, 1, True))
        self.low = nn.Sequential(apart(32, 64, 2), Stage(64, 64, 3, True))
        self.mid = nn.Sequential(apart(64, 128, 2), Stage(128, 128, 3, True))
        self.deep = nn.Sequential(apart(128, 256, 2), Pools(256), Stage(256, 256, 1, False))
        self.narrow_deep, self.join_mid = conv(256, 128), Stage(256, 128, 1, False)
        self.narrow_mid, self.join_low = conv(128, 64), Stage(128, 64, 1, False)
        self.down_low, self.again_mid = apart(64, 64, 2), Stage(128, 128, 1, False)
        self.down_mid, self.again_deep = apart(128, 128, 2), Stage(256, 256, 1, False)
        self.heads = nn.ModuleList(Branch(c, classes) for c in (64, 128, 256))

    def rows(self, x):
        """As the output, with logits in place of the objectness and the classes."""
        a = self.low(self.quarter(self.stem(x)))
        b = self.mid(a)
        c = self.deep(b)
        narrow_c = self.narrow_deep(c)
        narrow_b = self.narrow_mid(self.join_mid(torch.cat([interpolate(narrow_c, scale_factor=2.0, mode="nearest"), b], 1)))
        low = self.join_low(torch.cat([interpolate(narrow_b, scale_factor=2.0, mode="nearest"), a], 1))
        mid = self.again_mid(torch.cat([self.down_low(low), narrow_b], 1))
        deep = self.again_deep(torch.cat([self.down_mid(mid), narrow_c], 1))
        return torch.cat([branch(f).flatten(2).transpose(1, 2) for branch, f in zip(self.heads, (low, mid, deep))], 1)

    def marks(self):
        """Convolutions whose output, before its activation, is held to the original's in training."""
        stages = [m.out[0] for m in self.modules() if isinstance(m, (Stage, Pools))]
        return stages + [part[1][1][0] for head in self.heads for part in (head.what, head.where)]

    def told(self, x):
        """`rows`, and the outputs of `marks`."""
        seen = []
        hooks = [m.register_forward_hook(lambda m, x, y: seen.append(y)) for m in self.marks()]
        y = self.rows(x)
        for hook in hooks:
            hook.remove()
        return y, seen

    def forward(self, x):
        """A kind is the best of its classes, so that a bus is not found a second time as a truck."""
        y = self.rows(x)
        p = y[..., 4:].sigmoid()
        if p.shape[-1] != 1 + len(CLASSES):
            return torch.cat([y[..., :4], p], -1)
        kinds = [reduce(torch.maximum, [p[..., 1 + i:2 + i] for i, k in enumerate(CLASSES.values()) if k == kind]) for kind in SEEN]
        return torch.cat([y[..., :4], p[..., :1], *kinds], -1)

    def smooth(self, smooth):
        """With SiLU, as the original, or with ReLU."""
        for m in self.modules():
            if isinstance(m, Act):
                m.smooth = smooth
        return self


def in_order(net):
    """The convolutions as they are run, which is their order in an exported file."""
    found = []
    hooks = [m.register_forward_hook(lambda m, *_: found.append(m)) for m in net.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        net(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return found


def hidden(net):
    """Those of them that an activation follows."""
    last = {id(m) for head in net.heads for m in (head.classes, head.box)}
    return [m for m in in_order(net) if id(m) not in last]


# Of the first convolution's 12 planes: where in a 2x2 block of pixels each three of them come from, (line, column).
BLOCK = ((0, 0), (1, 0), (0, 1), (1, 1))


def unshuffled(weight):
    """The first convolution over pixels, [o, 3, 6, 6], from the one over their blocks, [o, 12, 3, 3]."""
    whole = weight.new_zeros(len(weight), 3, 6, 6)
    for part, (line, column) in enumerate(BLOCK):
        whole[:, :, line::2, column::2] = weight[:, 3 * part:3 * part + 3]
    return whole


def inner(weight):
    """Its inner 4x4 pixels, which take over what the outermost ones weighed: neighbours are nearly alike."""
    whole = unshuffled(weight)
    for axis in (2, 3):
        first, last, body = whole.narrow(axis, 0, 1), whole.narrow(axis, 5, 1), whole.narrow(axis, 1, 4).clone()
        body.narrow(axis, 0, 1).add_(first)
        body.narrow(axis, 3, 1).add_(last)
        whole = body
    return whole


def pretrained(path, classes=CLASSES, exact=False):
    """YOLOX-nano of an ONNX file, with SiLU; `classes` of COCO's, or None for all 80; `exact` with the first convolution whole."""
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(str(path)).graph
    values = {i.name: torch.from_numpy(to_array(i).copy()) for i in graph.initializer}
    files = [n for n in graph.node if n.op_type == "Conv"]
    net = Net(len(classes or COCO)).smooth(True)
    if exact:
        net.stem[0] = nn.Conv2d(3, 16, 6, 2, 2)
    picked = [COCO.index(c) for c in classes or COCO]
    convolutions = in_order(net)
    if len(files) != len(convolutions) + len(net.heads):
        raise SystemExit(f"{path}: {len(files)} convolutions, expected YOLOX-nano's {len(convolutions) + len(net.heads)}")
    last, boxes = {id(head.classes) for head in net.heads}, {id(head.box) for head in net.heads}
    weights = [[values[name] for name in node.input[1:3]] for node in files]
    for n, m in enumerate(convolutions):
        weight, bias = weights[n]
        if n == 0 and weight.shape == (16, 12, 3, 3):
            weight = inner(weight) if m.kernel_size == (4, 4) else unshuffled(weight)
        if id(m) in boxes:
            # Box and objectness are one convolution here.
            more = weights.pop(n + 1)
            weight, bias = torch.cat([weight, more[0]]), torch.cat([bias, more[1]])
        if id(m) in last:
            weight, bias = weight[picked], bias[picked]
        if weight.shape != m.weight.shape:
            raise SystemExit(f"{path}: convolution {n} is {tuple(weight.shape)}, expected {tuple(m.weight.shape)}")
        m.weight.data, m.bias.data = weight, bias
    return net
