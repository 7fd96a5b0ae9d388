"""The columns of every table of a comparison: name, unit and meaning.

``picture`` is a prompt with a seed. Distances are root mean squares over the elements of the
latents, divided by the standard deviation of the reference's final latents, so 1 is about the
distance to an unrelated picture. All x_t are compared in VP coordinates at the same sigma (see
``sdlab.columns``).
"""

from sdlab.columns import Columns

REFERENCE = "reference"
"""The reference's name where it has rows beside the entrants; no entrant may have this label."""

WHO: Columns = {
    "entrant": ("", "label of the sampler"),
    "prompt": ("", "the prompt"),
    "seed": ("", "of the start noise"),
}

ENTRANTS: Columns = {
    "entrant": ("", "label of the sampler"),
    "solver": ("", "solver's short name or diffusers class"),
    "curve": ("", "how sigma falls; empty for the model's own spacing"),
    "eta": ("", "share of injected noise, where it was given"),
    "deterministic": ("", "whether it draws no noise after the start"),
    "num_steps": ("", "solver steps in the runs looked at in detail"),
    "nfe": ("", "network evaluations of those"),
    "start": ("", "sigma at which it starts"),
    "end": ("", "sigma at which it ends"),
    "notes": ("", "what stands against a fair comparison, sentences; empty if nothing does"),
}

RUNS: Columns = {
    **WHO,
    "budget": ("", "steps or evaluations allowed"),
    "num_steps": ("", "solver steps"),
    "nfe": ("", "network evaluations; a CFG pair counts as one"),
    "run": ("", "id of the run"),
    "state": ("", "'done', or how it ended: 'failed', 'cancelled', 'missing'"),
    "error": ("", "why it failed"),
    "seconds": ("s", "its share of network, solver, encoding and decoding time"),
    "distance": ("std", "of its final latents to the reference's"),
    "image_rmse": ("0-255", "root mean square difference of the pictures' values"),
    "psnr": ("dB", "of its picture against the reference's"),
    "ssim": ("", "of its picture against the reference's"),
    "fidelity": ("", "share of the prompt's statements that the picture fulfils, by the checker"),
}

REFERENCES: Columns = {
    "prompt": ("", "the prompt"),
    "seed": ("", "of the start noise"),
    "run": ("", "id of the reference's run"),
    "num_steps": ("", "its solver steps"),
    "nfe": ("", "its network evaluations"),
    "change": ("std", "distance between it and itself at half the steps"),
    "error": ("std", "its own error, estimated: a third of the change (second order)"),
}

STEPS: Columns = {
    **WHO,
    "step": ("", "solver step, from 0"),
    "evaluation": ("", "network evaluation, from 0"),
    "share": ("", "evaluations done, of all, 0 to 1"),
    "sigma": ("", "noise level"),
    "x_t_distance": ("std", "of x_t to the reference's at the same sigma"),
    "x0_distance": ("std", "of x0_pred to the reference's at the same sigma"),
    "x0_to_end": ("std", "of x0_pred to the reference's final latents"),
    "x_t_mean": ("latent", "mean of x_t"),
    "x_t_std": (
        "latent",
        "population standard deviation of the values of x_t (VP); noise alone has 1",
    ),
    "x0_pred_mean": ("latent", "mean of x0_pred"),
    "x0_pred_std": ("latent", "population standard deviation of the values of x0_pred"),
}

PAIRS: Columns = {
    "a": ("", "label of a sampler"),
    "b": ("", "label of another, or the same"),
    "distance": ("std", "root mean square over the pictures of the distance of final latents"),
    "pictures": ("", "pictures that both made"),
}

COST: Columns = {
    "entrant": ("", "label of the sampler"),
    "budget": ("", "steps or evaluations allowed"),
    "num_steps": ("", "solver steps"),
    "nfe": ("", "network evaluations"),
    "seconds": ("s", "median over the pictures"),
    "error": ("std", "geometric mean over the pictures of the distance to the reference"),
    "low": ("std", "of its 95 % interval; missing for one picture"),
    "high": ("std", "of its 95 % interval; missing for one picture"),
    "pictures": ("", "how many"),
    "floor": ("std", "below this the reference's own error counts"),
    "pareto": ("", "whether no other run is both quicker and nearer"),
}

SLOPES: Columns = {
    "entrant": ("", "label of the sampler"),
    "slope": ("", "fitted order: error falls as evaluations to minus this"),
    "low": ("", "of its 95 % interval"),
    "high": ("", "of its 95 % interval"),
    "first": ("", "fewest evaluations fitted"),
    "last": ("", "most evaluations fitted"),
    "points": ("", "how many were fitted"),
    "note": ("", "why there is no slope, if there is none"),
}

PATHS: Columns = {
    **WHO,
    "evaluation": ("", "network evaluation, from 0; the last row is the final latents"),
    "sigma": ("", "noise level"),
    "pc1": ("latent", "first principal component of x_t over all runs of the picture"),
    "pc2": ("latent", "second"),
    "share1": ("", "share of the variance that the first explains"),
    "share2": ("", "share of the variance that the second explains"),
}

QUALITY: Columns = {
    "entrant": ("", "label of the sampler"),
    "budget": ("", "steps or evaluations allowed"),
    "nfe": ("", "network evaluations"),
    "what": ("", "'object', 'colour', 'background', 'relation', or 'all' statements together"),
    "share": ("", "of the statements of that kind that hold"),
    "low": ("", "of its 95 % interval (Wilson)"),
    "high": ("", "of its 95 % interval"),
    "statements": ("", "how many"),
}

TIES: Columns = {
    "a": ("", "label of a sampler"),
    "b": ("", "label of another"),
    "ratio": ("", "geometric mean over the pictures of a's distance over b's"),
    "p": (
        "",
        "probability of so great a difference by luck, paired, corrected (Holm); missing for fewer"
        " than three pictures",
    ),
    "low": ("", "the ratio is at least this (interval at the level of the corrected test)"),
    "high": ("", "the ratio is at most this"),
    "least": ("", "smallest ratio that would have shown, with these pictures and their scatter"),
    "enough": ("", "pictures that would show this ratio, by this scatter; missing if it shows"),
    "tied": (
        "",
        "whether the interval lies within a factor of 1.5 and the difference may be luck or is"
        " below 1 %; missing without p",
    ),
    "open": ("", "whether the pictures are too few to tell: neither a difference nor a tie"),
    "pictures": ("", "how many"),
}

SPREAD: Columns = {
    "entrant": ("", "label of the sampler"),
    "what": (
        "",
        "'spread': distance between pictures of one prompt and different seeds; 'distance',"
        " 'image_rmse', 'psnr', 'ssim', 'fidelity': as in the runs",
    ),
    "mean": ("", "over the seeds of every prompt; of 'distance' the geometric one"),
    "low": ("", "of its 95 % interval; missing for fewer than three seeds"),
    "high": ("", "of its 95 % interval"),
    "n": ("", "seeds, times prompts"),
}

TABLES: dict[str, Columns] = {
    "entrants": ENTRANTS,
    "runs": RUNS,
    "references": REFERENCES,
    "steps": STEPS,
    "pairs": PAIRS,
    "cost": COST,
    "slopes": SLOPES,
    "paths": PATHS,
    "quality": QUALITY,
    "ties": TIES,
    "spread": SPREAD,
}
