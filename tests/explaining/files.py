"""Files of other programs, in the words that they write."""

import copy
import io
import json

from PIL import Image
from PIL.PngImagePlugin import PngInfo

A1111 = """a (red:1.3) car on the beach
Negative prompt: rain
Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 7, Size: 512x512, \
Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Version: v1.10.1"""
COMFYUI = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            **{"seed": 7, "steps": 20, "cfg": 7.0, "denoise": 1.0},
            **{"sampler_name": "euler_ancestral", "scheduler": "karras"},
            **{"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]},
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple",
          "inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512,
                                                       "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode",
          "inputs": {"text": "a (red:1.3) car on the beach", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "rain", "clip": ["4", 1]}},
}  # fmt: skip
INVOKEAI = {
    "app_version": "5.4.0",
    "positive_prompt": "a (red:1.3) car on the beach",
    "negative_prompt": "rain",
    **{"width": 512, "height": 512, "seed": 7, "rand_device": "cpu"},
    **{"cfg_scale": 7.0, "cfg_rescale_multiplier": 0.0, "steps": 20, "scheduler": "euler_a"},
    "clip_skip": 0,
    "model": {"name": "v1-5-pruned-emaonly", "base": "sd-1", "hash": "blake3:1"},
}
IN_PARTS = {
    "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors",
                                                 "weight_dtype": "fp8_e4m3fn"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox", "clip": ["1", 0]}},
    "3": {"class_type": "FluxGuidance", "inputs": {"conditioning": ["2", 0], "guidance": 3.5}},
    "4": {"class_type": "BasicGuider", "inputs": {"model": ["1", 0], "conditioning": ["3", 0]}},
    "5": {"class_type": "RandomNoise", "inputs": {"noise_seed": 11}},
    "6": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "7": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 20,
                                                     "denoise": 1.0, "model": ["1", 0]}},
    "8": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 768,
                                                          "batch_size": 4}},
    "9": {"class_type": "SamplerCustomAdvanced",
          "inputs": {"noise": ["5", 0], "guider": ["4", 0], "sampler": ["6", 0],
                     "sigmas": ["7", 0], "latent_image": ["8", 0]}},
}  # fmt: skip


def png(**texts):
    """A picture's file with these texts."""
    info, file = PngInfo(), io.BytesIO()
    for key, value in texts.items():
        info.add_text(key, value if isinstance(value, str) else json.dumps(value))
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def comfyui(text="a (red:1.3) car on the beach", **sampler):
    """The graph with other values of its sampler, and another prompt."""
    graph = copy.deepcopy(COMFYUI)
    graph["3"]["inputs"] |= sampler
    graph["6"]["inputs"]["text"] = text
    return graph


def a1111(text=None, **pairs):
    """The parameters with other pairs; a name's underscores are spaces, None takes it away."""
    *lines, last = A1111.split("\n")
    held = dict(pair.split(": ", 1) for pair in last.split(", "))
    held |= {name.replace("_", " "): value for name, value in pairs.items()}
    last = ", ".join(f"{name}: {value}" for name, value in held.items() if value is not None)
    return "\n".join([text or lines[0], *lines[1:], last]).encode()


def as_interface(graph):
    """A graph as the interface saves it: nodes in a list, values in the order of their fields."""
    from sdlab.metadata.comfyui_graph import WIDGETS

    nodes, links = [], []
    for name, node in graph.items():
        kind, values = node["class_type"], node["inputs"]
        entries = []
        for entry, value in values.items():
            if isinstance(value, list):
                links.append([len(links) + 1, int(value[0]), value[1], int(name), 0, "ANY"])
                entries.append({"name": entry, "link": len(links)})
        widgets = [values.get(field, "fixed") for field in WIDGETS[kind]] if kind in WIDGETS else []
        nodes.append({"id": int(name), "type": kind, "widgets_values": widgets, "inputs": entries})
    return {"nodes": nodes, "links": links}
