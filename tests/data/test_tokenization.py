from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import sentencepiece

from src.common.errors import DataError
from src.data.tokenization import Tokenizer, load_tokenizer

LINES = ["the quick brown fox (a red one) jumps over the lazy dog,", 'in 2010, or 2011, nobody - or "all" - minded it']


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def tokenizer(tiny_model: Path, request: pytest.FixtureRequest) -> Tokenizer:
    return load_tokenizer(spm_model_file=tiny_model, do_lower_case=request.param)


def test_ids_and_tokens_round_trip(tokenizer: Tokenizer) -> None:
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id) == (
        0,
        1,
        2,
        3,
        4,
    )
    ids = list(range(tokenizer.vocab_size))
    assert tokenizer.tokens_to_ids(tokenizer.ids_to_tokens(ids)) == ids
    assert tokenizer.tokens_to_ids(["no such piece"]) == [tokenizer.unk_id]
    for wrong in (-1, tokenizer.vocab_size):
        with pytest.raises(DataError, match=f"id {wrong} is outside the vocabulary of 210 pieces"):
            tokenizer.ids_to_tokens([wrong])


def test_encode_is_tokenize_looked_up(tokenizer: Tokenizer) -> None:
    for text in LINES:
        assert tokenizer.encode(text) == tokenizer.tokens_to_ids(tokenizer.tokenize(text))


def test_fingerprint_names_the_file_and_its_checksum(tokenizer: Tokenizer) -> None:
    fingerprint = tokenizer.fingerprint()
    assert fingerprint["type"] == "sentencepiece"
    assert fingerprint["vocab_size"] == 210
    assert fingerprint["file"] == "tiny.model"
    assert len(fingerprint["sha256"]) == 64
    assert fingerprint["do_lower_case"] is tokenizer.do_lower_case
    assert json.loads(json.dumps(fingerprint)) == fingerprint


def test_tokenizer_can_be_pickled(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    text = "The lazy dog, 2010,"
    assert copy.tokenize_with_offsets(text) == tokenizer.tokenize_with_offsets(text)
    assert copy.fingerprint() == tokenizer.fingerprint()


# Wrong files


@pytest.mark.parametrize(
    "content",
    [
        b"hello world\n" * 50,
        b"<html><body>404</body></html>",
        bytes(100),
        b"\x0a\xff\xff\xff\xff",
        b"version https://git",
    ],
    ids=["text", "html", "zeros", "beyond", "pointer"],
)
def test_garbage_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.model"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.model: not a SentencePiece model, or a damaged one"):
        load_tokenizer(spm_model_file=path)


def test_every_truncation_of_a_model_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    path = tmp_path / "cut.model"
    step = 7
    # The pieces come first: cuts between two of them still parse, and must be noticed all the same.
    for size in [*range(1, 3000, step), *range(3000, len(content), 9973), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match="SentencePiece model"):
            load_tokenizer(spm_model_file=path)


def test_model_cut_between_pieces_is_called_truncated(tmp_path: Path, tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    # A piece is field 1: a byte 0x0a, its size, its bytes.
    position = 0
    for _ in range(100):
        position += 2 + content[position + 1]
    path = tmp_path / "cut.model"
    path.write_bytes(content[:position])
    with pytest.raises(DataError, match="the SentencePiece model is truncated"):
        load_tokenizer(spm_model_file=path)


def test_missing_empty_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.model: cannot read the file: No such file.*check spm_model_file"):
        load_tokenizer(spm_model_file=tmp_path / "none.model")
    with pytest.raises(DataError, match="cannot read the file: Is a directory"):
        load_tokenizer(spm_model_file=tmp_path)
    (tmp_path / "empty.model").touch()
    with pytest.raises(DataError, match="the file is empty"):
        load_tokenizer(spm_model_file=tmp_path / "empty.model")
    with pytest.raises(DataError, match="no vocabulary is given"):
        load_tokenizer()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"control_symbols": ["[CLS]", "[SEP]"]}, r"lacks \[MASK\]"),
        ({"control_symbols": []}, r"lacks \[CLS\], \[SEP\], \[MASK\]"),
        ({"pad_id": -1, "unk_id": 0}, "lacks <pad>"),
        ({"byte_fallback": True, "vocab_size": 400}, "has byte pieces"),
    ],
)
def test_models_that_albert_cannot_use(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    settings: dict[str, object] = {
        "vocab_size": 100,
        "pad_id": 0,
        "unk_id": 1,
        "bos_id": -1,
        "eos_id": -1,
        "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
        "minloglevel": 2,
        **changes,
    }
    with (tmp_path / "other.model").open("wb") as stream:
        lines = iter(LINES * 5)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines, model_writer=stream, hard_vocab_limit=False, **settings
        )
    with pytest.raises(DataError, match=message):
        load_tokenizer(spm_model_file=tmp_path / "other.model")


def test_vocab_of_the_model_is_accepted(tiny_model: Path) -> None:
    both = load_tokenizer(tiny_model.with_suffix(".vocab"), tiny_model)
    assert both.fingerprint() == load_tokenizer(spm_model_file=tiny_model).fingerprint()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines[:-1], "209 pieces, 210 in the model"),
        (lambda lines: [*lines, "more\t-1"], "211 pieces, 210 in the model"),
        (lambda lines: [*lines[:20], "wrong\t-1", *lines[21:]], r"other\.vocab:21: 'wrong' with score -1 is "),
        (lambda lines: [*lines[:20], lines[20].split("\t")[0] + "\t-99", *lines[21:]], r"other\.vocab:21: .*score -99"),
        (lambda lines: [*lines[:20], lines[20].split("\t")[0] + "\tnan", *lines[21:]], r"other\.vocab:21: .*score nan"),
        (lambda lines: [*lines[:20], "x\ty", *lines[21:]], r"other\.vocab:21: the score 'y' is not a number"),
        (lambda lines: [line.split("\t")[0] for line in lines], r"other\.vocab:1: not a line 'piece<TAB>score'"),
    ],
)
def test_vocab_of_another_model_is_refused(tmp_path: Path, tiny_model: Path, edit: object, message: str) -> None:
    lines = tiny_model.with_suffix(".vocab").read_text(encoding="utf-8").splitlines()
    path = tmp_path / "other.vocab"
    path.write_text("\n".join(edit(lines)) + "\n", encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        load_tokenizer(path, tiny_model)
