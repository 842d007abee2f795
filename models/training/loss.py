"""What the net is punished for: SimOTA's assignment, quality focal loss for objectness, GIoU for boxes, BCE for kinds.

Sources: YOLOX (SimOTA: each box takes the cells near its centre that fit it best, as many as they overlap it in sum) and
Generalized Focal Loss (the objectness of a cell is the overlap its box reaches).
"""
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce, one_hot

from data import SURE
from material import STRIDES


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
def assign(y, boxes, wanted, kinds, grid):
    """Which box [rows] each row answers for, -1 for none, and the overlap [rows]; for one picture."""
    column, line, stride = grid
    centre = torch.stack([(column + 0.5) * stride, (line + 0.5) * stride], 1)
    middle = (wanted[:, :2] + wanted[:, 2:]) / 2
    near = ((centre[None] - middle[:, None]).abs() < 1.5 * stride[None, :, None]).all(2)
    rows = near.any(0).nonzero()[:, 0]
    near = near[:, rows]
    iou, _ = ious(boxes[None, rows], wanted[:, None])
    p = (y[rows, 4].sigmoid()[:, None] * y[rows, 5:].sigmoid()).sqrt().clamp(1e-4, 1 - 1e-4)
    cost = -p[:, kinds].T.log() - 3 * (iou + 1e-6).log() + 1e5 * ~near
    most = min(10, len(rows))
    count = iou.where(near, 0).topk(most, 1).values.sum(1).int().clamp(1)
    best = cost.topk(most, 1, largest=False).indices
    takes = torch.zeros_like(near).scatter_(1, best, torch.arange(most)[None] < count[:, None]) & near
    owner = cost.where(takes, 1e9).argmin(0)
    taken = takes.any(0)
    match = torch.full((len(y),), -1)
    match[rows[taken]] = owner[taken]
    quality = torch.zeros(len(y))
    quality[rows[taken]] = iou[owner[taken], taken.nonzero()[:, 0]]
    return match, quality


def loss_of(y, batch, counts, grid):
    """Sum of the three and the number of rows that answer; `batch` [n, MOST, 6]: box, score, kind."""
    boxes = corners(y, grid)
    centres = torch.stack([(grid[0] + 0.5) * grid[2], (grid[1] + 0.5) * grid[2]], 1)
    want = torch.zeros(y.shape[:2])
    weight = torch.ones(y.shape[:2])
    picks, goals, kinds = [], [], []
    for i, n in enumerate(counts.tolist()):
        known = batch[i, :n]
        sure = known[known[:, 4] >= SURE]
        vague = known[known[:, 4] < SURE]
        if len(vague):
            inside = ((centres[None] > vague[:, None, :2]) & (centres[None] < vague[:, None, 2:4])).all(2).any(0)
            weight[i, inside] = 0
        if not len(sure):
            continue
        match, quality = assign(y[i].detach(), boxes[i].detach(), sure[:, :4], sure[:, 5].long(), grid)
        rows = (match >= 0).nonzero()[:, 0]
        want[i, rows] = quality[rows].clamp(0.1)
        weight[i, rows] = 1
        picks.append(torch.stack([torch.full_like(rows, i), rows], 1))
        goals.append(sure[match[rows], :4])
        kinds.append(sure[match[rows], 5].long())
    p = y[..., 4].sigmoid()
    total = (bce(y[..., 4], want, reduction="none") * (want - p).abs() ** 2 * weight).sum()
    found = sum(map(len, picks))
    if found:
        i, r = torch.cat(picks).T
        goal, kind = torch.cat(goals), torch.cat(kinds)
        _, giou = ious(boxes[i, r], goal)
        total = total + 4 * (1 - giou).sum()
        total = total + 0.7 * bce(y[i, r, 5:], one_hot(kind, y.shape[-1] - 5).float(), reduction="none").sum(1).sum()
    return total / max(found, 1), found
