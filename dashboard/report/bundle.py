"""Writes ``vega.js`` anew: Vega, Vega-Lite and Vega-Embed as one script, as Altair draws with them.

Only for a new version of Altair::

    pip install vl-convert-python && python -m dashboard.report.bundle

It stands in the repository because the package that makes it has 84 MB and takes seconds.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "vega.js"
LICENCE = FILE.with_name("vega.licence.txt")
_ENDS_A_SCRIPT = re.compile(r"<(?=/script|!--|script)", re.IGNORECASE)


def bundle() -> str:
    """Return the scripts, with their licences before them, safe within an HTML script element."""
    from altair import SCHEMA_VERSION

    vl_convert: Any = import_module("vl_convert")  # whose stub wants more than it does
    version = "_".join(SCHEMA_VERSION.split(".")[:2])
    made = _ENDS_A_SCRIPT.sub(r"\\x3C", vl_convert.javascript_bundle(vl_version=version))
    licence = LICENCE.read_text(encoding="utf-8")
    return f"/*! Vega-Lite {SCHEMA_VERSION}, by vl-convert\n\n{licence}*/\n{made}\n"


if __name__ == "__main__":
    FILE.write_text(bundle(), encoding="utf-8")
