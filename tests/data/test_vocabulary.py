from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import train_vocabulary as command
from src.common.cli import run_command
from src.common.errors import ConfigError, DataError, OutputError
from src.data.tokenization import load_tokenizer
from src.data.vocabulary import USER_SYMBOLS, VocabularySettings, train_vocabulary

LINES = [
    "The Quick brown fox (it was 2010) jumps over the lazy dog.",
    "Nobody in the café minded the fox - or the dogs - jumping quickly!",
    'Why would anybody mind "foxes" when it costs £5 or €7 to see them?',
]
STEMS = ("walk", "talk", "jump", "park", "look", "bark", "mark", "cook", "book", "turn", "burn", "learn")
LINES += [
    f"{a}ing and {b}ed, {c}er {d}s un{a}able re{b}ment" for a, b, c, d in zip(*[iter(STEMS * 3)] * 4, strict=True)
]
SETTINGS = VocabularySettings(vocab_size=80)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(LINES * 10) + "\n\n", encoding="utf-8")
    return path


def test_written_vocabulary_is_albert_shaped(corpus: Path, tmp_path: Path) -> None:
    result = train_vocabulary([str(corpus)], tmp_path / "new/folder/my.v1", SETTINGS)
    assert result.model_file == tmp_path / "new/folder/my.v1.model"
    assert result.sha256 == hashlib.sha256(result.model_file.read_bytes()).hexdigest()
    assert (result.files, result.lines, result.vocab_size) == (1, 120, 80)
    tokenizer = load_tokenizer(result.vocab_file, result.model_file)
    assert tokenizer.vocab_size == 80
    assert tokenizer.ids_to_tokens(range(13)) == ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", *USER_SYMBOLS]
    pieces = tokenizer.ids_to_tokens(range(80))
    assert max(map(len, pieces)) <= 16
    assert not [piece for piece in pieces[5:] if piece != piece.lower()]
    assert "é" not in "".join(pieces)
    for line in LINES:
        assert tokenizer.unk_id not in tokenizer.encode(line)
    assert sorted(path.name for path in (tmp_path / "new/folder").iterdir()) == ["my.v1.model", "my.v1.vocab"]


def test_cased_vocabulary_has_capitals(corpus: Path, tmp_path: Path) -> None:
    result = train_vocabulary([str(corpus)], tmp_path / "cased", VocabularySettings(vocab_size=80, do_lower_case=False))
    tokenizer = load_tokenizer(spm_model_file=result.model_file, do_lower_case=False)
    assert tokenizer.unk_id not in tokenizer.encode(LINES[0])
    uncased = train_vocabulary([str(corpus)], tmp_path / "uncased", SETTINGS)
    assert tokenizer.unk_id in load_tokenizer(spm_model_file=uncased.model_file, do_lower_case=False).encode(LINES[0])


def test_same_text_gives_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    sampled = VocabularySettings(vocab_size=70, input_sentence_size=101)
    for name, settings in (("whole", SETTINGS), ("sampled", sampled)):
        results = [train_vocabulary([str(corpus)], tmp_path / f"{name}{run}", settings) for run in range(2)]
        assert results[0].sha256 == results[1].sha256


def test_gzip_patterns_and_repeats(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    with gzip.open(tmp_path / "deep/er/b.txt.gz", "wt", encoding="utf-8") as stream:
        stream.write("\n".join(LINES))
    (tmp_path / "deep/a.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(LINES).encode())
    (tmp_path / "odd[1].txt").write_text("\n".join(LINES), encoding="utf-8")
    patterns = [str(tmp_path / "**/*.txt"), str(tmp_path / "deep/er/*.gz"), str(tmp_path / "odd[1].txt")]
    result = train_vocabulary(patterns, tmp_path / "out", VocabularySettings(vocab_size=70))
    assert (result.files, result.lines) == (3, 36)
    assert "\ufeff" not in result.vocab_file.read_text(encoding="utf-8")


def test_a_folder_stands_for_the_files_below_it(tmp_path: Path) -> None:
    for name in ("a.txt", "deep/b.txt", "deep/.hidden"):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(LINES), encoding="utf-8")
    result = train_vocabulary([str(tmp_path / "corpus")], tmp_path / "out", VocabularySettings(vocab_size=70))
    assert (result.files, result.lines) == (2, 24)


@pytest.mark.parametrize("kind", ["json", "doc"])
def test_what_wikiextractor_wrote_is_read_as_its_text(kind: str, tmp_path: Path) -> None:
    text = "\n".join(LINES)
    plain, extracted = tmp_path / "plain.txt", tmp_path / "wiki_00"
    plain.write_text(text, encoding="utf-8")
    document = f'<doc id="1" title="Zzz">\nZzz\n\n{text}\n</doc>\n'
    if kind == "json":
        document = json.dumps({"id": "1", "title": "Zzz", "text": f"Zzz\n{text}"})
    extracted.write_text(document, encoding="utf-8")
    settings = VocabularySettings(vocab_size=70)
    results = [train_vocabulary([str(path)], tmp_path / path.stem, settings) for path in (plain, extracted)]
    assert results[0].sha256 == results[1].sha256
    assert results[1].lines == 12


def test_long_lines_and_reserved_characters_count(tmp_path: Path) -> None:
    path = tmp_path / "one_line.txt"
    path.write_text(" ".join(LINES * 60) + " zebra\0▅zebra", encoding="utf-8")
    assert path.stat().st_size > 4192
    result = train_vocabulary([str(path)], tmp_path / "out", VocabularySettings(vocab_size=80, character_coverage=1.0))
    assert result.lines == 1
    assert "z" in load_tokenizer(spm_model_file=result.model_file).ids_to_tokens(range(80))


def test_too_large_size_names_the_largest_that_works(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"vocab_size 5000: too large .* largest possible size is (\d+)") as caught:
        train_vocabulary([str(corpus)], tmp_path / "out", VocabularySettings(vocab_size=5000))
    largest = int(caught.value.what.rsplit(" ", 1)[1])
    assert (
        train_vocabulary([str(corpus)], tmp_path / "out", VocabularySettings(vocab_size=largest)).vocab_size == largest
    )


def test_too_small_size_is_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"vocab_size 20: too small: .* alone need \d+"):
        train_vocabulary([str(corpus)], tmp_path / "out", VocabularySettings(vocab_size=20))
    with pytest.raises(DataError, match=r"vocab_size 13: too small: the special symbols alone need 13"):
        train_vocabulary([str(corpus)], tmp_path / "out", VocabularySettings(vocab_size=13))
    assert not list(tmp_path.glob("out*"))


def test_refusal_of_sentencepiece_is_one_error(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SentencePiece cannot train: "):
        train_vocabulary([str(corpus)], tmp_path / "out", VocabularySettings(vocab_size=80, character_coverage=0.1))


def test_wrong_inputs_are_refused(corpus: Path, tmp_path: Path) -> None:
    def refuse(content: bytes, name: str, message: str) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            train_vocabulary([str(corpus), str(path)], tmp_path / "out", SETTINGS)

    refuse(b"good\nbad \xff\xfe\n", "latin.txt", r"latin\.txt:2: not UTF-8 text")
    refuse(gzip.compress("\n".join(LINES * 50).encode())[:-20], "cut.txt.gz", r"cut\.txt\.gz: damaged gzip file")
    refuse(b"plain text\n", "plain.gz", r"plain\.gz: damaged gzip file")
    with pytest.raises(DataError, match=r"none\*\.txt: no file matches"):
        train_vocabulary([str(tmp_path / "none*.txt")], tmp_path / "out", SETTINGS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no file matches"):
        train_vocabulary([str(tmp_path / "empty")], tmp_path / "out", SETTINGS)
    refuse(b'{"content": "no text"}\n', "other.jsonl", r"other\.jsonl:1: JSON without 'text'")
    (tmp_path / "blank.txt").write_text(" \n\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"blank\.txt: there is no text"):
        train_vocabulary([str(tmp_path / "blank.txt")], tmp_path / "out", SETTINGS)
    assert not list(tmp_path.glob("out*"))


def test_existing_output_is_kept_unless_asked(corpus: Path, tmp_path: Path) -> None:
    for suffix in ("model", "vocab"):
        prefix = tmp_path / f"kept_{suffix}"
        existing = tmp_path / f"kept_{suffix}.{suffix}"
        existing.write_text("mine", encoding="utf-8")
        with pytest.raises(OutputError, match=rf"kept_{suffix}\.{suffix}: the file exists"):
            train_vocabulary([str(corpus)], prefix, SETTINGS)
        assert existing.read_text(encoding="utf-8") == "mine"
        train_vocabulary([str(corpus)], prefix, SETTINGS, overwrite=True)
        assert load_tokenizer(tmp_path / f"kept_{suffix}.vocab", tmp_path / f"kept_{suffix}.model").vocab_size == 80


def test_unwritable_output_is_one_error(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="corpus"):
        train_vocabulary([str(corpus)], corpus / "below_a_file", SETTINGS)


def test_command_prints_one_line_and_stays_silent(corpus: Path, tmp_path: Path) -> None:
    arguments = ["--input", str(corpus), "--output_prefix", str(tmp_path / "out"), "--vocab_size", "80"]
    root = Path(command.__file__).parent
    done = subprocess.run(
        [sys.executable, "train_vocabulary.py", *arguments, "--do_lower_case", "TRUE"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("80 pieces from 120 lines (")
    assert done.stdout.count("\n") == 1
    loud = subprocess.run(
        [sys.executable, "train_vocabulary.py", *arguments, "--overwrite", "true", "--verbose", "true"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert loud.returncode == 0
    assert "trainer" in loud.stderr


def test_command_reports_errors_in_one_line(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--input", str(corpus), "--output_prefix", str(tmp_path / "out"), "--vocab_size", "5000"]
    assert run_command(command.main, arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: vocab_size 5000: too large for this text")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vocab_size", "many"], "not a whole number"),
        (["--vocab_size", "0"], "not a whole number from 14 to 2147483647"),
        (["--vocab_size", "999999999999"], "not a whole number from 14 to 2147483647"),
        (["--input_sentence_size", "100"], "not a whole number from 101 to 2147483647"),
        (["--character_coverage", "0.5"], "not a share from 0.98 to 1"),
        (["--do_lower_case", "maybe"], "neither true nor false"),
        (["--output_prefix", "folder/"], "names a folder"),
        (["--vocabsize", "9"], "did you mean --vocab_size"),
    ],
)
def test_command_refuses_wrong_options(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        command.main(["--input", "x", "--output_prefix", "y", *arguments])
