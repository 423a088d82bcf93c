from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from src.common.errors import DataError
from src.data import film_reviews
from src.data.film_reviews import RatedText, main, parse_rated_texts, read_data_set, two_parts, write_data_set
from src.data.source_archive import SourceArchive

FOLDER = "hutto_ICWSM_2014"
REVIEWS = "".join(f"{i}\t{((i * 7) % 81 - 40) / 10}\tSnippet number {i} of a film.\r\n" for i in range(1, 301))
EDITORIALS = "1_1\t0.4\tOn Dec. 19.\r\n1_2\t-1\tA second.\r\n2_1\t0\tAnother one."
PRODUCTS = "9_1\t3.1\tgreat player."


def make_tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source distribution in miniature whose checksum is the expected one."""
    inner = {
        f"{FOLDER}/movieReviewSnippets_GroundTruth.txt": REVIEWS,
        f"{FOLDER}/nytEditorialSnippets_GroundTruth.txt": EDITORIALS,
        f"{FOLDER}/amazonReviewSnippets_GroundTruth.txt": PRODUCTS,
        "../escape.txt": "bad",
    }
    content = make_tar({name: text.encode() for name, text in inner.items()})
    path = tmp_path / "vaderSentiment-3.3.2.tar.gz"
    path.write_bytes(make_tar({f"vaderSentiment-3.3.2/additional_resources/{FOLDER}.tar.gz": content}))
    described = SourceArchive("vaderSentiment", "3.3.2", path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(film_reviews, "ARCHIVE", described)
    return path


def table(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def test_parses_lines() -> None:
    content = '1\t2.25\tThe clich\u00e9s  disappear \u2013 all.\r\n2_3\t-4\t"So" it ends.'.encode()
    assert parse_rated_texts(content, "x") == [
        RatedText("1", 2.25, "The clich\u00e9s disappear \u2013 all."),
        RatedText("2_3", -4.0, '"So" it ends.'),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "^x: the file is empty"),
        (b"\r\n", "^x: the file is empty"),
        (b"1\t1\tcaf\xe9", "^x: byte 7: not UTF-8"),
        (b"1\t1\tgood\n2\t1", "^x:2: 2 columns instead of 3"),
        (b"1\tgood\ttext", "^x:1: 'good' is not a rating"),
        (b"1\tnan\ttext", "^x:1: 'nan' is not a rating"),
        (b"1\t4.1\ttext", "^x:1: '4.1' is not a rating"),
        (b"1\t1\t \r\n", "^x:1: no text"),
    ],
)
def test_refuses_what_is_no_rated_text(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_rated_texts(content, "x")


@pytest.mark.parametrize(
    ("rating", "label"),
    [(4, "positive"), (0.5, "positive"), (0.49, None), (0, None), (-0.49, None), (-0.5, "negative"), (-4, "negative")],
)
def test_label_is_the_side_that_the_raters_took(rating: float, label: str | None) -> None:
    assert RatedText("1", rating, "text").label() == label


def test_split_depends_on_the_text_alone() -> None:
    texts = [RatedText(str(i), 1.0, f"text {i}") for i in range(4000)]
    splits = [text.split() for text in texts]
    assert splits[:8] == ["train"] * 6 + ["test", "train"]
    assert [RatedText("other", -1.0, text.text.upper()).split() for text in texts] == splits
    for split, share in (("train", 0.8), ("dev", 0.1), ("test", 0.1)):
        assert splits.count(split) / len(splits) == pytest.approx(share, abs=0.02)


def test_writes_every_row_once(archive: Path, tmp_path: Path) -> None:
    texts = read_data_set(archive)
    summary = write_data_set(texts, tmp_path / "out")
    ratings: dict[str, float] = {}
    labels: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        header, *rows = table(tmp_path / "out" / "rating" / f"{split}.tsv")
        assert header == ["sentence", "rating"]
        assert len(rows) == summary["rating"][split]["rows"] > 0
        ratings.update((sentence, float(rating)) for sentence, rating in rows)
        header, *rows = table(tmp_path / "out" / "sentiment" / f"{split}.tsv")
        assert header == ["sentence", "label"]
        assert len(rows) == summary["sentiment"][split]["rows"] > 0
        labels.update((sentence, label) for sentence, label in rows)
    assert ratings == {review.text: review.rating for review in texts["film_reviews"]}
    assert labels == {s: "positive" if r > 0 else "negative" for s, r in ratings.items() if abs(r) >= 0.5}
    assert summary["sentiment_left_out"] == len(ratings) - len(labels) > 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A warm, funny and very long film.", ["A warm,", "funny and very long film."]),
        ("It's good. (But) so, so long", ["It's good. (But)", "so, so long"]),
        ("A film of quiet power", ["A film of", "quiet power"]),
        ("well-made, self-aware", ["well-made,", "self-aware"]),
        ("Dull", ["Dull"]),
        ("Dull.", ["Dull."]),
    ],
)
def test_a_snippet_becomes_two_parts(text: str, parts: list[str]) -> None:
    assert two_parts(text) == parts
    assert " ".join(parts) == text


def documents(folder: Path, part: str) -> list[list[str]]:
    content = (folder / f"{part}.txt").read_text(encoding="utf-8")
    assert not content or content.endswith("\n")
    return [block.splitlines() for block in content.split("\n\n") if block]


def test_every_document_is_held_out_or_for_pre_training(archive: Path, tmp_path: Path) -> None:
    summary = write_data_set(read_data_set(archive), tmp_path)
    kept, held_out = (documents(tmp_path / folder, "film_reviews") for folder in ("text", "held_out"))
    train = [sentence for sentence, _ in table(tmp_path / "rating" / "train.tsv")[1:]]
    found = [" ".join(lines) for lines in (*kept, *held_out)]
    # Nothing of dev and test, and each snippet of train once.
    assert sorted(found) == sorted(train)
    assert all(len(lines) == 2 for lines in kept)
    assert 0 < len(held_out) < len(kept) / 5
    assert summary["pretraining_documents"]["film_reviews"] == {"text": len(kept), "held_out": len(held_out)}


def test_sentences_of_a_document_stay_together_in_their_order(archive: Path, tmp_path: Path) -> None:
    write_data_set(read_data_set(archive), tmp_path)
    found = [document for folder in ("text", "held_out") for document in documents(tmp_path / folder, "editorials")]
    assert sorted(found) == [["Another one."], ["On Dec. 19.", "A second."]]
    assert documents(tmp_path / "text", "product_reviews") == [["great player."]]


def test_majority_class_is_told(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output_dir", str(tmp_path / "out"), "--archive", str(archive)]) == 0
    labels = [label for _, label in table(tmp_path / "out" / "sentiment" / "dev.tsv")[1:]]
    most = max(set(labels), key=labels.count)
    figures = json.loads((tmp_path / "out" / "film_reviews.json").read_text())["sentiment"]["dev"]
    share = labels.count(most) / len(labels)
    assert figures == {"rows": len(labels), "majority_class": most, "majority_share": pytest.approx(share, abs=1e-4)}
    assert f"{len(labels)} film reviews, majority class {most} {100 * share:.1f} %" in capsys.readouterr().out


def test_a_second_run_writes_the_same_and_nothing_else(archive: Path, tmp_path: Path) -> None:
    def run() -> dict[str, bytes]:
        main(["--output_dir", str(tmp_path / "out"), "--archive", str(archive)])
        return {str(path): path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()}

    first = run()
    assert len(first) == 13
    assert run() == first
    assert not (tmp_path / "escape.txt").exists()


def test_archive_without_the_data_set(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(make_tar({"a.txt": b"a"}))
    with pytest.raises(DataError, match=r"hutto_ICWSM_2014.tar.gz is not in the archive"):
        read_data_set(path)


def test_wrong_archive_changes_nothing(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(DataError, match="sha256"):
        main(["--output_dir", str(tmp_path / "out"), "--archive", str(archive)])
    assert not (tmp_path / "out").exists()
