"""Reads the address of a page; nothing else does.

Every field of a page is in its address, so anybody can write anything there. ``bound`` draws a
field that is bound to the address: the address is checked here first, and a value that does not fit
is removed, a note at the top of the page says so, and the field takes its default.

Streamlit silently drops most values that do not fit; an infinite number of steps and an emptied
choice it accepts, or breaks on. Those are removed from the address before the field is drawn.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.shell.messages import plain
from dashboard.shell.presses import forget_presses
from sdlab.errors import nearest

SHOWN_LETTERS = 60
SHOWN_NAMES = 12
_STATE = "address"

Check = Callable[[Sequence[str]], str]
"""Says what is wrong with the texts that the address holds for a field; "" if nothing is."""


def arrive(page: str) -> None:
    """Note which page is drawn, and draw notes on what of its address could not be used.

    Args:
        page: The page's name.
    """
    state = _state()
    if state["page"] != page:
        state.update(page=page, read={}, notes={}, names={}, met=set())
        forget_presses()
    if state["notes"]:
        said = [plain(note) for note, _ in state["notes"].values()]
        st.warning("  \n".join(said), icon=":material/link_off:")


def given(name: str) -> str:
    """Return the value of a name in the address that belongs to no field, or ""."""
    return st.query_params.get(name, "").strip()


def keep(name: str, value: str) -> None:
    """Keep a value in the address under a name that belongs to no field; "" removes the name.

    The address is written only if it changes: a write sends it whole, as it was when this script
    began, and so undoes what a field has written into it since.
    """
    if given(name) == value:
        return
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def fill(values: Mapping[str, Any]) -> None:
    """Set fields by their keys, drawn or not; those drawn only from a callback."""
    for key, value in values.items():
        st.session_state[key] = value


def bound(place: Any = st) -> "Bound":
    """Return fields bound to the address, to be drawn in ``st`` or a container."""
    return Bound(place)


class Bound:
    """Streamlit's fields, each with its ``key`` in the address.

    Args:
        place: Where they are drawn.
    """

    def __init__(self, place: Any) -> None:
        self._place = place

    def number_input(
        self,
        label: str,
        min_value: float,
        max_value: float,
        value: float | None,
        *more: Any,
        **named: Any,
    ) -> Any:
        """Draw ``st.number_input``."""
        check = _number(min_value, max_value, may_be_empty=value is None)
        args = (label, min_value, max_value, value, *more)
        return self._drawn("number_input", check, *args, **named)

    def slider(
        self, label: str, min_value: float, max_value: float, *more: Any, **named: Any
    ) -> Any:
        """Draw ``st.slider`` of one number."""
        check = _number(min_value, max_value)
        return self._drawn("slider", check, label, min_value, max_value, *more, **named)

    def selectbox(self, label: str, options: Iterable[Any], *more: Any, **named: Any) -> Any:
        """Draw ``st.selectbox``."""
        return self._chosen("selectbox", label, options, *more, **named)

    def segmented_control(self, label: str, options: Iterable[Any], **named: Any) -> Any:
        """Draw ``st.segmented_control``; one is always chosen, by default the first."""
        options = list(options)
        named = {"default": options[0], "required": True, **named}
        return self._chosen("segmented_control", label, options, **named)

    def pills(self, label: str, options: Iterable[Any], **named: Any) -> Any:
        """Draw ``st.pills``."""
        return self._chosen("pills", label, options, **named)

    def select_slider(self, label: str, options: Iterable[Any], *more: Any, **named: Any) -> Any:
        """Draw ``st.select_slider``."""
        return self._chosen("select_slider", label, options, *more, **named)

    def multiselect(self, label: str, options: Iterable[Any], *more: Any, **named: Any) -> Any:
        """Draw ``st.multiselect``; Enter chooses the nearest match, never all of them."""
        named = {"select_all": False, **named}
        if named.get("accept_new_options"):
            return self._drawn("multiselect", _anything, label, options, *more, **named)
        return self._chosen("multiselect", label, options, *more, **named)

    def text_input(self, label: str, *more: Any, **named: Any) -> Any:
        """Draw ``st.text_input``; any text is one."""
        return self._drawn("text_input", _anything, label, *more, **named)

    def text_area(self, label: str, *more: Any, **named: Any) -> Any:
        """Draw ``st.text_area``; any text is one."""
        return self._drawn("text_area", _anything, label, *more, **named)

    def toggle(self, label: str, *more: Any, **named: Any) -> Any:
        """Draw ``st.toggle``."""
        return self._drawn("toggle", _switch, label, *more, **named)

    def _chosen(
        self, kind: str, label: str, options: Iterable[Any], *more: Any, **named: Any
    ) -> Any:
        options = list(options)
        names = [str(named.get("format_func", str)(option)) for option in options]
        check = _one_of(names, may_be_empty=kind in ("multiselect", "pills"))
        if "key" in named:
            _rename(named["key"], options, names)
            _translate(named["key"], options, names)
        return self._drawn(kind, check, label, options, *more, **named)

    def _drawn(self, kind: str, check: Check, *args: Any, key: str, **named: Any) -> Any:
        _read(key, check)
        value = getattr(self._place, kind)(*args, key=key, bind="query-params", **named)
        notes = _state()["notes"]
        if key in notes:
            note, stands = notes[key]
            if stands is _UNKNOWN:
                notes[key] = (note, value)
            elif stands != value:  # the person has chosen since
                del notes[key]
        return value


_UNKNOWN = "(not drawn yet)"


def _rename(key: str, options: Sequence[Any], names: Sequence[str]) -> None:
    """Set a field's choice again if the names of its options have changed.

    The browser and the address hold the names, and would keep the old one.
    """
    before = _state()["names"].get(key, names)
    _state()["names"][key] = names
    if before != names and st.session_state.get(key) in options:
        st.session_state[key] = st.session_state[key]


def _translate(key: str, options: Sequence[Any], names: Sequence[str]) -> None:
    """Let the address say an option itself in the place of its name, which may be long."""
    texts = st.query_params.get_all(key)
    by_option = {**dict(zip(map(str, options), names, strict=True)), **{n: n for n in names}}
    told = [by_option.get(text, text) for text in texts]
    if told != texts:
        st.query_params[key] = told
        st.rerun()


def _state() -> dict[str, Any]:
    first = {"page": "", "read": {}, "notes": {}, "names": {}, "met": set()}
    return st.session_state.setdefault(_STATE, first)


def _read(key: str, check: Check) -> None:
    """Read a field's value in the address before the field is drawn; remove it if it is not valid.

    Only what the address held on arrival is checked: later the field itself writes it. There it
    goes before what the session remembers of an earlier visit, also where it says the default.
    """
    state, texts = _state(), st.query_params.get_all(key)
    arriving = key not in state["met"]
    state["met"].add(key)
    if arriving and texts and key in st.session_state:
        del st.session_state[key]
    if not texts or key in st.session_state or state["read"].get(key, texts) != texts:
        return
    state["read"][key] = texts
    problem = check(texts)
    if not problem:
        return
    shown = texts[-1] if len(texts[-1]) <= SHOWN_LETTERS else texts[-1][:SHOWN_LETTERS] + "…"
    note = f"{key} {shown!r}, in the address of this page, {problem}. The default is used instead."
    state["notes"][key] = (note, _UNKNOWN)
    del st.query_params[key]
    st.rerun()


def _number(low: float, high: float, may_be_empty: bool = False) -> Check:
    def check(texts: Sequence[str]) -> str:
        text, whole = texts[-1], isinstance(low, int)
        if may_be_empty and not text:
            return ""
        try:
            number = float(text) if text else math.nan
        except ValueError:
            number = math.nan
        if math.isfinite(number) and low <= number <= high and not (whole and number % 1):
            return ""
        return f"is no {'whole ' if whole else ''}number from {low} to {high}"

    return check


def _one_of(names: Sequence[str], may_be_empty: bool) -> Check:
    def check(texts: Sequence[str]) -> str:
        if may_be_empty and not any(texts):
            return ""
        wrong = [text for text in texts if text not in names]
        if not wrong:
            return ""
        valid = nearest(wrong[0][:SHOWN_LETTERS], names) if wrong[0] else []
        some = valid or names[:SHOWN_NAMES]
        said = " or ".join(map(repr, some)) if valid else ", ".join(some)
        more = ", …" if not valid and len(names) > SHOWN_NAMES else ""
        return f"is not to be chosen here; {'did you mean ' if valid else 'valid: '}{said}{more}"

    return check


def _switch(texts: Sequence[str]) -> str:
    return "" if texts[-1].lower() in ("true", "false") else "must be true or false"


def _anything(texts: Sequence[str]) -> str:
    return ""
