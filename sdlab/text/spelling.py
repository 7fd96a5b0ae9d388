"""How CLIP's tokenizer spells a text, and how textual inversions are written out.

The tokenizer composes letters and accents (Unicode's NFC), lowers the case letter by letter and
ignores spaces. A textual inversion (Gal et al. 2022, arXiv 2208.01618) adds an entry to the
vocabulary; one of several vectors adds an entry for each, which diffusers writes in place of its
name: "<toy>"
becomes "<toy> <toy>_1 <toy>_2".
"""

import unicodedata
from typing import Any

APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\uff07", "'"))
Span = tuple[int, int]


def spelled(text: str) -> str:
    """Return a text's letters as the tokenizer reads them, without spaces."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(letter.lower() for letter in composed if not letter.isspace())


def loosely_spelled(text: str) -> str:
    """Return the same as people type it: one kind of apostrophe, no ligatures or wide letters."""
    folded = unicodedata.normalize("NFKC", text.translate(APOSTROPHES)).casefold()
    return spelled(folded)


def written_out(tokenizer: Any, prompt: str) -> tuple[str, list[Span] | None]:
    """Return a prompt with inversions of several vectors written out, as the pipeline does.

    Args:
        tokenizer: Where the inversions were loaded.
        prompt: Any text.

    Returns:
        The text, and for each of its letters (first, last) of the prompt that it comes from, last
        excluded; None where it is the prompt.

    Raises:
        ValueError: If the prompt is not valid text: a command line passes bytes that are not text
            as halves of surrogate pairs.
    """
    half = next((place for place, c in enumerate(prompt) if unicodedata.category(c) == "Cs"), None)
    if half is not None:
        raise ValueError(f"prompt has half of a surrogate pair at position {half}; remove it.")
    added = tokenizer.added_tokens_encoder
    if not any(f"{name}_1" in added for name in added):
        return prompt, None
    spans = [(place, place + 1) for place in range(len(prompt))]
    for name in dict.fromkeys(tokenizer.tokenize(prompt)):
        vectors = [name]
        while name in added and f"{name}_{len(vectors)}" in added:
            vectors.append(f"{name}_{len(vectors)}")
        if len(vectors) > 1:
            prompt, spans = _replaced(prompt, spans, name, " ".join(vectors))
    return prompt, spans


def _replaced(text: str, spans: list[Span], old: str, new: str) -> tuple[str, list[Span]]:
    """Return ``text.replace(old, new)`` and the span in the prompt that each letter comes from."""
    sources: list[Span] = []
    at = 0
    while (found := text.find(old, at)) >= 0:
        end = found + len(old)
        sources += spans[at:found] + [(spans[found][0], spans[end - 1][1])] * len(new)
        at = end
    return text.replace(old, new), sources + spans[at:]
