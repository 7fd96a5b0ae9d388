"""What torch keeps for a whole thread, to be kept apart for computations that take turns in it."""

import torch


class ThreadMode:
    """Whether gradients and autocast are on, and the state of the random numbers."""

    def __init__(self) -> None:
        self._kinds = ("cpu", "cuda")
        self.read()

    def read(self) -> None:
        """Note the thread's state."""
        self._grad = torch.is_grad_enabled()
        self._autocast = [torch.is_autocast_enabled(kind) for kind in self._kinds]
        self._dtypes = [torch.get_autocast_dtype(kind) for kind in self._kinds]
        self._random = torch.get_rng_state()
        self._cuda_random = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None

    def seed(self, seed: int) -> None:
        """Let the random numbers begin as after ``torch.manual_seed(seed)``."""
        self._random = torch.Generator().manual_seed(seed).get_state()
        if self._cuda_random is not None:
            self._cuda_random = torch.Generator("cuda").manual_seed(seed).get_state()

    def restore(self) -> None:
        """Put the thread into the state noted."""
        torch.set_grad_enabled(self._grad)
        for kind, on, dtype in zip(self._kinds, self._autocast, self._dtypes, strict=True):
            torch.set_autocast_enabled(kind, on)
            torch.set_autocast_dtype(kind, dtype)
        torch.set_rng_state(self._random)
        if self._cuda_random is not None:
            torch.cuda.set_rng_state(self._cuda_random)
