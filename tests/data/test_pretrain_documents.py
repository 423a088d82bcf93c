from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from src.common.errors import DataError
from src.data.pretraining.documents import TextFormat, detect_format, read_blocks, read_documents
from src.data.pretraining.sources import LineReader, find_text_files

SENTENCES = "One is here.\nTwo is here.\n\n\n \nThree is there.\n"
PARAGRAPHS = "One is here. Two is here.\nThree is there. So is four.\n\nFive is last. It ends.\n"
EXTRACTED = """<doc id="1" url="u" title="A &amp; B">
A & B

One is here. Two is here.
</doc>
<doc id="2" url="u" title="C">
C

Three is there.

Four is, too.
</doc>
"""
AS_JSON = "".join(
    json.dumps({"id": "1", "title": title, "text": text}) + "\n"
    for title, text in [("A", "A\n\nOne is here. Two is here."), ("C", "Three is there.\nFour is, too.")]
)


def _write(folder: Path, content: str | bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _read(path: Path, text_format: TextFormat, largest: int = 1 << 20) -> list[list[str]]:
    return [document.sentences() for document in read_documents(LineReader(path), text_format, largest)]


@pytest.mark.parametrize(
    ("text", "text_format", "documents"),
    [
        (SENTENCES, "sentences", [["One is here.", "Two is here."], ["Three is there."]]),
        (
            PARAGRAPHS,
            "paragraphs",
            [["One is here.", "Two is here.", "Three is there.", "So is four."], ["Five is last.", "It ends."]],
        ),
        (EXTRACTED, "wikiextractor", [["One is here.", "Two is here."], ["Three is there.", "Four is, too."]]),
        (AS_JSON, "wikiextractor_json", [["One is here.", "Two is here."], ["Three is there.", "Four is, too."]]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_form_is_recognised_and_read(
    tmp_path: Path, text: str, text_format: TextFormat, documents: list[list[str]], packed: bool
) -> None:
    content = text.replace("\n", "\r\n").encode("utf-8-sig")
    path = _write(tmp_path, gzip.compress(content) if packed else content)
    assert detect_format(path) == text_format
    assert _read(path, text_format) == documents


@pytest.mark.parametrize("name", ["c1.jsonl", "text.txt", "c1.jsonl.gz"])
def test_json_without_text_is_no_text(tmp_path: Path, name: str) -> None:
    content = b'\n{"id": 0, "content": "One is here. Two is here."}\n'
    path = _write(tmp_path, gzip.compress(content) if name.endswith("gz") else content, name)
    with pytest.raises(DataError, match=rf"{name}:2: JSON without 'text' -> give every line a string 'text'"):
        detect_format(path)


def test_a_brace_that_begins_no_json(tmp_path: Path) -> None:
    assert detect_format(_write(tmp_path, '{"a broken line\nOne is here.\n')) == "sentences"
    # In a file of JSON the reader says what is wrong with it.
    assert detect_format(_write(tmp_path, '{"text": "a\n', "a.json")) == "wikiextractor_json"


@pytest.mark.parametrize(
    ("content", "text_format", "message"),
    [
        (b"fine\nb\xe4d\n", "sentences", r"text.txt:2: not UTF-8 text: byte 0xe4"),
        (b"fine\n\nb\0d\n", "sentences", r"text.txt:3: NUL byte"),
        (gzip.compress(b"fine\n" * 9000)[:-20], "sentences", "damaged gzip file after line"),
        (gzip.compress(bytes(range(65, 90)) * 99)[:12] + b"\xff" * 40, "sentences", "damaged gzip file"),
        (b"text\n", "wikiextractor", r"text.txt:1: text outside of <doc"),
        (b'<doc id="1">\nx\n', "wikiextractor", "is not closed"),
        (b'<doc id="1">\n<doc id="2">\n', "wikiextractor", r"text.txt:2: <doc ...> within"),
        (b'{"text": "a"}\n{"text": \n', "wikiextractor_json", r"text.txt:2: not a line of JSON"),
        (b'{"title": "a"}\n', "wikiextractor_json", r"text.txt:1: no object with a string 'text'"),
    ],
)
def test_damaged_text_is_named(tmp_path: Path, content: bytes, text_format: TextFormat, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _read(_write(tmp_path, content), text_format)


def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, b"a" * (17 << 20))
    with pytest.raises(DataError, match="no end of the line within 16 MB"):
        _read(path, "sentences")


def test_long_documents_are_cut_between_lines(tmp_path: Path) -> None:
    path = _write(tmp_path, "".join(f"line {number}\n" for number in range(10)))
    documents = _read(path, "sentences", largest=21)
    assert [len(document) for document in documents] == [3, 3, 3, 1]
    assert [line for document in documents for line in document] == [f"line {number}" for number in range(10)]


def test_blocks_hold_all_documents_and_at_least_two(tmp_path: Path) -> None:
    texts = [f"document {number} " + "x" * 50 for number in range(30)]
    first = _write(tmp_path, "\n\n".join(texts[:17]), "a.txt")
    second = _write(tmp_path, gzip.compress("\n\n".join(texts[17:]).encode()), "b.txt.gz")
    files: list[tuple[Path, TextFormat]] = [(first, "sentences"), (second, "sentences")]
    for block_bytes in (1, 100, 250, 700, 10_000):
        blocks = list(read_blocks(files, block_bytes))
        assert [document.lines[0] for block in blocks for document in block.documents] == texts
        assert [block.number for block in blocks] == list(range(len(blocks)))
        assert min(len(block.documents) for block in blocks) >= 2
        assert blocks[-1].position == first.stat().st_size + second.stat().st_size
    assert len(list(read_blocks(files, 250))) > 4


@pytest.mark.parametrize(("text", "message"), [("\n \n", "no documents"), ("a\nb\n", "only one document")])
def test_too_few_documents_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_blocks([(_write(tmp_path, text), "sentences")], 1000))


def test_files_folders_and_patterns_are_found_once(tmp_path: Path) -> None:
    (tmp_path / "AA").mkdir()
    for name in ("AA/wiki_01", "AA/wiki_00", "b.txt", "AA/.hidden"):
        (tmp_path / name).write_text("x\n")
    everything = [tmp_path / "AA/wiki_00", tmp_path / "AA/wiki_01", tmp_path / "b.txt"]
    assert find_text_files([str(tmp_path)]) == everything
    assert find_text_files([f"{tmp_path}/**/wiki_*", f"{tmp_path}/b.txt", str(tmp_path)]) == everything


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file matches"):
        find_text_files([f"{tmp_path}/*.txt"])
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match=r"empty.txt: the file is empty"):
        find_text_files([str(tmp_path)])
