"""Causes: what happens to a picture when one thing inside the network is switched.

A measurement, such as an attention map, says what went along with a picture. A cause is found by
switching it: the same seed and the same noise, one thing changed, the difference measured.

``switches`` are the things that can be switched during chosen evaluations and ``switching`` puts
them in place; ``change`` names a switch, another prompt or guidance; ``counterfactuals`` draws the
pictures and measures; ``word_check`` holds a word's attention map against what leaving the word
out changes; ``draws`` shows why an early x0_pred is blurred.
"""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
