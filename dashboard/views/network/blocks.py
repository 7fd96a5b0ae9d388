"""The map of the network, and a chosen block: its feature maps at a run, its numbers, its code."""

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.charts import network as charts
from dashboard.charts.transformer import transformer_map
from dashboard.shell.address import bound, fill
from dashboard.shell.messages import plain
from dashboard.views.network import seen
from dashboard.views.network.block_names import block_label, capital
from dashboard.views.network.code import code_of
from dashboard.views.network.subject import (
    Subject,
    choose_evaluation,
    choose_run,
    seen_at,
    seen_everywhere,
    studied,
)
from dashboard.widgets.csv_table import csv_table
from dashboard.widgets.figure import figure, why
from dashboard.widgets.pictures import draw_picture, png
from dashboard.worker.snapshots import ModelView

if TYPE_CHECKING:
    from sdlab.anatomy.features import FeatureMaps
    from sdlab.anatomy.network_map import NetworkMap
    from sdlab.anatomy.observing import Observed
    from sdlab.models.model import Model
    from sdlab.work import Work

SHOWN_CHANNELS = 32
SIDE = 320
TILE = 72
MEASURES = ("std", "mean", "min", "max", "dead")
REPEATS = 5


def show(page: str, model: ModelView) -> None:
    """Draw the section."""
    left, right = st.columns([3, 9], gap="medium")
    with left:
        subject = choose_run(page, model)
    with right:
        mapped = map_of(page, model)
        if mapped is None:
            return
        block = _map(page, mapped)
    st.header(capital(mapped.words(block)), anchor=False)
    _told(mapped, block)
    if subject is None:
        st.info("Choose a run to see what this block puts out.", icon=":material/image_search:")
    else:
        _block(page, subject, block, mapped, model)
    code_of(block, mapped, model)
    _table(page, mapped)


def map_of(page: str, model: ModelView) -> "NetworkMap | None":
    """Return the map of the model's network; None while it is made."""
    return studied(f"{page}.map", "Map the network", (REPEATS,), _mapped)


def _choose_block(page: str, mapped: "NetworkMap") -> str:
    """Draw the choice of a block; one with attention in the middle is the default."""
    blocks = mapped.blocks
    inner = [block for block in blocks if block.startswith("mid_block.attentions")]
    layers = list(mapped.table.loc[mapped.table["streams"] != "", "block"])
    first = (inner or layers[len(layers) // 2 :] or blocks[len(blocks) // 2 :])[0]
    chosen: str = bound().selectbox(
        "Block",
        blocks,
        blocks.index(first),
        key=f"{page}.block",
        format_func=lambda name: block_label(mapped, name),
    )
    return chosen


def _mapped(model: "Model") -> "Work[NetworkMap]":
    from sdlab.anatomy.network_map import network_map

    return network_map(model, repeats=REPEATS)


def _map(page: str, mapped: "NetworkMap") -> str:
    """Draw the map; return the block that is chosen."""
    block_place, colour_place = st.columns([3, 4], vertical_alignment="bottom")
    with block_place:
        block = _choose_block(page, mapped)
    colour = bound(colour_place).segmented_control(
        "Colour", list(charts.COLOURS), key=f"{page}.colour", format_func=charts.COLOURS.get
    )
    key = f"{page}.picked"
    draw = charts.unet_map if mapped.unet else transformer_map
    figure(
        draw(mapped.table, colour, block),
        _facts(mapped),
        alt=seen.MAP if mapped.unet else seen.COLUMN,
        more=f"{_asked_at(mapped)} {seen.HOW_COUNTED.format(repeats=mapped.repeats)}",
        picked=(key, partial(_picked, page, key)),
    )
    return block


def _asked_at(mapped: "NetworkMap") -> str:
    height, width = mapped.size
    return f"{mapped.name} at {width} x {height} latents. Click a block to look into it."


def _facts(mapped: "NetworkMap") -> str:
    return (
        f"{len(mapped.blocks)} blocks, {mapped.parameters / 1e6:,.3g} million parameters; a call "
        f"takes {_short(mapped.macs)} multiply-adds and {mapped.ms:,.3g} ms."
        f"{' Dashed: skips.' if mapped.unet else ''}"
    )


def _picked(page: str, key: str) -> None:
    """Choose the block that was clicked."""
    picked = st.session_state[key]["selection"].get(charts.PICK) or []
    if picked:
        fill({f"{page}.block": picked[0]["block"]})


def _told(mapped: "NetworkMap", block: str) -> None:
    """Say the path of a block, what it is and what it costs."""
    row: Any = mapped.table.set_index("block").loc[block]
    attention = f", {row['attention']}" if row["attention"] else ""
    st.caption(
        f"{plain(block)}: {row['kind']}{attention}, {row['channels_out']:,} channels, "
        f"{row['ms'] / mapped.ms:.1%} of the network's time.",
        help=f"{_short(row['parameters'])} parameters, {_short(row['macs'])} multiply-adds, "
        f"{row['ms']:.3g} ms.",
    )


def _block(page: str, subject: Subject, block: str, mapped: "NetworkMap", model: ModelView) -> None:
    number = choose_evaluation(page, subject)
    observed = seen_at(page, subject, number, block, model.hash)
    if observed is None:
        return
    maps = observed.features.get((block, number))
    if maps is None:
        st.info(
            "This block has no places: it makes one vector for the whole picture, or works on the "
            "text alone, so there is no map to draw.",
            icon=":material/data_array:",
        )
    else:
        _maps(page, maps, mapped.words(block))
    _statistics(page, subject, observed, block, number, mapped)


def _maps(page: str, maps: "FeatureMaps", words: str) -> None:
    colours, channels = st.columns([4, 8], gap="medium")
    with colours:
        picture, carried = _components(_digest(maps), maps)
        draw_picture(picture, f"{capital(words)} in three colours")
        each = ", ".join(f"{share:.0%}" for share in carried)
        st.caption(
            f"Three colours for {len(maps.values)} channels: {sum(carried):.0%} of the variance.",
            help=f"{each}. {seen.COMPONENTS}",
        )
    with channels:
        sheet, numbers, reach = _sheet(_digest(maps), maps)
        draw_picture(sheet, f"Channels {numbers}")
        some = (
            f"The {SHOWN_CHANNELS} that vary most" if len(maps.values) > SHOWN_CHANNELS else "All"
        )
        st.caption(
            f"{some} of {len(maps.values)} channels: blue is negative, red positive.",
            help=f"Row by row: {numbers}. Darkest at {reach:.3g}.",
        )
    csv_table(
        maps.channels(), f"{maps.block}-channels", f"{page}.csv_channels",
        f"Mean, spread and range of each channel of the {words}.", shown=False,
    )  # fmt: skip


def _digest(maps: "FeatureMaps") -> tuple[str, int, float]:
    return maps.block, maps.evaluation, float(maps.values.double().sum())


@st.cache_data(max_entries=64, show_spinner=False)
def _components(digest: Any, _maps: "FeatureMaps") -> tuple[bytes, tuple[float, ...]]:
    found = _maps.components()
    return png(found.image(), SIDE), found.shares


@st.cache_data(max_entries=64, show_spinner=False)
def _sheet(digest: Any, _maps: "FeatureMaps") -> tuple[bytes, str, float]:
    """Return the channels that vary most on one sheet, their numbers and the darkest value."""
    from sdlab.latents.film import strip
    from sdlab.latents.maps import channel_maps

    values = _maps.values
    order = values.flatten(1).std(1).argsort(descending=True)[:SHOWN_CHANNELS]
    some = values[order]
    reach = float(some.abs().flatten().kthvalue(max(1, int(0.995 * some.numel()))).values) or 1.0
    maps = channel_maps(some.clamp(-reach, reach), reach, side=TILE)
    return png(strip(maps, 8)), ", ".join(map(str, order.tolist())), reach


def _statistics(
    page: str,
    subject: Subject,
    observed: "Observed",
    block: str,
    number: int,
    mapped: "NetworkMap",
) -> None:
    rows = observed.blocks[observed.blocks["evaluation"] == number]
    rows = rows.assign(words=[mapped.words(name) for name in rows["block"]])
    left, right = st.columns(2, gap="medium")
    with left:
        figure(charts.by_block(rows), _spread(rows), more=seen.DEAD)
    with right:
        whole = seen_everywhere(f"{page}.through", subject)
        if whole is None:
            st.caption("The same statistics at every evaluation: the run is drawn once more.")
        else:
            measure = bound().segmented_control("Statistic", MEASURES, key=f"{page}.measure")
            table = whole.blocks
            own = table[table["block"] == block][measure]
            if len(own):
                figure(
                    charts.through_the_run(table, measure, block, capital(mapped.words(block))),
                    f"From {own.iloc[0]:.3g} at the first evaluation to {own.iloc[-1]:.3g} at the "
                    "last.",
                )
    table = rows if whole is None else whole.blocks
    csv_table(
        table, f"{subject.stored.id}-blocks", f"{page}.csv_blocks",
        "Mean, spread, range and dead channels of every block's output.", shown=False,
    )  # fmt: skip


def _spread(rows: Any) -> str:
    most = rows.nlargest(1, "std").iloc[0]
    dead = int((rows["dead"] > 0).sum())
    said = "no block has a dead channel" if not dead else f"{dead} blocks have dead channels"
    return f"Widest: the {most['words']} (std {most['std']:.3g}); {said}."


def _table(page: str, mapped: "NetworkMap") -> None:
    from sdlab.anatomy.network_map import COLUMNS

    with st.expander("All blocks as a table", icon=":material/table:", key=f"{page}.table"):
        columns: dict[str, Any] = {
            name: st.column_config.Column(help=meaning) for name, meaning in COLUMNS.items()
        }
        columns["ms"] = st.column_config.NumberColumn(format="%.3f", help=COLUMNS["ms"])
        csv_table(
            mapped.table, "network-blocks", f"{page}.csv_map",
            "Every block in order of computation.", columns,
        )  # fmt: skip
    why(seen.WHY_MAP if mapped.unet else seen.WHY_COLUMN, *(seen.MAP_EQUATIONS * mapped.unet))


def _short(count: float) -> str:
    """Return a count such as "797 million"."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:,.3g} {word}"
    return f"{count:,.0f}"
