"""The Models page: the model in memory, and the form that loads another."""
