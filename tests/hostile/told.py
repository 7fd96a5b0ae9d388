"""What an answer must not tell: where things lie on the server, and what its code looks like."""

import sys
from pathlib import Path

import streamlit

ROOT = Path(__file__).parents[2]
SECRETS = (
    *("Traceback (most", "site-packages", 'File "/', "root:x:0", "sdlab/runs/", '.py", line'),
    *map(str, (ROOT, sys.prefix, Path(streamlit.__file__).parent)),
)


def tells(text: str, *places: object) -> list[str]:
    """Return what of it a text tells.

    Args:
        text: An answer.
        places: Further folders, such as that of the runs.
    """
    return [word for word in (*SECRETS, *map(str, places)) if word in text]
