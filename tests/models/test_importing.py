"""Two threads may load and look at models in a fresh process: imports do not get in their way."""

import subprocess
import sys

import pytest

from sdlab.models.quiet import quiet
from tests import flow

pytestmark = pytest.mark.slow
AT_ONCE = """
import sys, threading
from sdlab.models.load import check, load

failed = []

def tried(function, *args):
    try:
        function(*args, device="cpu")
    except BaseException as error:
        failed.append(repr(error))

threads = [
    threading.Thread(target=tried, args=args) for args in ((load,), (check, sys.argv[1]))
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("; ".join(failed) or 0)
"""


@pytest.mark.every
def test_a_model_is_loaded_while_another_is_looked_at(tmp_path):
    with quiet():
        flow.sd3().save_pretrained(tmp_path)
    command = [sys.executable, "-c", AT_ONCE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "torchvision" not in done.stderr  # nothing here needs it; transformers would warn


@pytest.mark.every
def test_the_shipped_model_needs_no_other_familys_pipelines():
    code = (
        "import sys, sdlab\n"
        "model = sdlab.load(device='cpu')\n"
        "assert len(model.draws) == 3 and model.inputs\n"
        "sys.exit('diffusers.pipelines.auto_pipeline' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=240).returncode == 0
