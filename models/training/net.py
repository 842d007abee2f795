"""The detector: plain 3x3 convolutions with ReLU, 16 to 96 channels, strides 8, 16 and 32; output in YOLOX's layout.

Input [n, 3, H, W] BGR, 0..1 (0..255 after `for_bytes`); output [n, rows, 5 + kinds]: x and y in cells from the cell's corner, logarithms of width and
height in cells, objectness, one value a kind. Any multiple of 32 fits as a side.
"""
import torch
from torch import nn
from torch.nn.functional import interpolate

from material import KINDS


def conv(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class Net(nn.Module):
    def __init__(self, kinds=len(KINDS), stem=(8, 16), low=32, mid=64, deep=96, head=32):
        super().__init__()
        self.low = nn.Sequential(conv(3, stem[0], 2), conv(stem[0], stem[1], 2), conv(stem[1], low, 2), conv(low, low))
        self.mid = nn.Sequential(conv(low, mid, 2), conv(mid, mid), conv(mid, mid))
        self.deep = nn.Sequential(conv(mid, deep, 2), conv(deep, deep), conv(deep, deep))
        self.to_mid, self.to_low = nn.Conv2d(deep, mid, 1), nn.Conv2d(mid, low, 1)
        self.heads = nn.ModuleList(nn.Sequential(conv(c, head), nn.Conv2d(head, 5 + kinds, 1)) for c in (low, mid, deep))
        for branch in self.heads:
            nn.init.normal_(branch[1].weight, std=0.01)
            branch[1].bias.data = torch.tensor([0.5, 0.5, 1.0, 1.0, -4.5] + [-1.0] * kinds)

    def rows(self, x):
        """As the output, with logits in place of the objectness and the kinds."""
        a = self.low(x)
        b = self.mid(a)
        c = self.deep(b)
        b = b + interpolate(self.to_mid(c), scale_factor=2.0, mode="nearest")
        a = a + interpolate(self.to_low(b), scale_factor=2.0, mode="nearest")
        return torch.cat([branch(f).flatten(2).transpose(1, 2) for branch, f in zip(self.heads, (a, b, c))], 1)

    def for_bytes(self):
        """From here on the input is 0..255, as the card says; in training it is 0..1. Spares the model a division."""
        self.low[0][0].weight.data /= 255
        return self

    def forward(self, x):
        y = self.rows(x)
        return torch.cat([y[..., :4], y[..., 4:].sigmoid()], -1)
