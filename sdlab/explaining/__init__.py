"""Why two pictures differ: what each file says of how it was made, cause by cause, and the cost.

``explain`` is the one function that all else goes through. ``reading`` makes a ``Making`` of
whatever is given; ``causes`` has the rules, a theme a file; ``measured`` runs both here and says
what each difference costs.
"""

from sdlab.submodules import on_first_use

__getattr__ = on_first_use(__name__)
