"""The Solver bench page: solvers against truths that are known."""
