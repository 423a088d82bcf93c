from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import ConfigError, DataError
from src.data.convert_command import main
from src.data.manifest import manifest_path

_VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "un", "##able"]


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(_VOCAB) + "\n")
    return path


@pytest.fixture
def record_file(vocab: Path, tmp_path: Path) -> Path:
    """Two labelled pairs."""
    (tmp_path / "train.tsv").write_text("good\tbad\tyes\nunable\tgood\tno\n")
    columns = ["--text_a_column", "0", "--text_b_column", "1", "--label_column", "2"]
    _convert(tmp_path, vocab, "--train_file", str(tmp_path / "train.tsv"), *columns)
    return tmp_path / "pairs_train.tfrecord"


def _convert(folder: Path, vocab: Path, *extra: str) -> None:
    given = ["--task_name", "pairs", "--output_dir", folder, "--vocab_path", vocab, "--file_format", "tfrecord", *extra]
    assert main([str(value) for value in given]) == 0


def _shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    capsys.readouterr()
    assert main([str(value) for value in ("--inspect", *arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def test_pairs_with_their_labels(record_file: Path, vocab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(capsys, 9, "--input", record_file, "--vocab_path", vocab)
    assert lines == [
        f"{record_file}: pairs train, classification, 2 rows of up to 128 tokens, labels no, yes",
        "",
        "record 0 of 2: 5 tokens",
        "  segment 0: [CLS] good [SEP]",
        "  segment 1: bad [SEP]",
        "  label: yes (1)",
        "",
        "record 1 of 2: 6 tokens",
        "  segment 0: [CLS] un ##able [SEP]",
        "  segment 1: good [SEP]",
        "  label: no (0)",
    ]
    assert len(_shown(capsys, 1, "--input", record_file, "--vocab_path", vocab)) == 6


def test_a_file_without_manifest(record_file: Path, vocab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest_path(record_file).unlink()
    lines = _shown(capsys, 1, "--input", record_file, "--vocab_path", vocab)
    assert "no manifest" in lines[0]
    assert lines[-1] == "  label: 1"


def test_tags_stand_at_first_pieces(vocab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.conll").write_text("unable B-X\nbad O\n")
    _convert(tmp_path, vocab, "--train_file", str(tmp_path / "train.conll"), "--task_kind", "token_classification")
    lines = _shown(capsys, 1, "--input", tmp_path / "pairs_train.tfrecord", "--vocab_path", vocab)
    assert lines[3:] == ["  [CLS]", "  un      B-X (1)", "  ##able", "  bad     O (0)", "  [SEP]"]


def test_scores_and_missing_labels(vocab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.tsv").write_text("text_a\tlabel\ngood\t3.75\n")
    (tmp_path / "test.tsv").write_text("text_a\ngood\n")
    files = ["--train_file", str(tmp_path / "train.tsv"), "--test_file", str(tmp_path / "test.tsv")]
    _convert(tmp_path, vocab, *files, "--task_kind", "regression")
    assert _shown(capsys, 1, "--input", tmp_path / "pairs_train.tfrecord", "--vocab_path", vocab)[-1] == "  label: 3.75"
    lines = _shown(capsys, 1, "--input", tmp_path / "pairs_test.tfrecord", "--vocab_path", vocab)
    assert lines[-1] == "  label: none (the split has no labels)"


def test_another_vocabulary_is_refused(record_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("\n".join([*_VOCAB, "more"]) + "\n")
    with pytest.raises(DataError, match=r"made with vocab\.txt .* not with other\.txt"):
        main(["--inspect", "1", "--input", str(record_file), "--vocab_path", str(other)])


def test_damaged_and_missing_files(record_file: Path, vocab: Path, tmp_path: Path) -> None:
    content = bytearray(record_file.read_bytes())
    content[len(content) // 2] ^= 1
    record_file.write_bytes(content)
    with pytest.raises(DataError, match=r"pairs_train\.tfrecord: .*sha256"):
        main(["--inspect", "1", "--input", str(record_file), "--vocab_path", str(vocab)])
    with pytest.raises(DataError, match=r"none\.mindrecord"):
        main(["--inspect", "1", "--input", str(tmp_path / "none.mindrecord"), "--vocab_path", str(vocab)])
    with pytest.raises(ConfigError, match="no file is given"):
        main(["--inspect", "1", "--vocab_path", str(vocab)])
