"""What is seen on the Price of a speed-up page, a line each, and the theory behind it."""

CHART = "Above the dashed line a speed-up is worth it; below it, fewer plain steps are better."
READ = (
    "To the right: how many plain steps take as long. Upwards: how many plain steps give a picture "
    "as far from the end. Lines are 95 % intervals over the seeds; seconds are those of this "
    "machine, so they are wide while it does other things too."
)
LADDER = "The plain sampler alone: how far its pictures are off with fewer steps, a line a seed."
EQUATIONS = (
    r"\text{own error} = \frac{\lVert x_n - x_{8n} \rVert}{\operatorname{std}(x_{8n})}, \qquad "
    r"\text{share} = \frac{\lVert x_n^\text{sped up} - x_n \rVert}{\lVert x_n - x_{8n} \rVert}",
)
WHY = """
**One unit for all.** A difference of 0.01 means nothing by itself. The sampler at n steps is off
too: its picture is not the one that it draws with 8 n steps from the same noise. That distance is
the unit. A speed-up that changes the picture by a hundredth of it is lost in what the sampler
neglects anyway.

**Told in steps.** For each seed the plain sampler also runs with fewer steps. So an error can be
read as steps: this cache ends as far off as 16 of 20. If it takes the time of 12, it is worth it;
if of 18, leaving out steps is better.

**The model stays as it is.** Each speed-up works on a copy of the network that shares its weights.
Plain and sped-up pictures are made in turn, so that both meet the same machine.
"""
