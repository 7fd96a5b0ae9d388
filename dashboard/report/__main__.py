"""A process that writes one report: a server stays quick while it makes its charts.

It is given the folder of all runs and the ids as arguments, and a script of diffusers, or nothing,
on stdin. It writes the report to stdout. What is wrong is told on stderr, with exit code 2.
"""

import sys
from pathlib import Path

from dashboard.report.making import report
from sdlab.errors import SdlabError


def main(root: str, *ids: str) -> int:
    """Write the report and return the exit code."""
    script = sys.stdin.buffer.read().decode()
    try:
        page = report(Path(root), ids, script=script)
    except (ValueError, SdlabError) as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.buffer.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
