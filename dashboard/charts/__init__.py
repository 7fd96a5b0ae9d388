"""Charts: pure functions from a table of ``sdlab.columns`` to an ``alt.Chart``."""
