"""How often a sampler of k-diffusion's family calls the network over given sigmas.

One call a step, or more, of which a step that ends at sigma 0 needs only one. Read from the loops
of k-diffusion's and ComfyUI's ``sampling.py``.
"""

from collections.abc import Mapping, Sequence

from sdlab.errors import unknown

COSTS: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "euler", "euler_ancestral", "euler_cfg_pp", "euler_ancestral_cfg_pp", "lms", "ddim",
            "ddpm", "lcm", "dpmpp_2m", "dpmpp_2m_cfg_pp", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu",
            "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu",
            "ipndm", "ipndm_v", "deis", "res_multistep", "res_multistep_cfg_pp",
            "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp", "gradient_estimation",
            "gradient_estimation_cfg_pp", "er_sde", "sa_solver", "uni_pc", "uni_pc_bh2",
        ),
        1,
    ),
    **dict.fromkeys(
        (
            "heun", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_2s_ancestral_cfg_pp",
            "dpmpp_sde", "dpmpp_sde_gpu", "seeds_2", "exp_heun_2_x0", "exp_heun_2_x0_sde",
        ),
        2,
    ),
    **dict.fromkeys(("seeds_3", "heunpp2"), 3),
}  # fmt: skip
"""Calls of a step that does not end at 0, by k-diffusion's and ComfyUI's name of the sampler."""

DISCARDING = frozenset({"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"})
"""Samplers for which ComfyUI asks for a step more and leaves the last sigma above 0 out."""

CHOOSING = frozenset({"dpm_fast", "dpm_adaptive"})
"""Samplers that take the two ends of a schedule alone and lay out steps of their own."""


def evaluations(sampler: str, sigmas: Sequence[float]) -> int:
    """Return how often a sampler calls the network from the first sigma to the last.

    Args:
        sampler: A name of ``COSTS``.
        sigmas: Descending, one more than there are steps.

    Raises:
        ValueError: If the sampler is not known, or lays out steps of its own.
    """
    if sampler in CHOOSING:
        raise ValueError(
            f"sampler {sampler!r} takes only the highest and the lowest sigma of a schedule and"
            " lays its own steps between them; name another sampler."
        )
    if sampler not in COSTS:
        raise ValueError(unknown("sampler", sampler, COSTS))
    cost, ends = COSTS[sampler], sigmas[1:]
    calls = [1 if end == 0 else cost for end in ends]
    if sampler == "heunpp2" and len(calls) > 1 and ends[-1] == 0:
        calls[-2] = 2  # one step before the end it is Heun
    return sum(calls)
