"""Other ways to write a secret: spelling alphabets, lists of characters, number words, Morse, character codes, shifted letters.

Each function returns what a text says when it is read in that way; whether a secret is in it is for the caller to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .text import in_figures

_NATO = [
    "alpha",
    "bravo",
    "charlie",
    "delta",
    "echo",
    "foxtrot",
    "golf",
    "hotel",
    "india",
    "juliet",
    "kilo",
    "lima",
    "mike",
    "november",
    "oscar",
    "papa",
    "quebec",
    "romeo",
    "sierra",
    "tango",
    "uniform",
    "victor",
    "whiskey",
    "xray",
    "yankee",
    "zulu",
]
_LETTERS = {
    **{word: word[0] for word in _NATO},
    **{"alfa": "a", "juliett": "j", "whisky": "w", "ex-ray": "x", "x-ray": "x", "zed": "z", "zee": "z"},
}
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi psi omega"
)
_LETTERS |= dict(zip(_GREEK.split(), "abgdezhtiklmnxoprstufcpo", strict=True))
_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
#: Digits of other languages that our requests may bring about: German, French, Spanish, Italian, Dutch, Portuguese.
_ABROAD = (
    "null eins zwei drei vier fünf sechs sieben acht neun",
    "zéro un deux trois quatre cinq six sept huit neuf",
    "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "zero uno due tre quattro cinque sei sette otto nove",
    "nul een twee drie vier vijf zes zeven acht negen",
    "zero um dois três quatro cinco seis sete oito nove",
)
_DIGITS = {word: str(digit) for line in _ABROAD for digit, word in enumerate(line.split())}
_DIGITS |= {word: str(digit) for digit, word in enumerate(_UNITS)} | {"oh": "0", "naught": "0", "nought": "0", "niner": "9"}
_NUMBERS = {word: f"1 {i}" for i, word in enumerate(_TEENS)}
_SILENT = {"dash", "hyphen", "minus", "dot", "space", "underscore", "slash", "and", "then"}
#: Words that say of what kind the next sign is: "capital U, the digit five".
_SILENT |= {"the", "capital", "uppercase", "lowercase", "letter", "digit", "figure"}
_WORD = re.compile(r"x-ray|ex-ray|[^\W_]+", re.IGNORECASE)
#: "Q for queen", "X as in x-ray", "N like Nancy".
_AS_IN = re.compile(r"(?<![\w'])([a-z0-9]) ?(?:,|-)? ?(?:(?:as|like) in|is for|for|as|like) ['\"]?[a-z-]+", re.IGNORECASE)

#: "a dash" between two letters is no letter, and so is "with a capital O" after a word.
_A_SIGN = re.compile(
    r"\ban? (?:dash|hyphen|minus|dot|space|underscore|slash)\b|\bwith an? (?:capital|upper ?case|lower ?case|small) [a-z]\b",
    re.IGNORECASE,
)


def spelled(text: str) -> str:
    """Words of spelling alphabets and number words as letters and figures, each by itself: "Kilo fifty-five" is "k 5 5"."""
    words = _WORD.findall(_A_SIGN.sub(" ", _AS_IN.sub(r" \1 ", text)).casefold())
    said: list[str] = []
    ten = ""
    for word in words:
        if ten and word in _UNITS[1:]:
            said += [ten, _DIGITS[word]]
            ten = ""
            continue
        if ten:
            said += [ten, "0"]
        ten = str(2 + _TENS.index(word)) if word in _TENS else ""
        if not ten and word not in _SILENT:
            said.append(_LETTERS.get(word) or _DIGITS.get(word) or _NUMBERS.get(word, word))
    return " ".join([*said, *((ten, "0") if ten else ())])


_ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
]
_INDEX = {word: i + 1 for i, word in enumerate(_ORDINALS)} | {word: i for i, word in enumerate([*_UNITS, *_TEENS])}
_INDEX |= {"last": 99, "final": 99, "finally": 99, "next": 0}
_SIGN = "character|char|letter|digit|symbol|sign|position|place|number|one|part|no\\.?|#"
_ITEM = re.compile(
    rf"(?<![\w.])(?:(?:{_SIGN})\s*)?(\d{{1,2}}|{'|'.join(_INDEX)})(?:st|nd|rd|th)?(?:\s+(?:{_SIGN}))?(?:\s+is|\s*[:=).\]|>-]+)"
    rf"(?:\s*(?:{_SIGN})\s+is|\s+(?:the\s+)?(?:{_SIGN}))?[\s*\"'`(|]*"
    rf"([^\W_]|{'|'.join({**_DIGITS, **_LETTERS})})(?![\w'])(?! (?:dash|hyphen|minus|space)\b)",
    re.IGNORECASE,
)


def listed(text: str) -> Iterator[str]:
    """Yield the characters of a numbered list, as they come and in the order of their numbers."""
    items = []
    for place, found in enumerate(_ITEM.finditer(text)):
        number, sign = found[1].casefold(), found[2].casefold()
        index = int(number) if number.isdigit() else _INDEX[number] or place + 1
        items.append((index, place, _LETTERS.get(sign) or _DIGITS.get(sign) or sign))
    if len(items) >= 4:
        yield " ".join(sign for _, _, sign in items)
        yield " ".join(sign for _, _, sign in sorted(items))


#: A single sign in bold, or as a word.
_BOLD, _SINGLE = re.compile(r"\*\*([^\W_])\*\*"), re.compile(r"(?<![\w'])[^\W_](?![\w'])")


def singles(text: str) -> Iterator[str]:
    """Yield the signs that are in bold each, and those that are words: with and without the words "a" and "I"."""
    alone = [sign.casefold() for sign in _SINGLE.findall(text)]
    for signs in (_BOLD.findall(text), alone, [sign for sign in alone if sign not in "ai"]):
        if len(signs) >= 4:
            yield " ".join(signs)


#: "1. " before an entry of a list; "1: K" is a place and its sign.
_ENTRY = re.compile(r"\A[ \t]*[0-9]{1,2}[.)][ \t]+(?=\w{2})")


def initials(text: str) -> str:
    """Return the first letter or figure of each line."""
    lines = [_ENTRY.sub("", line).strip(" \t*#>-•\"'") for line in text.splitlines()]
    return " ".join(line[0] for line in lines if line)


_MORSE = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz0123456789",
        [
            ".-",
            "-...",
            "-.-.",
            "-..",
            ".",
            "..-.",
            "--.",
            "....",
            "..",
            ".---",
            "-.-",
            ".-..",
            "--",
            "-.",
            "---",
            ".--.",
            "--.-",
            ".-.",
            "...",
            "-",
            "..-",
            "...-",
            ".--",
            "-..-",
            "-.--",
            "--..",
            "-----",
            ".----",
            "..---",
            "...--",
            "....-",
            ".....",
            "-....",
            "--...",
            "---..",
            "----.",
        ],
        strict=True,
    )
)
_OF_MORSE = {code: sign for sign, code in _MORSE.items()}
_MORSE_RUN = re.compile(r"(?:[.-]{1,6}[ /|,]+){3,}[.-]{1,6}")
_MORSE_SIGNS = str.maketrans({"•": ".", "·": ".", "−": "-", "–": "-", "—": "-", "_": "-"})


def morse(text: str) -> Iterator[str]:
    """Yield what runs of Morse code say."""
    for run in _MORSE_RUN.finditer(text.translate(_MORSE_SIGNS)):
        yield " ".join(_OF_MORSE.get(code, "?") for code in re.split(r"[ /|,]+", run.group()) if code != "-....-")


_CODES = re.compile(r"(?<!\d)(?:1[01]\d|12[0-6]|[4-9]\d|3[2-9])(?:[ ,;]+(?:1[01]\d|12[0-6]|[4-9]\d|3[2-9])(?!\d)){3,}")
#: A is 1, B is 2.
_PLACES = re.compile(r"(?<![\d.])(?:1\d|2[0-6]|[1-9])(?:[ ,;-]+(?:1\d|2[0-6]|[1-9])(?!\d|\.\d)){3,}")
_BY_PLACE = re.compile(r"\ba ?(?:=|is) ?1\b|\balphabet|\bletters?\b", re.IGNORECASE)
_BITS = re.compile(r"(?<!\d)[01]{7,8}(?:[ ,;]*[01]{7,8}){3,}(?!\d)")


def codes(text: str) -> Iterator[str]:
    """Yield what runs of decimal character codes, of places in the alphabet or of bytes written in bits say."""
    for run in _CODES.finditer(text):
        yield "".join(chr(int(code)) for code in re.findall(r"\d+", run.group()))
    for run in _PLACES.finditer(text) if _BY_PLACE.search(text) else ():
        yield "".join(chr(96 + int(place)) for place in re.findall(r"\d+", run.group()))
    for run in _BITS.finditer(text):
        bits = re.findall(r"[01]{8}|[01]{7}", run.group())
        yield "".join(chr(int(code, 2)) for code in bits)


_ADDED = re.compile(r"\b(?:add|sum of) (\d{1,12}) (?:to|and) (\d{1,12})\b|\b(\d{1,12}) more than (\d{1,12})\b")
_TAKEN = re.compile(r"\b(?:take|subtract) (\d{1,12}) (?:away )?from (\d{1,12})\b|\b(\d{1,12}) (?:less|fewer) than (\d{1,12})\b")


def sums(text: str) -> str:
    """Return what two numbers of a text make: "add 31 to 4700" is 4731, and "take nine from 4740" too."""
    both = f"{text} {in_figures(text)}"
    added = [int(a or c) + int(b or d) for a, b, c, d in _ADDED.findall(both)]
    taken = [int(b or d) - int(a or c) for a, b, c, d in _TAKEN.findall(both)]
    return " ".join(map(str, [*added, *taken]))


def shifted(key: str, by: int) -> str:
    """Return a key with its letters and figures moved along the alphabet and the figures; ``by`` may be negative."""
    return "".join(
        chr((ord(sign) - 97 + by) % 26 + 97) if "a" <= sign <= "z" else str((int(sign) + by) % 10) if sign.isdigit() else sign
        for sign in key
    )


def pig_latin(word: str) -> Iterator[str]:
    """Yield a word in Pig Latin: its first consonants go to the end, and "ay" follows."""
    start = next((i for i, letter in enumerate(word) if letter in "aeiou"), 0)
    yield from (word[start:] + word[:start] + end for end in ("ay", "way", "yay")[0 if start else 1 :])


_LEET = str.maketrans("013457@$!", "oieastasi")


def unleet(text: str) -> str:
    """Figures and signs as the letters that they are drawn for: "h4rv3st" is "harvest"."""
    return text.casefold().translate(_LEET).replace("l", "i")


def numbers(text: str) -> str:
    """Numbers that are written in words, as figures: "forty-eight thousand one hundred" is "48100"."""
    return in_figures(text)
