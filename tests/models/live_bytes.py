"""Counts the bytes alive at once while a module runs on the meta device: nothing is computed."""

import weakref
from collections import Counter
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode


class LiveBytes(TorchDispatchMode):
    """Follows every storage that is made, until the last tensor over it is gone."""

    def __init__(self, module):
        super().__init__()
        own = [*module.parameters(), *module.buffers()]
        self.weights = {tensor.untyped_storage()._cdata for tensor in own}
        self.owners = Counter()
        self.now = self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor)
        return out

    def _count(self, tensor):
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self.weights:
            return
        if not self.owners[key]:
            self.now += size
            self.peak = max(self.peak, self.now)
        self.owners[key] += 1
        weakref.finalize(tensor, self._gone, key, size)

    def _gone(self, key, size):
        self.owners[key] -= 1
        if not self.owners[key]:
            self.now -= size


@contextmanager
def fused_attention():
    """Let attention make nothing but its result, as fused kernels do."""
    real = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = lambda query, *args, **kwargs: torch.empty_like(query)
    try:
        yield
    finally:
        F.scaled_dot_product_attention = real


def peak(module, *args, **kwargs):
    """Return the most bytes alive at once beside weights and arguments."""
    with torch.no_grad(), fused_attention(), LiveBytes(module) as live:
        module(*args, **kwargs)
    return live.peak
