"""The words under the frames of a run."""

import pytest

from dashboard.widgets.run_film import frame_labels


def test_frame_labels_name_the_evaluation(steps):
    labels = frame_labels(steps, [0, 24])
    assert labels[0] == "evaluation 0 · step 0 · timestep 999 · sigma 14.6"
    with pytest.raises(ValueError, match="no evaluation 25"):
        frame_labels(steps, [25])
