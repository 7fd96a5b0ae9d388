"""The recorder over tiny pipelines of every class: it records, or says why not; never changes."""

import warnings
from copy import deepcopy

import pytest
import torch
from diffusers import ModelMixin

from sdlab.attention import planning
from sdlab.attention.collector import Collector
from sdlab.attention.hooks import Part, recording
from sdlab.attention.layers import find_layers, is_unet
from sdlab.attention.layouts import is_known, text_of_call
from sdlab.attention.network_text import bound, latents_size
from sdlab.errors import ModelError
from sdlab.experiment.attention_record import AttentionRecord
from tests.attention.reference import hook_count
from tests.zoo.chosen import FEW, cases
from tests.zoo.pipelines import RUNS, build

# What is not recorded, and a part of the sentence that says why.
UNREAD = {
    "Flux2KleinKVPipeline": "computes attention by Flux2KVAttnProcessor",
    "LTXConditionPipeline": "is not told how high and wide its picture is",
    "LTXI2VLongMultiPromptPipeline": "it sees something else too",
}
KINDS = {"all": (False, False), "text": (False, True)}


@pytest.mark.parametrize("name", cases(RUNS, FEW))
def test_it_is_recorded_or_says_why(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe, words = build(name)
        network = getattr(pipe, "transformer", None)
        if network is None or is_unet(network):
            return
        args, kwargs = first_call(pipe, network, words)
    before, plain = hook_count(network), output(network, args, kwargs)
    reason = None
    try:
        maps, recorded = record(network, args, kwargs)
        assert torch.equal(plain, recorded)
        check(maps)
    except ModelError as error:
        reason = str(error)
    assert torch.equal(plain, output(network, args, kwargs))
    assert hook_count(network) == before
    if not is_known(network):
        assert "cannot be read" in reason or "is not told" in reason
    elif name in UNREAD:
        assert UNREAD[name] in reason
    else:
        assert reason is None


def first_call(pipe, network, words):
    calls = []

    def keep(_, args, kwargs):
        if not calls:
            calls.append(deepcopy((args, kwargs)))

    assert isinstance(network, ModelMixin)
    handle = network.register_forward_pre_hook(keep, with_kwargs=True)
    pipe(**words)
    handle.remove()
    return calls[0]


def output(network, args, kwargs):
    torch.manual_seed(0)
    with torch.no_grad():
        found = network(*args, **kwargs)
    found = found[0] if isinstance(found, tuple) else found.sample
    return torch.stack(list(found)) if isinstance(found, (list, tuple)) else found


def record(network, args, kwargs):
    size = latents_size(network, bound(network, args, kwargs))
    kinds = {(layer.cross, layer.of_text) for layer in find_layers(network, size)}
    own = [word for word, kind in KINDS.items() if kind in kinds]
    wanted = AttentionRecord(self_layers=own, heads="all", tokens="all", dtype="float32")
    layers = planning.choose_layers(network, wanted, size)
    collector = Collector(wanted, layers, {}, 1)
    with recording(network, [Part(collector, {"cond": 0})]):
        found = output(network, args, kwargs)
    if collector.lost:
        raise ModelError(collector.lost)
    collector.commit(0, 0, 500.0, 1.0)
    maps = collector.finish(size, {})
    assert maps.facts.layers == layers
    text = text_of_call(network, args, kwargs)
    given = text.given[0] if text.given else text.length
    for layer in (*maps.cross_layers, *maps.text_layers):
        assert maps.maps(layer).shape[2] == given
    return maps, found


def check(maps):
    for layer in maps.cross_layers:
        words, share = maps.maps(layer).double().sum(2), maps.text_share(layer).double()
        torch.testing.assert_close(words, share, rtol=0, atol=1e-6)
        assert share.max() <= 1 + 1e-6
        if layer.joint:
            picture = maps.maps(f"{layer.name}.picture").double().sum((3, 4))
            assert (picture.reshape(share.shape) + share).max() <= 1 + 1e-6
