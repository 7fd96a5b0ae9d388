"""One thread at a time builds networks, for the libraries change PyTorch for all meanwhile."""

import threading

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers.utils import logging

from sdlab.models.quiet import building, quiet


def test_two_threads_that_build_leave_pytorch_as_it_was():
    before = nn.Module.register_parameter
    built, entered, go_on = [], threading.Event(), threading.Event()

    def build(name, *waits):
        with building(), init_empty_weights():
            entered.set()
            for wait in waits:
                wait.wait(60)
            built.append(name)

    first = threading.Thread(target=build, args=("first", go_on))
    second = threading.Thread(target=build, args=("second",))
    first.start()
    assert entered.wait(60)
    second.start()
    second.join(0.2)
    assert second.is_alive() and not built
    go_on.set()
    first.join(60), second.join(60)
    assert built == ["first", "second"]
    assert nn.Module.register_parameter is before
    assert nn.Linear(1, 1).weight.device == torch.device("cpu")


def test_the_last_of_two_that_are_quiet_puts_the_warnings_back():
    before = logging.get_verbosity()
    first, second = quiet(), quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert logging.get_verbosity() == logging.ERROR != before
    second.__exit__(None, None, None)
    assert logging.get_verbosity() == before
