"""Where the batches of a sweep are made: here, by Ray's actors, or in Slurm's jobs.

An executor is a plain description; ``crew`` opens it. A crew takes shares of the work and says what
becomes of them. Who gets which share, what is made again and what is noted is the same for all, in
``sdlab.sweeping.hand_out``; which machine has room is Ray's and Slurm's to decide.
"""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
