"""Schedule passports: which sigmas a program really runs for a model, scheduler and step count.

``passport`` has the one function that all else goes through, one file each engine's own rules;
``comparing`` holds two passports against each other, ``export`` writes one for another program,
``reading`` makes one of a picture, a workflow or a config.
"""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
