"""What is read off the Runs page."""


def rows(at):
    """The ids of the runs that the page lists."""
    assert not at.exception, at.exception
    return at.dataframe[0].value["id"].tolist() if at.dataframe else []


def read_captions(at):
    return " ".join(caption.value for caption in at.caption)
