"""Reports: a run, a comparison, a sweep or any runs as one HTML file that opens offline.

``making`` finds what an id is of, ``of_run``, ``of_comparison``, ``of_sweep`` and ``of_runs`` say
what is in its report, in the nouns of ``parts``, and ``html`` writes it. Nothing here knows
Streamlit, so that a report is written from the command line and by a process of its own alike.
"""

MOST_RUNS = 500
"""Runs of one report."""
