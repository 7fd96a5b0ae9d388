"""A pipeline once more, for a call that leaves the first one's scheduler as it is."""

import inspect


def own(pipe):
    """The pipeline once more over the same parts, with a scheduler of its own."""
    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    taken = inspect.signature(type(pipe).__init__).parameters
    options = {name: value for name, value in pipe.config.items() if name in taken}
    again = type(pipe)(**{**options, **pipe.components, "scheduler": scheduler})
    again.set_progress_bar_config(disable=True)
    return again
