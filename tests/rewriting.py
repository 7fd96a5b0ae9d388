"""The asserts of all tests rewritten once, for all workers of pytest.

pytest keeps a test's rewritten code beside it, unless Python may write no bytecode, as in CI. Then
each worker would rewrite all tests: eight seconds of a core, every time.
"""

import os
from multiprocessing import get_context
from pathlib import Path

from _pytest.assertion import rewrite


def rewrite_all(config) -> None:
    """Rewrite every file below this folder whose rewritten code is missing or old."""
    files = [*Path(__file__).parent.rglob("*.py")]
    with get_context("fork").Pool(os.cpu_count(), _begin, (config,)) as pool:
        pool.map(_rewritten, files, chunksize=20)


def _begin(config) -> None:
    global _config
    _config = config


def _rewritten(file: Path) -> None:
    code = rewrite.get_cache_dir(file) / (file.stem + rewrite.PYC_TAIL)
    if rewrite._read_pyc(file, code) is None and rewrite.try_makedirs(code.parent):
        try:
            source, made = rewrite._rewrite_test(file, _config)
        except SyntaxError:
            return  # the workers will say so
        rewrite._write_pyc(_config.stash[rewrite.assertstate_key], made, source, code)
