"""What is seen on the page Inside the network, and the theory behind it."""

MAP = (
    "Map of the U-Net: its blocks from left to right in order of computation, lower where the "
    "resolution is halved, with dashed lines where a skip leads across. The table below has the "
    "same in words."
)
COLUMN = (
    "Map of the transformer: its blocks from top to bottom in order of computation, in a lane for "
    "the picture and one for the text; bars for parameters, multiply-adds (MACs) and time. The "
    "table below has the same in words."
)
HOW_COUNTED = (
    "One call with one sample. A multiply-add is one multiplication with the addition of its "
    "product, two floating-point operations; those of convolutions, linear layers and attention's "
    "two products are counted. Times are the median of {repeats} calls."
)
WHY_MAP = (
    "On the way down each level halves the picture's sides and widens the channels: fewer places, "
    "each of which sees more of the picture. On the way up the resolution comes back. What the way "
    "down knew of fine detail comes by the **skips**: their channels are put behind those from "
    "below. Each ResBlock is told the time; each attention block lets places look at each other "
    "(self) and at the words (cross)."
)
MAP_EQUATIONS = (
    r"h_{\text{up}} = \mathrm{ResBlock}\big([\,h_{\text{below}},\; h_{\text{skip}}\,],\; t\big)",
)
WHY_COLUMN = (
    "A transformer cuts the latents into patches and works on all of them in every block: there is "
    "no way down, and no skip. In a **joint** block text and picture have weights of their own and "
    "look at each other in one attention: a box in each lane, tied together. In a "
    "**single-stream** block they are one sequence with one set of weights: one box over both. "
    "Where only the picture has a lane it looks at the text by cross-attention. Each bar is as "
    "long as its share of the largest in its column."
)
COMPONENTS = (
    "Principal components of the channels over the places: the three mixtures that vary most are "
    "drawn as red, green and blue. Places of one colour are alike to the network. What the three "
    "do not carry is not shown."
)
DEAD = (
    "A channel is called dead if its standard deviation over the places is below 1 % of the "
    "block's: it says the same everywhere."
)
WHY_TIME = (
    "A number alone would be hard to read for a network, so the timestep is told by many hands, "
    "fast and slow, as a clock tells the hour. The MLP turns them into a vector that every "
    "ResBlock adds to its channels. Timesteps near to each other are told alike, so what was "
    "learned at one serves its neighbours; Switches tells the network a wrong timestep."
)
TIME_EQUATIONS = (
    r"f_k = 10000^{-k / (C/2)}, \quad k = 0 \dots C/2 - 1",
    r"\big[\cos(t f_0), \dots, \sin(t f_0), \dots\big] \;\to\; W_2\,\mathrm{SiLU}(W_1 \cdot + b_1)"
    r" + b_2",
)
WHY_SILU = (
    "SiLU lets large inputs pass, stops very negative ones, and is smooth in between. Below "
    "x = -1.278 its derivative is negative: there a larger input makes a smaller output, which no "
    "ReLU does. The share says how much of what really goes into the network's SiLUs lies there."
)
SILU_EQUATIONS = (
    r"\mathrm{SiLU}(x) = x\,\sigma(x), \qquad \mathrm{SiLU}'(x) = \sigma(x)\,"
    r"\big(1 + x\,(1 - \sigma(x))\big)",
)
WHY_VAE = (
    "Each stage of the encoder halves the sides and widens the channels, until 4 numbers are left "
    "of each 8 x 8 pixels in Stable Diffusion; the decoder goes the same way back. A latent "
    "channel has no meaning by itself: what adding to it changes depends on the others."
)
WHY_SWITCHES = (
    "A measurement says what happens together; a switch says what causes what. Everything else "
    "stays the same: words, seed, start noise. What then differs is the work of what was switched."
)
