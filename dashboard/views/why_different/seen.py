"""What is said on the Why different? page."""

EMPTY = (
    "Name two runs, or drop two files: pictures of sdlab, AUTOMATIC1111, Forge, ComfyUI or "
    "InvokeAI, a ComfyUI workflow, parameters as text, a manifest or a scheduler_config.json."
)
ONE = "One more: name the other run, or drop the other file."
ABOUT = "What differs, the largest effect first."
ABOUT_COSTS = (
    "What each difference does to the first picture by itself, and all of them at once, in "
    "standard deviations of its latents and in units of what its sampler itself is off by."
)
HOW_TO_READ = (
    "At each step of the first the two predict a finished picture; the line is how far these are "
    "apart. Above the dashed line they count as different pictures; the upright line is where they "
    "part for good."
)
EQUATIONS = (
    r"x_T = s\,n(\text{seed}), \qquad n_\text{CPU}(\text{seed}) \neq n_\text{GPU}(\text{seed})",
)
WHY = (
    "The same **seed** is the same **start noise** only where the same generator draws it, in the "
    "same shape: PyTorch draws other numbers on a GPU than on the CPU. From the same noise, the "
    "same model and words, what is left is the **noise levels** that the program runs, how it "
    "scales the start, how it reads weights in the prompt, and the sampler's own error. What a "
    "file does not say is the program's default, which is written down here from its source."
)
