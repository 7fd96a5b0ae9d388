"""The columns of every table: name, unit and meaning.

``x_t`` is the noisy latent as the network is given it (variance preserving: x_t =
sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps), whatever coordinates the solver works in, so that
all solvers share one axis. With flow matching it is x_t = (1 - t) x0 + t eps, sigma is t / (1 - t)
and infinite at t = 1. ``sigma`` is sqrt((1 - alpha_bar) / alpha_bar) always.
"""

Columns = dict[str, tuple[str, str]]

WHERE: Columns = {
    "run": ("", "id of the run"),
    "step": ("", "solver step, from 0"),
    "evaluation": ("", "network evaluation, from 0; a CFG pair counts as one"),
    "timestep": ("", "training timestep given to the network, 0 ... 999, may be fractional"),
    "sigma": ("", "noise level, sqrt((1 - alpha_bar) / alpha_bar)"),
}

NOISE: Columns = {
    "alpha_bar": ("", "signal variance, 1 / (1 + sigma^2)"),
    "log_snr": ("nat", "-2 ln sigma"),
}

# Only in ``steps`` of flow matching, after ``log_snr``.
FLOW: Columns = {
    "flow_time": ("", "t of x_t = (1 - t) x0 + t eps, sigma / (1 + sigma); 1 where sigma is inf"),
}

STATISTICS: Columns = {
    "x_t_mean": ("latent", "mean of x_t"),
    "x_t_std": (
        "latent",
        "population standard deviation of the values of x_t (in `channels` of one channel's), as"
        " the network is given it (VP, whatever the solver works in): noise alone has 1",
    ),
    "x_t_min": ("latent", "least value of x_t"),
    "x_t_max": ("latent", "greatest value of x_t"),
    "x0_pred_mean": ("latent", "mean of the predicted clean latent"),
    "x0_pred_std": (
        "latent",
        "population standard deviation of the values of the predicted clean latent",
    ),
    "x0_pred_min": ("latent", "least value of the predicted clean latent"),
    "x0_pred_max": ("latent", "greatest value of the predicted clean latent"),
    "eps_cond_norm": (
        "latent",
        "Euclidean norm of the predicted noise given the prompt, with flow matching of the"
        " velocity; missing where a pipeline's halves cannot be told",
    ),
    "eps_uncond_norm": (
        "latent",
        "the same given the negative prompt; missing without CFG",
    ),
    "guidance_norm": ("latent", "norm of eps_cond - eps_uncond; missing without CFG"),
    "cosine": ("", "cosine between eps_cond and eps_uncond; missing without CFG"),
    "displacement": (
        "latent",
        "distance to the next evaluated point (for the last: to the final latents), in VE"
        " coordinates x_t sqrt(1 + sigma^2), where a constant x0_pred gives a straight path; with"
        " flow matching of x_t itself, which is straight then too",
    ),
    "angle_deg": (
        "degree",
        "angle between this displacement and the one before; missing for the first",
    ),
}

STEPS: Columns = {
    **WHERE,
    **NOISE,
    **STATISTICS,
    "ms": (
        "ms",
        "wall time of the network call that served this evaluation, or of its several calls, with"
        " what making its attention maps took where they were recorded",
    ),
    "samples": ("", "samples in that call, those of other runs in it too"),
}

STEP_MEASURES = {
    name: name.replace("_", " ") + (f" ({unit})" if unit else "")
    for name, (unit, _) in STEPS.items()
    if name not in ("run", "step", "evaluation", "timestep", "sigma", "samples")
}
"""The columns of ``STEPS`` that measure something, by what charts call them."""

CHANNELS: Columns = {
    **WHERE,
    "channel": ("", "latent channel, from 0"),
    **STATISTICS,
}

TOKENS: Columns = {
    "run": ("", "id of the run"),
    "prompt": (
        "",
        "'prompt' or 'negative'; of several text encoders also 'prompt_2', 'negative_2' and so on,"
        " where those were given",
    ),
    "position": ("", "place in the sequence, CLIP's 0 ... 76; past its end for what was cut"),
    "id": ("", "token id in the tokenizer's vocabulary, CLIP's of 49,408"),
    "piece": ("", "the vocabulary entry; in CLIP's </w> closes a word, in T5's \u2581 begins one"),
    "word": ("", "the word of the prompt that the piece belongs to; empty for special tokens"),
    "word_index": ("", "number of that word in the prompt, from 0; missing for special tokens"),
    "kind": (
        "",
        "'start', 'word', 'end' or 'pad'; 'template' for what a pipeline writes around a prompt",
    ),
    "mask": ("", "1 for start, word and end, 0 for pads and what was cut"),
    "cut": ("", "whether the length limit, 77 for CLIP, cut this piece off"),
}

# After ``prompt`` in the tokens table of a pipeline with several tokenizers.
TOKENIZER: Columns = {
    "tokenizer": ("", "which tokenizer: 'tokenizer', 'tokenizer_2', ..."),
}

TIMINGS: Columns = {
    "run": ("", "id of the run"),
    "stage": ("", "'encode', 'network', 'solver' or 'decode'"),
    "evaluation": ("", "for network and solver; missing for encode and decode"),
    "ms": ("ms", "wall time of the stage (CUDA events on CUDA)"),
    "samples": ("", "samples in the network call; missing for other stages"),
}

ATTENTION: Columns = {
    **WHERE,
    "half": ("", "'cond' for the prompt, 'uncond' for the negative prompt"),
    "layer": ("", "cross-attention layer, its dotted name in the network"),
    "grid": ("cells", "width x height of the layer's maps"),
    "head": ("", "attention head, from 0; missing where heads were reduced to their mean or max"),
    "position": ("", "place of the token in the sequence, from 0"),
    "piece": ("", "the vocabulary entry; </w> closes a word"),
    "word": ("", "the word of the prompt that the piece belongs to; empty for special tokens"),
    "kind": ("", "'start', 'word', 'end' or 'pad'"),
    "mass": (
        "",
        "the token's share of the layer's attention, the mean of its map; with the heads' maximum"
        " kept, of the largest share of any head, and not adding up to 1 over the tokens",
    ),
    "entropy": ("nat", "of the map scaled to sum 1; ln(cells) if all places are alike"),
    "x": ("side", "centroid of the map, 0 at the left edge to 1 at the right"),
    "y": ("side", "centroid of the map, 0 at the top edge to 1 at the bottom"),
    "spread": ("side", "root mean square distance from the centroid"),
    "peak": ("", "greatest share of attention that a place gives to the token"),
    "area": (
        "",
        "share of places above a threshold, by default half way from least to greatest value",
    ),
}

# Only of transformers in which words and picture stand in one softmax.
JOINT_ATTENTION: Columns = {
    "text_share": (
        "",
        "share of the layer's attention that goes to the text, all its tokens together; the rest"
        " goes to the picture",
    ),
}

# One row for each picture of a grid.
RUNS: Columns = {
    "run": ("", "id of the run"),
    "created": ("", "when it was made, UTC"),
    "prompt": ("", "what was to be drawn"),
    "negative_prompt": ("", "what was steered away from"),
    "seed": ("", "of the start noise"),
    "solver": ("", "name of `sdlab schedulers`"),
    "curve": ("", "how sigma falls; missing for what the model's config says"),
    "num_steps": ("", "solver steps"),
    "guidance_scale": ("", "uncond + s (cond - uncond)"),
    "eta": ("", "share of fresh noise; missing for the solver's own"),
    "width": ("px", "of the picture"),
    "height": ("px", "of the picture"),
    "model": ("", "the name under which the model was loaded"),
    "model_hash": ("", "16 hex digits of its weights"),
    "device": ("", "where it ran, such as cpu or cuda:0"),
    "dtype": ("", "what the network computed in"),
    "nfe": ("", "network evaluations"),
    "seconds": ("s", "wall time of the run, in which others may have been served too"),
    "shared": ("", "whether other runs shared its network calls"),
    "fast": ("", "whether the network of a float32 model computed in bfloat16"),
    "attention": ("", "whether attention was recorded"),
    "options": ("", "all further fields of the experiment that are not at their default, as JSON"),
    "star": ("", "whether a person gave it a star"),
    "tags": ("", "a person's tags, separated by a comma and a space"),
    "note": ("", "a person's note"),
    "bytes": ("byte", "size of its files"),
    "comparison": (
        "",
        "id of a comparison or sweep that it is part of; empty if there is none",
    ),
    "owner": ("", "whose it is, separated by a comma and a space; empty without login"),
    "path": ("", "its folder"),
    "problem": ("", "why its folder cannot be read; empty for a whole run"),
}

GRID: Columns = {
    "run": ("", "id of the run"),
    "column": ("", "place along the first axis, from 0"),
    "row": ("", "place along the second axis, from 0; 0 if there is none"),
    "table": ("", "place along the third axis, from 0; 0 if there is none"),
    "prompt": ("", "what was to be drawn"),
    "negative_prompt": ("", "what was steered away from"),
    "seed": ("", "of the start noise"),
    "solver": ("", "name of `sdlab schedulers`"),
    "solver_options": ("", "its options as JSON; empty for none"),
    "curve": ("", "how sigma falls; missing for what the model's config says"),
    "curve_options": ("", "its options as JSON; empty for none"),
    "num_steps": ("", "solver steps"),
    "guidance_scale": ("", "uncond + s (cond - uncond)"),
    "guidance_rescale": ("", "0 ... 1"),
    "eta": ("", "share of fresh noise; missing for the solver's own"),
    "width": ("px", "of the picture"),
    "height": ("px", "of the picture"),
    "fast": ("", "whether the network of a float32 model computed in bfloat16"),
    "strength": ("", "how much of the source picture is drawn anew; missing without one"),
    "controlnet_conditioning_scale": ("", "the ControlNet's weight; missing without one"),
    "prompt_2": ("", "the second text encoder's prompt; missing where none was given"),
    "prompt_3": ("", "the third text encoder's"),
    "negative_prompt_2": ("", "the second text encoder's negative prompt"),
    "negative_prompt_3": ("", "the third text encoder's"),
    "true_cfg_scale": ("", "guidance by a second evaluation; missing for the pipeline's own"),
    "max_sequence_length": ("", "tokens that are read; missing for the pipeline's own"),
    "pipeline_options": ("", "further arguments of the pipeline as JSON; empty for none"),
    "model": ("", "the name under which the model was loaded"),
    "model_hash": ("", "16 hex digits of its weights; empty while there is no picture"),
    "nfe": ("", "network evaluations; missing while there is no picture"),
    "seconds": ("s", "wall time of the run, in which others may have been served too"),
    "shared": ("", "whether other runs shared its network calls; missing without a picture"),
    "error": ("", "why there is no picture; empty if there is one"),
}

TABLES: dict[str, Columns] = {
    "steps": STEPS,
    "channels": CHANNELS,
    "tokens": TOKENS,
    "timings": TIMINGS,
}

# Only in runs that recorded attention.
OPTIONAL_TABLES: dict[str, Columns] = {
    "attention": ATTENTION,
}
