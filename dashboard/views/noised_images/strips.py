"""Noised frames on one picture: to scrub through, or labelled to keep."""

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from dashboard.widgets.noised_frames import Frame
from dashboard.widgets.pictures import png
from dashboard.worker.frames import frame_size

SHEET_PIXELS = 1_500_000


def sheet(rows: Sequence[Sequence[Frame]]) -> tuple[bytes, tuple[int, int]]:
    """Return all frames on one PNG, a row for each schedule, and the (width, height) of one."""
    count = sum(map(len, rows))
    width, height = rows[0][0].size
    width, height = frame_size(width, height, 1)
    scale = min(1.0, (SHEET_PIXELS / (count * width * height)) ** 0.5)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    canvas = Image.new("RGB", (size[0] * max(map(len, rows)), size[1] * len(rows)))
    for y, row in enumerate(rows):
        for x, frame in enumerate(row):
            small = frame.image()
            if small.size != size:
                small = small.resize(size, Image.Resampling.BOX)
            canvas.paste(small, (x * size[0], y * size[1]))
    return png(canvas), size


def labelled_strip(labels: Sequence[str], tables: Sequence[Any], rows: Any, title: str) -> bytes:
    """Return the strips as a PNG to keep: what each row is, and each frame's step and sigma.

    Args:
        labels: Of the schedules.
        tables: Their noise levels.
        rows: Their frames.
        title: What stands above all.
    """
    font = ImageFont.load_default(size=13)
    width, height = (max(96, side) for side in rows[0][0].size)
    line, gap = 20, 6
    block = line + height + line + gap
    total = len(rows[0]) * (width + gap) + gap, 2 * line + len(rows) * block
    canvas = Image.new("RGB", total, "white")
    pen = ImageDraw.Draw(canvas)
    pen.text((gap, 4), title, "black", font)
    for number, (label, table, row) in enumerate(zip(labels, tables, rows, strict=True)):
        top = line + gap + number * block
        pen.text((gap, top), label, "black", font)
        name = "t" if "flow_time" in table else "sigma"
        places = table["flow_time" if name == "t" else "sigma"]
        for x, (frame, step, place) in enumerate(zip(row, table["step"], places, strict=True)):
            left = gap + x * (width + gap)
            canvas.paste(frame.image(), (left, top + line))
            words = f"{step}: {name} {place:.3g}"
            pen.text((left, top + line + height + 2), words, "black", font)
    return png(canvas)
