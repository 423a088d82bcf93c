"""Fetch the real text of ``make quickstart``: film reviews rated by people, newspaper editorials, product reviews.

Source: the data set of C.J. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of
Social Media Text" (ICWSM 2014). It is inside the source distribution of the Python package vaderSentiment (MIT
licence), so pip can get it wherever pip can install. At least 20 raters gave each text a figure from -4 to 4; the
mean of them is what the files hold.

Run it as ``python -m src.data.film_reviews --output_dir DIR``. It writes, all in UTF-8:

* ``sentiment/{train,dev,test}.tsv``: columns ``sentence`` and ``label`` (``negative`` or ``positive``: the sign of
  the mean rating). Texts rated between -0.5 and 0.5 are left out: there the raters took no side.
* ``rating/{train,dev,test}.tsv``: columns ``sentence`` and ``rating``, all texts.
* ``text/{film_reviews,editorials,product_reviews}.txt``: documents for a vocabulary and for pre-training, without
  labels; one sentence a line, a blank line between documents. Of the film reviews only the snippets of the train split
  are there, so that neither a vocabulary nor pre-training sees dev and test. The data set does not say from which
  review a snippet was taken, so each is a document of its own. Most are a single sentence; they are cut into two parts,
  because an order can be learned only where there are two.
* ``held_out/...``: one twentieth of these documents, to score pre-training on.
* ``film_reviews.json``: source, checksum, rows, share of the majority class, documents.

A text's split follows from its hash, so it is the same on every machine and equal texts are in one split. Two snippets
of one review may be in different splits.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import DataError
from src.common.files import write_json_atomic, write_text_atomic
from src.data.source_archive import SourceArchive, obtain_archive, read_member

ARCHIVE = SourceArchive(
    package="vaderSentiment",
    version="3.3.2",
    file_name="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
)
_INNER_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_FILM_REVIEWS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
_EDITORIALS = "hutto_ICWSM_2014/nytEditorialSnippets_GroundTruth.txt"
_PRODUCT_REVIEWS = "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"

SPLITS = ("train", "dev", "test")
LABELS = ("negative", "positive")
HIGHEST_RATING = 4.0
LOWEST_CLEAR_RATING = 0.5
_SHARES = 10  # of which one is dev, one is test
_HELD_OUT_SHARES = 20  # of which one is held out of pre-training
_MARK_AND_BLANK = re.compile(r"(?<=[^\w\s]) ")


@dataclass(frozen=True)
class RatedText:
    """One sentence or snippet.

    Attributes:
        identifier: ``17``, or ``3_17``: sentence 17 of document 3.
        rating: Mean of the raters' figures, from -4 (extremely negative) to 4 (extremely positive).
        text: The text on one line, single spaces.
    """

    identifier: str
    rating: float
    text: str

    def document(self) -> str:
        """Return the document that the text belongs to."""
        return self.identifier.partition("_")[0]

    def split(self) -> str:
        """Return ``train``, ``dev`` or ``test``: 8, 1 and 1 tenth of all texts, chosen by the hash of the text."""
        share = hashlib.sha256(self.text.lower().encode()).digest()[0] * _SHARES // 256
        return {0: "dev", 1: "test"}.get(share, "train")

    def label(self) -> str | None:
        """Return the class; ``None`` where the raters took no side."""
        if abs(self.rating) < LOWEST_CLEAR_RATING:
            return None
        return LABELS[self.rating > 0]


def parse_rated_texts(content: bytes, where: str) -> list[RatedText]:
    """Read the lines ``identifier TAB rating TAB text`` of one file of the data set.

    Raises:
        DataError: The content is not UTF-8 or a line has another form; names ``where`` and the line.
    """
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8", f"{where}: byte {error.start}") from error
    texts = [_rated_text(line, f"{where}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not texts:
        raise DataError("the file is empty", where)
    return texts


def _rated_text(line: str, where: str) -> RatedText:
    fields = line.split("\t")
    if len(fields) != 3:
        raise DataError(f"{len(fields)} columns instead of 3", where)
    try:
        rating = float(fields[1])
    except ValueError:
        rating = math.nan
    if not abs(rating) <= HIGHEST_RATING:
        raise DataError(f"{fields[1]!r} is not a rating from -4 to 4", where)
    text = " ".join(fields[2].split())
    if not text:
        raise DataError("no text", where)
    return RatedText(fields[0].strip(), rating, text)


def read_data_set(archive: Path) -> dict[str, list[RatedText]]:
    """Return the texts of the three parts of the data set, in the order of the files.

    Raises:
        DataError: The archive does not hold what it should.
    """
    inner = read_member(archive.read_bytes(), _INNER_ARCHIVE, str(archive))
    parts = {"film_reviews": _FILM_REVIEWS, "editorials": _EDITORIALS, "product_reviews": _PRODUCT_REVIEWS}
    where = f"{archive}: {_INNER_ARCHIVE}"
    return {part: parse_rated_texts(read_member(inner, name, where), name) for part, name in parts.items()}


def write_data_set(texts: dict[str, list[RatedText]], output_dir: Path) -> dict[str, Any]:
    """Write all files into ``output_dir`` and return the content of ``film_reviews.json``."""
    reviews = texts["film_reviews"]
    clear = [review for review in reviews if review.label() is not None]
    for split in SPLITS:
        rows = (f"{review.text}\t{review.label()}" for review in clear if review.split() == split)
        _write_lines(output_dir / "sentiment" / f"{split}.tsv", ["sentence\tlabel", *rows])
        rows = (f"{review.text}\t{review.rating:.4f}" for review in reviews if review.split() == split)
        _write_lines(output_dir / "rating" / f"{split}.tsv", ["sentence\trating", *rows])
    summary = {
        "source": f"{ARCHIVE.package} {ARCHIVE.version} (MIT licence), {_INNER_ARCHIVE}",
        "sha256": ARCHIVE.sha256,
        "sentiment": {split: _class_figures(clear, split) for split in SPLITS},
        "sentiment_left_out": len(reviews) - len(clear),
        "rating": {split: {"rows": sum(review.split() == split for review in reviews)} for split in SPLITS},
        "pretraining_documents": {part: _write_documents(part, texts[part], output_dir) for part in texts},
    }
    write_json_atomic(output_dir / "film_reviews.json", summary)
    return summary


def _write_documents(part: str, texts: Sequence[RatedText], output_dir: Path) -> dict[str, int]:
    """Write the documents of one part of the data set and return how many there are in each folder."""
    if part == "film_reviews":
        documents = [two_parts(review.text) for review in texts if review.split() == "train"]
    else:
        documents = [[text.text for text in group] for _, group in groupby(texts, key=RatedText.document)]
    folders = {"text": False, "held_out": True}
    for folder, held_out in folders.items():
        blocks = ("".join(f"{line}\n" for line in lines) for lines in documents if _is_held_out(lines) == held_out)
        write_text_atomic(output_dir / folder / f"{part}.txt", "\n".join(blocks))
    return {folder: sum(_is_held_out(lines) == kept for lines in documents) for folder, kept in folders.items()}


def two_parts(text: str) -> list[str]:
    """Return a text cut at the blank nearest to its middle, if possible behind a punctuation mark."""
    blanks = [match.start() for match in _MARK_AND_BLANK.finditer(text)]
    blanks = blanks or [place for place, char in enumerate(text) if char == " "]
    if not blanks:
        return [text]
    place = min(blanks, key=lambda blank: abs(2 * blank - len(text)))
    return [text[:place], text[place + 1 :]]


def _is_held_out(lines: Sequence[str]) -> bool:
    # Another byte than the one that decides about train, dev and test.
    return hashlib.sha256(" ".join(lines).lower().encode()).digest()[1] * _HELD_OUT_SHARES // 256 == 0


def _class_figures(reviews: Iterable[RatedText], split: str) -> dict[str, Any]:
    counts = Counter(review.label() for review in reviews if review.split() == split)
    label, most = counts.most_common(1)[0] if counts else (None, 0)
    rows = sum(counts.values())
    return {"rows": rows, "majority_class": label, "majority_share": round(most / max(rows, 1), 4)}


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    write_text_atomic(path, "".join(f"{line}\n" for line in lines))


def main(argv: Sequence[str]) -> int:
    """Fetch the data set, write its files and print how many rows they have."""
    parser = OneLineParser(prog="python -m src.data.film_reviews")
    parser.add_argument("--output_dir", type=Path, default=Path("quickstart/data"), help="default: %(default)s")
    parser.add_argument("--archive", type=Path, help=f"a {ARCHIVE.file_name} you have; otherwise pip downloads it")
    options = parser.parse(argv)
    archive = obtain_archive(ARCHIVE, options.output_dir / "download", options.archive)
    summary = write_data_set(read_data_set(archive), options.output_dir)
    for split, figures in summary["sentiment"].items():
        share = f"majority class {figures['majority_class']} {100 * figures['majority_share']:.1f} %"
        print(f"{options.output_dir / 'sentiment' / split}.tsv: {figures['rows']} film reviews, {share}")
    for folder, use in (("text", "vocabulary and pre-training"), ("held_out", "evaluation of pre-training")):
        documents = sum(counts[folder] for counts in summary["pretraining_documents"].values())
        print(f"{options.output_dir / folder}: {documents} documents for {use}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
