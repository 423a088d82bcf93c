"""Read documents out of text files, whatever their form, and gather them in blocks of bounded size."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from src.common.errors import DataError
from src.common.json_files import json_value
from src.data.pretraining.sentences import split_sentences
from src.data.pretraining.sources import LineReader, size_of

TextFormat = Literal["sentences", "paragraphs", "wikiextractor", "wikiextractor_json"]
TEXT_FORMATS: tuple[str, ...] = get_args(TextFormat)

# A line of a file of sentences that the splitter would cut again is an exception.
_MOST_CUT_LINES = 0.2
_SAMPLE_LINES = 500
_PARTS_OF_BLOCK = 4
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_DOC = re.compile(r"<doc\b([^>]*)>")
_TITLE = re.compile(r'\btitle="([^"]*)"')


@dataclass
class RawDocument:
    """Lines of one document.

    Attributes:
        lines: Sentences, or paragraphs if ``paragraphs`` is true; none of them blank.
        paragraphs: Whether lines are still to be split into sentences.
        size_bytes: Length of the text.
    """

    lines: list[str]
    paragraphs: bool
    size_bytes: int

    def sentences(self) -> list[str]:
        """Return the sentences."""
        if not self.paragraphs:
            return self.lines
        return [sentence for line in self.lines for sentence in split_sentences(line)]


@dataclass
class Block:
    """Consecutive documents that become one shard; negatives of the sentence-order task stay within it.

    Attributes:
        number: Its number in the corpus, from 0.
        documents: At least two, unless the whole corpus has one.
        position: Bytes of the corpus' files read up to its end.
        size_bytes: Length of the text.
    """

    number: int
    documents: list[RawDocument] = field(default_factory=list)
    position: int = 0
    size_bytes: int = 0

    def add(self, document: RawDocument, position: int) -> None:
        """Append a document that ends at ``position``."""
        self.documents.append(document)
        self.size_bytes += document.size_bytes
        self.position = position

    def digest(self) -> str:
        """Return the sha256 of the text and of its division."""
        result = hashlib.sha256()
        for document in self.documents:
            result.update(b"\x01" if document.paragraphs else b"\x00")
            result.update("\n".join(document.lines).encode("utf-8", "surrogatepass"))
        return result.hexdigest()


def detect_format(path: Path) -> TextFormat:
    """Return the form of a text file, judged by its beginning.

    ``<doc`` means WikiExtractor, a JSON object with ``text`` its ``--json`` form. Otherwise the first 500 lines that
    are not blank decide: paragraphs if more than a fifth of them hold more than one sentence.

    Raises:
        DataError: The lines are JSON without ``text``, which nobody means to be read as sentences.
    """
    lines: list[str] = []
    reader = LineReader(path)
    for text, _ in islice(reader.lines(), 4 * _SAMPLE_LINES):
        if text and not lines and (form := extracted_form(text, path, reader.number)):
            return form
        lines += [text] if text else []
    lines = lines[:_SAMPLE_LINES]
    if not lines:
        return "sentences"
    cut = sum(len(split_sentences(line)) > 1 for line in lines)
    return "paragraphs" if cut > _MOST_CUT_LINES * len(lines) else "sentences"


def extracted_form(line: str, path: Path, number: int) -> Literal["wikiextractor", "wikiextractor_json"] | None:
    """Return the form of WikiExtractor's that a file begins with; ``None`` for plain text.

    Args:
        line: The first line that is not blank.
        path: The file.
        number: Number of that line, from 1.

    Raises:
        DataError: It is JSON without ``text``.
    """
    if _DOC.match(line):
        return "wikiextractor"
    if not line.startswith("{"):
        return None
    try:
        content = json_value(line)
    except ValueError:
        # In a file of JSON the reader tells what is wrong with the line; elsewhere a brace may begin a sentence.
        suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        return "wikiextractor_json" if suffix in _JSON_SUFFIXES else None
    if isinstance(content, dict) and "text" not in content:
        fix = "give every line a string 'text', or --input_format sentences to read the lines as they are"
        raise DataError("JSON without 'text'", f"{path}:{number}", fix)
    return "wikiextractor_json"


def read_documents(reader: LineReader, text_format: TextFormat, largest_bytes: int) -> Iterator[RawDocument]:
    """Yield the documents of a file, long ones in several parts.

    Args:
        reader: The file.
        text_format: Its form.
        largest_bytes: A document is cut at the end of the line that reaches this size.

    Raises:
        DataError: The file is damaged, or not of that form.
    """
    read: Callable[[LineReader], Iterator[tuple[str, int] | None]] = {
        "sentences": _plain,
        "paragraphs": _plain,
        "wikiextractor": _wikiextractor,
        "wikiextractor_json": _wikiextractor_json,
    }[text_format]
    paragraphs = text_format != "sentences"
    lines: list[str] = []
    size = 0
    for item in read(reader):
        if item is not None:
            lines.append(item[0])
            size += item[1]
        if lines and (item is None or size >= largest_bytes):
            yield RawDocument(lines, paragraphs, size)
            lines, size = [], 0
    if lines:
        yield RawDocument(lines, paragraphs, size)


def _plain(reader: LineReader) -> Iterator[tuple[str, int] | None]:
    """Yield lines with their size, and ``None`` where a document ends."""
    for text, size in reader.lines():
        yield (text, size) if text else None


def _wikiextractor(reader: LineReader) -> Iterator[tuple[str, int] | None]:
    title: str | None = None
    inside = False
    for text, size in reader.lines():
        match = _DOC.match(text)
        if match:
            if inside:
                raise DataError("<doc ...> within a <doc>", reader.place, "the file is damaged: extract it again")
            inside = True
            name = _TITLE.search(match.group(1))
            title = html.unescape(name.group(1)) if name else None
        elif text == "</doc>":
            inside = False
            yield None
        elif text and not inside:
            raise DataError("text outside of <doc ...> and </doc>", reader.place, "check --input_format")
        elif text:
            # The title stands once more as the first line; it is no sentence.
            if text != title:
                yield text, size
            title = None
    if inside:
        raise DataError("the last <doc ...> is not closed", reader.place, "the file is cut off: extract it again")


def _wikiextractor_json(reader: LineReader) -> Iterator[tuple[str, int] | None]:
    for line, _ in reader.lines():
        if not line:
            continue
        try:
            content = json_value(line)
        except ValueError as error:
            raise DataError(f"not a line of JSON: {error}", reader.place, "check --input_format") from error
        if not isinstance(content, dict) or not isinstance(content.get("text"), str):
            raise DataError("no object with a string 'text'", reader.place, "check --input_format")
        title = content.get("title")
        paragraphs = [text for text in (part.strip() for part in content["text"].split("\n")) if text]
        for index, text in enumerate(paragraphs):
            if index or text != title:
                yield text, len(text.encode("utf-8", "surrogatepass"))
        yield None


def read_blocks(files: Sequence[tuple[Path, TextFormat]], block_bytes: int) -> Iterator[Block]:
    """Yield the blocks of a corpus; they depend on the files, their order and ``block_bytes`` alone.

    A block is complete as soon as it has ``block_bytes`` of text and two documents. A rest of less than half a block
    joins the block before it.

    Raises:
        DataError: As ``read_documents``; or there are fewer than two documents.
    """
    block, ready = Block(0), None
    for document, position in _positioned(files, block_bytes // _PARTS_OF_BLOCK):
        block.add(document, position)
        if block.size_bytes >= block_bytes and len(block.documents) > 1:
            if ready is not None:
                yield ready
            ready, block = block, Block(block.number + 1)
    if ready is not None and (2 * block.size_bytes < block_bytes or len(block.documents) < 2):
        for document in block.documents:
            ready.add(document, block.position)
        yield ready
        return
    if ready is not None:
        yield ready
    _refuse_too_few(block, files)
    yield block


def _positioned(files: Sequence[tuple[Path, TextFormat]], largest_bytes: int) -> Iterator[tuple[RawDocument, int]]:
    """Yield all documents with the bytes of the files read so far."""
    before = 0
    for path, text_format in files:
        reader = LineReader(path)
        for document in read_documents(reader, text_format, largest_bytes):
            yield document, before + reader.position()
        before += size_of(path)


def _refuse_too_few(block: Block, files: Sequence[tuple[Path, TextFormat]]) -> None:
    if len(block.documents) > 1:
        return
    where = str(files[0][0]) if len(files) == 1 else f"{files[0][0]} and {len(files) - 1} more"
    if not block.documents:
        raise DataError("there are no documents: all lines are blank", where, "give files with text")
    raise DataError(
        "there is only one document, negatives need another one to draw from",
        where,
        "part the documents by blank lines, or give more text",
    )
