"""Which classes of the zoo are tried whenever the tests run; the others are marked ``every``."""

import pytest

# The most used, and one of each way of guiding, packing, noising and reading words.
OFTEN = {
    "AuraFlowPipeline",
    "BriaPipeline",
    "ChromaPipeline",
    "CogView3PlusPipeline",
    "CogView4Pipeline",
    "ErnieImagePipeline",
    "Flux2KleinPipeline",
    "Flux2Pipeline",
    "FluxControlNetPipeline",
    "FluxFillPipeline",
    "FluxImg2ImgPipeline",
    "FluxInpaintPipeline",
    "FluxKontextPipeline",
    "FluxPipeline",
    "HunyuanDiTPipeline",
    "HunyuanImagePipeline",
    "IFPipeline",
    "Kandinsky3Pipeline",
    "KandinskyV22CombinedPipeline",
    "KandinskyV22Pipeline",
    "KolorsPipeline",
    "LTXPipeline",
    "LatentConsistencyModelPipeline",
    "Lumina2Pipeline",
    "LuminaPipeline",
    "PixArtAlphaPipeline",
    "PixArtSigmaPipeline",
    "QwenImageControlNetPipeline",
    "QwenImageImg2ImgPipeline",
    "QwenImagePipeline",
    "SanaPipeline",
    "SanaSprintPipeline",
    "StableCascadeCombinedPipeline",
    "StableDiffusion3ControlNetPipeline",
    "StableDiffusion3Img2ImgPipeline",
    "StableDiffusion3InpaintPipeline",
    "StableDiffusion3PAGPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionControlNetPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionPAGPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionXLControlNetPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLPipeline",
    "WanPipeline",
    "ZImagePipeline",
}

# One of each kind, for what takes seconds a class.
FEW = {
    "AuraFlowPipeline",
    "CogView4Pipeline",
    "Flux2Pipeline",
    "FluxFillPipeline",
    "FluxPipeline",
    "HunyuanDiTPipeline",
    "IFPipeline",
    "KandinskyV22CombinedPipeline",
    "KolorsPipeline",
    "LTXPipeline",
    "LatentConsistencyModelPipeline",
    "Lumina2Pipeline",
    "PixArtSigmaPipeline",
    "QwenImagePipeline",
    "SanaPipeline",
    "StableCascadeCombinedPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionControlNetPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLPipeline",
    "WanPipeline",
    "ZImagePipeline",
}

# Of those, what is tried whenever the tests run: none is another's like in guiding and packing.
KINDS = FEW - {
    "AuraFlowPipeline",
    "HunyuanDiTPipeline",
    "LTXPipeline",
    "Lumina2Pipeline",
    "SanaPipeline",
    "StableDiffusionXLPipeline",
    "ZImagePipeline",
}


# Solvers of ours, one of each way of remembering, of asking within a step and of drawing noise.
OWN = {
    *("ddim", "dpmpp_2m", "dpmpp_sde", "euler_ancestral", "heun", "lms", "o_belm", "res_2s"),
    *("restart", "sa_solver", "seeds_2", "unipc"),
}
# The same of diffusers' schedulers.
THEIRS = {
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
}


def cases(names, chosen=OFTEN):
    """Return test parameters of classes, those not in `chosen` marked."""
    return [
        name if name in chosen else pytest.param(name, marks=pytest.mark.every) for name in names
    ]
