"""Odd prompts: what people type, and what nobody should.

Left out are letters that Python's Unicode does not know yet, and accents newer than Unicode 9: the
NFC of the tokenizers library does not know their order, so it leaves them as they were typed.
"""

import random
import unicodedata

from tokenizers.normalizers import NFC

WORDS = (
    "a photo of an astronaut riding horse mars masterpiece 8k highly-detailed don't it's we've I'll"
    " SHOUTING CamelCase naïve café Ελληνικά ΣΊΣΥΦΟΣ İstanbul straße Ǆ ﬁ Привет"
    " 日本語 漢字 한국어 中文"
    " العربية עברית हिन्दी ไทย 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇷 ❤️"
    " ½ ² ① Ⅷ 一二三 ٣ 3.14 1,000 (word:1.3) [red|blue] <lora:x>"
    " &amp; &lt;b&gt; &#39; &nbsp; <br/> _under_score __ 's 'S ''s 're 'LL '' \""
    " … — “quoted” ‘s !! ?!"
    " e\u0301 o\u0308\u0323 a\u030a Z\u0351\u036b\u0343 \u1100\u1161\u11a8 \u212b \ufb03"
    " <|startoftext|> <|endoftext|> <|ENDOFTEXT|> <|startoftext| |endoftext|> </w> pneumonoultra"
).split(" ")
SPACES = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff"
BLOCKS = (
    (0x20, 0x7F),
    (0x00, 0x20),
    (0x7F, 0x180),
    (0x300, 0x370),
    (0x370, 0x530),
    (0x590, 0xE00),
    (0x1100, 0x1200),
    (0x2000, 0x2C00),
    (0x3000, 0x3400),
    (0x4E00, 0xA000),
    (0xAC00, 0xD7A4),
    (0xE000, 0xE100),
    (0xF900, 0x10000),
    (0x1D400, 0x1D800),
    (0x1F000, 0x1FB00),
    (0xE0000, 0xE0200),
)


def odd_prompts(count: int) -> list[str]:
    """The same ``count`` prompts every time."""
    draw = random.Random(0)
    return [_prompt(draw) for _ in range(count)]


def _prompt(draw: random.Random) -> str:
    kind = draw.random()
    if kind < 0.01:
        return draw.choice(["", " ", "\n", draw.choice(WORDS)])
    if kind < 0.03:  # one word of hundreds of letters
        return "".join(
            draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(draw.randint(80, 600))
        )
    parts = (_part(draw) for _ in range(draw.randint(1, 12 if kind < 0.9 else 60)))
    return "".join(
        part + draw.choice([" ", " ", " ", "", ", ", draw.choice(SPACES)]) for part in parts
    )


def _part(draw: random.Random) -> str:
    if draw.random() < 0.6:
        return draw.choice(WORDS)
    low, high = draw.choice(BLOCKS)
    letters = (chr(draw.randrange(low, high)) for _ in range(draw.randint(1, 6)))
    return "".join(letter for letter in letters if _known(letter))


def _known(letter: str) -> bool:
    accents = f"q{letter}\u0334\u0345{letter}"
    known = NFC().normalize_str(accents) == unicodedata.normalize("NFC", accents)
    return known and unicodedata.category(letter) != "Cn"
