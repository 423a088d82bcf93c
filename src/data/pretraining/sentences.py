"""Split paragraphs into sentences by rule: English and languages with its punctuation, and Chinese.

The rule, in order:

1. ``。``, ``！``, ``？``, ``；`` and ``……`` end a sentence, with the closing quotes and brackets behind them.
2. ``.``, ``!``, ``?`` and ``…``, with closing quotes and brackets behind them, end a sentence when white space follows
   and then a character that may begin one: an upper-case letter, a letter of a script without cases, a digit, an
   opening quote or bracket.
3. A single full stop does not end it behind a known abbreviation (``Mr.``, ``e.g.``), behind one upper-case letter
   (``J. Smith``), or behind letters with stops between them (``U.S.``), except where a frequent first word of a
   sentence (``The``, ``He``, ``In``) follows. Before a digit, ``No.``, ``vol.`` and their like do not end it either.

Limits: names behind ``U.S.`` that are no first words stay joined; lower-case beginnings (``iPhone``) are not seen; a
heading without punctuation is a sentence of its own only if it is a line of its own. For the sentence-order task both
kinds of error are harmless: segments are whole runs of such sentences.
"""

from __future__ import annotations

import re

_CLOSING = "\"'”’»)\\]}」』】）》〉"
_ENDS = re.compile(
    rf"(?:[。！？；]|……)[。！？；…]*[{_CLOSING}]*"
    # Only from the first mark of a run: trying every one of them would take quadratic time.
    rf"|(?<![.!?…])[.!?…]+[{_CLOSING}]*(?=\s+[\"'“‘«(\[{{¿¡\-–—]*\s?[^\W_])"
)
_OPENING = "\"'“‘«([{¿¡-–—"
_LAST_WORD = re.compile(r"[^\s\"'“‘«(\[{—–]+$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        """mr mrs ms dr prof st mt ft rev hon gen col maj capt lt cmdr sgt gov sen rep pres messrs mme mlle sr jr esq
        vs etc cf al ca approx dept est inc ltd co corp bros univ e.g i.e viz
        jan feb mar apr jun jul aug sep sept oct nov dec""",
    )
)
_BEFORE_NUMBERS = frozenset(re.findall(r"\w+", "no nos vol vols p pp fig figs sec ch art op eq ed c"))
_FIRST_WORDS = frozenset(
    re.findall(
        r"\w+",
        """The A An He She It They We You I In On At By For From As After Before When While With This That These Those
        There His Her Its Their But And However Although During Since If To Of Some Many Most One Another Both""",
    )
)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph, stripped; empty ones are left out."""
    sentences = []
    begin = 0
    for match in _ENDS.finditer(text):
        if _is_end(text, begin, match):
            sentences.append(text[begin : match.end()].strip())
            begin = match.end()
    sentences.append(text[begin:].strip())
    return [sentence for sentence in sentences if sentence]


def _is_end(text: str, begin: int, match: re.Match[str]) -> bool:
    """Tell whether the punctuation that was found ends the sentence that starts at ``begin``."""
    mark = match.group()
    if mark[0] in "。！？；" or mark.startswith("……"):
        return True
    following = text[match.end() : match.end() + 64].lstrip().lstrip(_OPENING).lstrip()
    if following[:1].islower():
        return False
    if mark != ".":
        return True
    last = _LAST_WORD.search(text, max(begin, match.start() - 32), match.start())
    if last is None:
        return True
    return _ends_behind(last.group(), following)


def _ends_behind(word: str, following: str) -> bool:
    """Tell whether a full stop behind ``word`` ends a sentence when ``following`` comes next."""
    lower = word.lower()
    if following[:1].isdigit() and lower in _BEFORE_NUMBERS:
        return False
    if lower not in _ABBREVIATIONS and not (_INITIALS.fullmatch(word) and (word[0].isupper() or "." in word)):
        return True
    # "I" is more often the pronoun than an initial.
    first = _FIRST_WORD.match(following)
    return word == "I" or (("." in word or lower in ("etc", "inc", "co", "ltd", "jr", "sr")) and _starts(first))


def _starts(first: re.Match[str] | None) -> bool:
    return first is not None and first.group() in _FIRST_WORDS
