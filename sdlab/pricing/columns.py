"""The columns of a price's tables: name, unit and meaning.

Distances are root mean squares over a picture's pixels, divided by the standard deviation of the
end's pixels. The end is the picture of the same sampler and seed with many times the steps; the
sampler's own error is the plain picture's distance to it. Intervals are Student's 95 %, over seeds.
"""

from sdlab.columns import Columns

PRICES: Columns = {
    "speedup": ("", "its name"),
    "about": ("", "what it does"),
    "change": ("std", "distance to the plain picture of as many steps, geometric mean"),
    "share": ("own error", "that distance over the sampler's own error, geometric mean"),
    "share_low": ("own error", "lower end of its interval"),
    "share_high": ("own error", "upper end"),
    "off": ("own error", "distance to the end over the sampler's own error, geometric mean"),
    "off_low": ("own error", "lower end of its interval"),
    "off_high": ("own error", "upper end"),
    "good_as": ("step", "plain steps that are as far off, mean; at most 1.2 times the budget"),
    "good_as_low": ("step", "lower end of its interval"),
    "good_as_high": ("step", "upper end"),
    "seconds": ("s", "of a picture, median"),
    "time": ("", "seconds over those of a plain picture made just before, geometric mean"),
    "time_low": ("", "lower end of its interval"),
    "time_high": ("", "upper end"),
    "quick_as": ("step", "plain steps that take as long"),
    "quick_as_low": ("step", "lower end of its interval"),
    "quick_as_high": ("step", "upper end"),
    "verdict": ("", "'worth it', 'not worth it', 'not told apart', 'free' or 'no gain'"),
}

PICTURES: Columns = {
    "speedup": ("", "its name"),
    "seed": ("", "of the start noise"),
    "change": ("std", "distance to the plain picture"),
    "own_error": ("std", "the plain picture's distance to the end"),
    "off": ("std", "distance to the end"),
    "good_as": ("step", "plain steps that are as far off"),
    "seconds": ("s", "of the picture"),
    "plain_seconds": ("s", "of the plain picture made just before"),
}

LADDER: Columns = {
    "seed": ("", "of the start noise"),
    "num_steps": ("", "plain steps"),
    "error": ("std", "distance to the end"),
    "seconds": ("s", "of the picture"),
}

LEFT_OUT: Columns = {
    "speedup": ("", "its name"),
    "reason": ("", "why it could not be measured here"),
}
