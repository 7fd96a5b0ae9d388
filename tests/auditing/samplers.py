"""Samplers of k-diffusion's shape, written from their definitions, for audits of this file."""

import torch


def _slope(x, denoised, sigma):
    return (x - denoised) / sigma


def _levels(sigmas):
    return zip(sigmas[:-1], sigmas[1:], strict=True)


def sample_euler(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """Euler's method."""
    ones = x.new_ones([x.shape[0]])
    for sigma, following in _levels(sigmas):
        x = x + _slope(x, model(x, sigma * ones, **(extra_args or {})), sigma) * (following - sigma)
    return x


def sample_heun(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """Heun's method, whose last step to 0 is Euler's."""
    ones = x.new_ones([x.shape[0]])
    for sigma, following in _levels(sigmas):
        slope = _slope(x, model(x, sigma * ones), sigma)
        if following > 0:
            ahead = x + slope * (following - sigma)
            slope = (slope + _slope(ahead, model(ahead, following * ones), following)) / 2
        x = x + slope * (following - sigma)
    return x


def sample_heunpp2(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """ComfyUI's heunpp2: slopes at up to two levels ahead, weighted by level over the first one.

    Three slopes with weights 1 - (b + c) / 3a, b / 3a, c / 3a, where a is the first level of all
    and b and c are the next two; two slopes in the step before the last, the last is Euler's.
    """
    ones = x.new_ones([x.shape[0]])
    for i in range(len(sigmas) - 1):
        ahead = [level for level in sigmas[i + 1 : i + 3] if level != sigmas[-1]]
        at, level = x, sigmas[i]
        slope = _slope(at, model(at, level * ones), level)
        slopes, shares = [slope], []
        for following in ahead:
            at = at + slopes[-1] * (following - level)
            level = following
            slopes.append(_slope(at, model(at, level * ones), level))
            shares.append(level / (sigmas[0] * (len(ahead) + 1)))
        mean = slope * (1 - sum(shares)) + sum(
            w * s for w, s in zip(shares, slopes[1:], strict=True)
        )
        x = x + mean * (sigmas[i + 1] - sigmas[i])
    return x


def sample_ipndm(model, x, sigmas, extra_args=None, callback=None, disable=None, max_order=4):
    """Adams-Bashforth with the weights of even steps, whatever the steps are."""
    weights = ((1,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55, -59, 37, -9))
    ones, slopes = x.new_ones([x.shape[0]]), []
    for sigma, following in _levels(sigmas):
        slopes = [_slope(x, model(x, sigma * ones), sigma), *slopes][:max_order]
        if following == 0:
            return x + slopes[0] * (following - sigma)
        scale = 24 if len(slopes) == 4 else 1
        parts = [w / scale * s for w, s in zip(weights[len(slopes) - 1], slopes, strict=True)]
        x = x + sum(parts) * (following - sigma)
    return x


def sample_dpmpp_2m(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """Second-order multistep exponential integrator in x0_pred; it needs logarithms of levels."""
    ones, before, step_before = x.new_ones([x.shape[0]]), None, None
    for sigma, following in _levels(sigmas):
        denoised = model(x, sigma * ones)
        step = sigma.log() - following.log()
        used = denoised
        if before is not None and following > 0:
            used = denoised + (denoised - before) * (step / step_before) / 2
        x = following / sigma * x - torch.expm1(-step) * used
        before, step_before = denoised, step
    return x


def sample_ancestral(
    model, x, sigmas, extra_args=None, callback=None, disable=None, eta=1.0, s_noise=1.0
):
    """Euler down to a lower level, and noise back up."""
    ones = x.new_ones([x.shape[0]])
    for sigma, following in _levels(sigmas):
        up = eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5
        down = (following**2 - up**2) ** 0.5
        x = x + _slope(x, model(x, sigma * ones), sigma) * (down - sigma)
        if following > 0:
            x = x + torch.randn_like(x) * (s_noise * up)
    return x


class BrownianTreeNoiseSampler:
    """Stand where k-diffusion's is: making one would mean that no noise was handed over."""

    def __init__(self, x, *levels):
        raise AssertionError("a Brownian tree is made")


@torch.no_grad()
def sample_sde(model, x, sigmas, extra_args=None, noise_sampler=None):
    """Euler's method of the SDE, whose noise is a Brownian tree's by default."""
    noise_sampler = noise_sampler or BrownianTreeNoiseSampler(x, sigmas[-1], sigmas[0])
    ones = x.new_ones([x.shape[0]])
    for sigma, following in _levels(sigmas):
        x0_pred, share = model(x, sigma * ones), (following / sigma) ** 2
        x = share * x + (1 - share) * x0_pred
        if following > 0:
            x = x + noise_sampler(sigma, following) * following * (1 - share) ** 0.5
    return x


def sample_large_only(model, x, sigmas, extra_args=None):
    """Euler's method of one who takes sigma for a level above 1."""
    if sigmas[0] <= 1:
        raise ValueError("sigma must begin above 1")
    return sample_euler(model, x, sigmas)


def sample_peeking(model, x, sigmas, extra_args=None):
    """Ask the model for what only one program's models have."""
    return model.inner_model.model_sampling.sigma_max * x


def sample_endless(model, x, sigmas, extra_args=None):
    """Ask on and on."""
    while True:
        x = model(x, sigmas[0])


def sample_fast(model, x, sigma_min, sigma_max, n):
    """Lay its own levels: another shape."""
    return x
