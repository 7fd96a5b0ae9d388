"""The Experiment page: the form that starts a run."""
