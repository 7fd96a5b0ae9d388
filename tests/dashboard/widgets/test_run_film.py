"""The words under the frames of a run."""

import pytest

from dashboard.components.layer_viewer import Layers
from dashboard.widgets.run_film import EARLY, LATE, frame_labels, with_frames
from dashboard.worker.frames import Sheet
from sdlab.latents.frames import CHANNELS


def test_frame_labels_name_the_evaluation(steps):
    labels = frame_labels(steps, [0, 24])
    assert labels[0] == "evaluation 0 · step 0 · timestep 999 · sigma 14.6"
    with pytest.raises(ValueError, match="no evaluation 25"):
        frame_labels(steps, [25])


@pytest.mark.parametrize(
    ("how", "drafts"),
    [
        ("decoded", ["", ""]),
        ("linear", ["linear preview", ""]),
        ("false colour", ["preview in false colours", ""]),
    ],
)
def test_what_is_saved_of_frames_that_are_not_decoded_is_said(steps, how, drafts):
    sheet = Sheet(b"", (0, 24), (1, 1), 2, how, ("x_t", CHANNELS))
    layers = with_frames(Layers("", "", "", [], (1, 1)), sheet, "", steps).layers
    assert [layer.draft for layer in layers] == drafts


def test_the_strip_says_what_its_small_pictures_show(steps):
    sheet = Sheet(b"", (0, 24), (1, 1), 2, "decoded")
    layers = with_frames(Layers("", "", "", [], (1, 1)), sheet, "", steps).layers
    assert [layer.frames for layer in layers] == [
        "What the model is given at each evaluation, counted from 0.",
        "The model's guess at each evaluation, counted from 0.",
    ]


def test_only_x0_pred_says_why_it_is_blurred_while_there_is_more_noise_than_picture(steps):
    kept = (0, 24)
    assert [float(steps["sigma"].iloc[k]) > 1 for k in kept] == [True, False]
    sheet = Sheet(b"", kept, (1, 1), 2, "decoded")
    noisy, guess = with_frames(
        Layers("", "", "0123456789abcdef", [], (1, 1)), sheet, "", steps
    ).layers
    assert (noisy.name, guess.name) == ("x_t", "x0_pred")
    assert not noisy.notes and list(guess.notes) == [EARLY, LATE]
    assert guess.why == "Why is it blurred?" and "run?id=0123456789abcdef&" in guess.href
    assert "run.tab=Causes&run.cause=Why+is+it+blurred%3F" in guess.href
