"""Which pipelines of diffusers are not in the zoo, and why."""

SOUND = "makes sounds"
WORDLESS = "takes no words"
FILMS = "makes films of several frames"
RETIRED = "retired by diffusers"
FTFY = "cleans its words with the package ftfy, which is not installed"
VISION = "needs torchvision, which is not installed"
# By the beginning of a module's name below diffusers.pipelines.
MODULES = {
    "ace_step": SOUND,
    "audioldm2": SOUND,
    "longcat_audio_dit": SOUND,
    "stable_audio": SOUND,
    "llada2": "makes text",
    "diffusion_gemma": "makes text",
    "rfd4_proteina": "makes proteins",
    "shap_e": "makes solid shapes",
    "marigold": "measures a picture, and takes no words",
    "consistency_models": WORDLESS,
    "ddim": WORDLESS,
    "ddpm": WORDLESS,
    "dit": WORDLESS,
    "latent_diffusion.pipeline_latent_diffusion_superresolution": WORDLESS,
    "stable_video_diffusion": WORDLESS,
    "ltx.pipeline_ltx_i2v_long_multi_prompt": FILMS + ", in windows",
    "ltx.pipeline_ltx_latent_upsample": WORDLESS,
    "ltx2.pipeline_ltx2_latent_upsample": WORDLESS,
    "ltx2.pipeline_ltx2_diffusion_decode": WORDLESS,
    "kandinsky6.pipeline_kandinsky6_sr": WORDLESS,
    "allegro": FILMS,
    "animatediff": FILMS,
    "anyflow": FILMS,
    "chronoedit": FILMS,
    "cogvideo": FILMS,
    "consisid": FILMS,
    "cosmos": "checks its pictures with the package cosmos_guardrail, which is not installed",
    "easyanimate": FILMS,
    "helios": FILMS,
    "hunyuan_video1_5": FILMS,
    "hunyuan_video": FILMS,
    "kandinsky5.pipeline_kandinsky_i2v": FILMS,
    "kandinsky6": FILMS,
    "latte": FILMS,
    "ltx2": FILMS + ", with sound",
    "lucy": FILMS,
    "motif_video": FILMS,
    "pag.pipeline_pag_sd_animatediff": FILMS,
    "sana_video": FILMS,
    "sana_wm": FILMS,
    "skyreels_v2": FILMS,
    "wan.pipeline_wan_animate": FILMS,
    "deprecated": RETIRED,
    "controlnet.pipeline_controlnet_blip_diffusion": RETIRED,
    "ledits_pp": "inverts a picture in a call of its own first",
    "kandinsky.": "its text encoder (multilingual CLIP) is a class of the pipeline's own folder",
    "latent_diffusion.pipeline_latent_diffusion": "its text encoder is its folder's own",
    "omnigen": VISION,
    "visualcloze": "takes rows of example pictures",
}
# By the class's name: before what its module says.
CLASSES = {
    "BriaFibo2Pipeline": "its words are taken from six places of a 36-layer model at fixed widths",
    "ChromaInpaintPipeline": "cannot be called: it reads guidance_embeds, which its network lacks",
    "DiffusionPipeline": "is every pipeline's base",
    "FluxPriorReduxPipeline": "makes words of a picture, no picture",
    "HunyuanImageRefinerPipeline": "refines latents of another pipeline's size",
    "HunyuanVideoPipeline": None,
    "KolorsImg2ImgPipeline": "needs its own tokenizer's file: it drops words given as numbers",
    "KandinskyV22PriorPipeline": "makes the numbers that another pipeline draws from, no picture",
    "KandinskyV22PriorEmb2EmbPipeline": "makes the numbers that another pipeline draws from",
    "StableCascadePriorPipeline": "makes the numbers that another pipeline draws from, no picture",
    "StableDiffusionLDM3DPipeline": "gives a picture and its depth, no latents",
    "StableDiffusionXLControlNetXSPipeline": "takes no size, and its network here names none",
    "StableUnCLIPPipeline": "draws by a prior of its own whose parts diffusers no longer tests",
    "StableUnCLIPImg2ImgPipeline": "draws from a picture's numbers by parts of its own folder",
    "ZImageOmniPipeline": "casts to bfloat16 itself",
}


def why_not(name, cls, retired_but_in=()):
    """Return why a class is not built tiny, or None where it is."""
    if name in CLASSES:
        return CLASSES[name]
    if name in retired_but_in:
        return None
    module = cls.__module__.removeprefix("diffusers.pipelines.")
    return next((why for begin, why in MODULES.items() if module.startswith(begin)), None)
