"""The Compare page: samplers side by side, from the choice to the verdict."""
