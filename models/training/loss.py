"""What the net is punished for: where it leaves the public net it started from, and where both leave what is known.

Of each row (a cell of one stride) the public net says an objectness, a value for each class, and a box; that is what the row
should say too, with two exceptions. A row that answers for a known box (SimOTA's assignment) should give that box, an
objectness of 1 and its overlap as the class's value. And a row whose box agrees with none that is known keeps its objectness,
which other things than ours have too, but its classes should say little, or nothing in a synthetic picture, where all is known.

Sources: YOLOX (assignment; sums of cross entropy and of a loss on overlaps, here GIoU), knowledge distillation on soft targets.
"""
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce, silu

from data import SURE
from material import CLASSES, KINDS, STRIDES

# Of the public net's class values, where no known box agrees: a real picture's boxes are another net's, not the truth.
DOUBTED = 0.3
# Classes of each kind, as a mask [kinds, classes].
OF_KIND = torch.tensor([[kind == k for kind in CLASSES.values()] for k in KINDS])


def cells(height, width):
    """Columns, lines and strides of all rows, [rows] each."""
    parts = []
    for s in STRIDES:
        line, column = torch.meshgrid(torch.arange(height // s), torch.arange(width // s), indexing="ij")
        parts.append(torch.stack([column.flatten(), line.flatten(), torch.full((column.numel(),), s)]).float())
    return torch.cat(parts, 1)


def corners(y, grid):
    """Boxes in pixels of rows [.., rows, 4 or more]."""
    column, line, stride = grid
    x, yy = (y[..., 0] + column) * stride, (y[..., 1] + line) * stride
    w, h = y[..., 2].clamp(-4, 5).exp() * stride / 2, y[..., 3].clamp(-4, 5).exp() * stride / 2
    return torch.stack([x - w, yy - h, x + w, yy + h], -1)


def ious(a, b):
    """Overlap and generalised overlap of boxes that broadcast."""
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(0).prod(-1)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - inner
    iou = inner / (union + 1e-6)
    return iou, iou - (hull - union) / (hull + 1e-6)


@torch.no_grad()
def assign(scores, boxes, wanted, kinds, grid):
    """Which box [rows] each row answers for, -1 for none, and the overlap [rows]; for one picture. `scores` [rows, kinds]."""
    column, line, stride = grid
    centre = torch.stack([(column + 0.5) * stride, (line + 0.5) * stride], 1)
    middle = (wanted[:, :2] + wanted[:, 2:]) / 2
    near = ((centre[None] - middle[:, None]).abs() < 1.5 * stride[None, :, None]).all(2)
    rows = near.any(0).nonzero()[:, 0]
    near = near[:, rows]
    iou, _ = ious(boxes[None, rows], wanted[:, None])
    p = scores[rows].sqrt().clamp(1e-4, 1 - 1e-4)
    cost = -p[:, kinds].T.log() - 3 * (iou + 1e-6).log() + 1e5 * ~near
    most = min(10, len(rows))
    count = iou.where(near, 0).topk(most, 1).values.sum(1).int().clamp(1)
    best = cost.topk(most, 1, largest=False).indices
    takes = torch.zeros_like(near).scatter_(1, best, torch.arange(most)[None] < count[:, None]) & near
    owner = cost.where(takes, 1e9).argmin(0)
    taken = takes.any(0)
    match = torch.full((len(scores),), -1)
    match[rows[taken]] = owner[taken]
    quality = torch.zeros(len(scores))
    quality[rows[taken]] = iou[owner[taken], taken.nonzero()[:, 0]]
    return match, quality


@torch.no_grad()
def targets(y, batch, counts, drawn, said, grid):
    """What each row should say: objectness [n, rows], classes [n, rows, classes] and their weight [n, rows], boxes
    [n, rows, 4] and their weight [n, rows]; and how many rows answer for known boxes."""
    own, theirs = corners(y, grid), corners(said, grid)
    thing, classes, boxes = said[..., 4].clone(), said[..., 5:].clone(), theirs.clone()
    class_weight, box_weight = thing.clone(), thing * classes.max(-1).values
    box_weight[box_weight < 0.1] = 0
    p = y[..., 4:].sigmoid()
    p = torch.stack([(p[..., :1] * p[..., 1:])[..., members].max(-1).values for members in OF_KIND], -1)
    ours, found = OF_KIND.any(0), 0
    for i, n in enumerate(counts.tolist()):
        known = batch[i, :n]
        sure = known[known[:, 4] >= SURE]
        seen = ious(theirs[i, :, None], known[None, :, :4])[0].max(1).values > 0.4 if n else torch.zeros(len(y[i]), dtype=torch.bool)
        doubted = (~seen).nonzero()[:, 0]
        classes[i, doubted[:, None], ours.nonzero()[:, 0]] *= 0 if drawn[i] else DOUBTED
        box_weight[i, doubted] *= 0 if drawn[i] else DOUBTED
        if not len(sure):
            continue
        kinds = sure[:, 5].long()
        match, quality = assign(p[i], own[i], sure[:, :4], kinds, grid)
        rows = (match >= 0).nonzero()[:, 0]
        # Which of a kind's classes it is, the public net knows best.
        members = OF_KIND[kinds[match[rows]]]
        best = said[i, rows, 5:].where(members, -1).argmax(1)
        classes[i, rows] = 0
        classes[i, rows, best] = quality[rows]
        thing[i, rows], class_weight[i, rows], box_weight[i, rows] = 1, 1, 1
        boxes[i, rows] = sure[match[rows], :4]
        found += len(rows)
    return thing, classes, class_weight, boxes, box_weight, found


def loss_of(y, batch, counts, drawn, said, grid):
    """Loss of rows `y` (logits) and the number of rows that answer for known boxes; `batch` [n, MOST, 6]: box, score, kind;
    `said` is the public net's output for the same pictures."""
    thing, classes, class_weight, boxes, box_weight, found = targets(y.detach(), batch, counts, drawn, said, grid)
    _, giou = ious(corners(y, grid), boxes)
    total = bce(y[..., 4], thing, reduction="sum")
    total = total + (bce(y[..., 5:], classes, reduction="none").sum(-1) * class_weight).sum()
    total = total + 5 * ((1 - giou) * box_weight).sum()
    return total / thing.sum().clamp(8), found


def apart(marks, said, lifts, drawn):
    """How far what the net sees [n, c, h, w] is from what the public net saw, in the variance of the latter; the mean of all marks.

    Both go through SiLU, without the lift (turn.py): what is far below zero does not matter."""
    weight, total = torch.where(drawn, 0.3, 1.0), 0
    for ours, theirs, lift in zip(marks, said, lifts):
        theirs = silu(theirs)
        far = ((silu(ours - lift[:, None, None]) - theirs) ** 2).mean((1, 2, 3)) / theirs.var((0, 2, 3)).mean().clamp(1e-3)
        total = total + (far * weight).mean()
    return total / len(marks)
