"""The theory behind what is seen on the Solver bench page."""

FLOOR = (
    r"\text{floor} \approx \frac{\sigma_\text{min}^2}{2\,s^2}",
    r"\text{since } \sqrt{1 + \sigma_\text{min}^2 / s^2} "
    r"\approx 1 + \frac{\sigma_\text{min}^2}{2\,s^2}",
)
WHY_FLOORS = (
    "A solver goes down to the smallest sigma of its curve, 0.029 for Stable Diffusion (0.003 for "
    "Stable Diffusion 3, whose floor is lower by a hundred), and from there **jumps to 0** by "
    "taking the last prediction as the result. That jump is one first-order step whatever the "
    "solver. On a Gaussian of spread s it shrinks the result by the root above, an error of some "
    "1.5e-3 here. More steps do not reduce it, because the smallest sigma stays; so a line bends "
    "and becomes flat at its floor. Before that it sometimes dips below, where the jump's error "
    "and the steps' have opposite signs.\n\n"
    "- **Leave out the last jump** to see the order itself.\n"
    "- lms and plms extrapolate to 0 instead of jumping, and have no such floor.\n"
    "- Spacings such as leading or trailing end at a sigma that depends on the number of steps, so "
    "their floor moves, and the slope is not due to the solver alone.\n"
    "- diffusers keeps its tables in float32: its lines cannot fall much below 1e-6.\n"
    "- The weak error of samples has a floor of chance, some hundredths here; the bars are 95 % "
    "intervals. On the Gaussian it is computed exactly for sdlab's solvers, and has no such floor."
)
ORDER = r"\text{error} \approx C \cdot \text{steps}^{-p}"
WHY_ORDERS = (
    "The order p says what more steps gain: with order 1, twice the steps halve the error, with "
    "order 2 they quarter it. It is the slope of a straight line through the points: only those "
    "more than ten times above the floor, from the finest upwards as long as the slope stays the "
    "same. With few points the interval is wide, and where it is wider than half an order on "
    "either side none is claimed."
)
WHY_PATHS = (
    "x_t is drawn at one noise level; the cloud is the true density of data with that much noise. "
    "A particle's true place, its ring, is where the exact path through its start has got to. Far "
    "from the data all paths are nearly straight, and long steps are cheap; where the cloud "
    "splits, they bend, and that is where solvers part."
)
FLOW = r"\frac{dx}{d\sigma} = \frac{x - \mathrm{E}[x_0 \mid x]}{\sigma}"
