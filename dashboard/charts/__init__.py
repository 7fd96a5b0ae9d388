"""Charts: pure functions from a table of ``sdlab.columns`` to an ``alt.Chart``.

One family a module: ``noise``, ``latents``, ``guidance``, ``path``, ``timing``.
"""
