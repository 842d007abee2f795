"""Adam whose steps are relative: each output channel's weights move by shares of their own size at the start.

With BatchNorm folded in, and pictures of 0..255, sizes differ a thousandfold between channels and layers; steps of one size
would wipe out the small ones, the first convolution above all.
"""
import torch

BETAS = 0.9, 0.99


class Steps:
    """All weights of `net` lie in one vector from here on, and so does their running mean, `mean`."""

    def __init__(self, net):
        parts = [*net.parameters()]
        self.values = torch.cat([p.data.flatten() for p in parts])
        self.sizes = torch.cat([self.size(p.data).flatten() for p in parts])
        self.mean = self.values.clone()
        self.first, self.second, self.count = torch.zeros_like(self.values), torch.zeros_like(self.values), 0
        self.parts = parts
        self.bind()

    @staticmethod
    def size(p):
        """Root mean square of each output channel, or of all biases of a convolution; none is next to nothing."""
        whole = p.square().mean().sqrt()
        if p.dim() == 1:
            return whole.expand_as(p)
        return p.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(whole * 0.1).expand_as(p)

    def bind(self):
        at = 0
        for p in self.parts:
            p.data = self.values[at:at + p.numel()].view(p.shape)
            at += p.numel()

    def take(self, rate, decay):
        """One step with the gradients that are there; `decay` of the running mean stays."""
        grad = torch.cat([p.grad.flatten() for p in self.parts])
        self.count += 1
        self.first.lerp_(grad, 1 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(grad, grad, value=1 - BETAS[1])
        spread = (self.second / (1 - BETAS[1] ** self.count)).sqrt_().add_(1e-12)
        move = (self.first / spread).clamp_(-3, 3).mul_(self.sizes)
        self.values.add_(move, alpha=-rate / (1 - BETAS[0] ** self.count))
        self.mean.lerp_(self.values, 1 - decay)
        for p in self.parts:
            p.grad = None

    def state(self):
        return {k: getattr(self, k) for k in ("values", "sizes", "mean", "first", "second", "count")}

    def load(self, state):
        for k, v in state.items():
            setattr(self, k, v)
        self.bind()

    def averaged(self, net):
        """The state of `net` with the running mean as its weights."""
        kept, self.values = self.values, self.mean
        self.bind()
        state = {k: v.clone() for k, v in net.state_dict().items()}
        self.values = kept
        self.bind()
        return state
