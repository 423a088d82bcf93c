from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import DataError, TrainingError
from src.evaluate.glue_submission import SUBMISSIONS, submission_of, write_glue_submission

THREE = ("contradiction", "entailment", "neutral")


def test_every_task_has_the_file_that_the_site_names() -> None:
    names = {submission.file_name for submission in SUBMISSIONS.values()}
    assert names == {
        "CoLA.tsv", "SST-2.tsv", "MRPC.tsv", "STS-B.tsv", "QQP.tsv", "MNLI-m.tsv",
        "MNLI-mm.tsv", "QNLI.tsv", "RTE.tsv", "WNLI.tsv", "AX.tsv",
    }  # fmt: skip


def test_labels_are_strings_for_inference_tasks(tmp_path: Path) -> None:
    path = write_glue_submission(tmp_path, "mismnli", np.eye(3, dtype=np.float32), THREE)
    assert path == tmp_path / "MNLI-mm.tsv"
    assert path.read_text() == "index\tprediction\n0\tcontradiction\n1\tentailment\n2\tneutral\n"


def test_the_order_of_labels_is_the_models(tmp_path: Path) -> None:
    path = write_glue_submission(tmp_path, "rte", np.array([0, 1]), ("not_entailment", "entailment"))
    assert path.read_text().splitlines()[1:] == ["0\tnot_entailment", "1\tentailment"]


def test_sts_b_is_clipped_and_has_three_decimals(tmp_path: Path) -> None:
    path = write_glue_submission(tmp_path, "STS-B", np.array([[-0.2], [2.71828], [5.4], [-1e-9]]))
    assert path.read_text().splitlines()[1:] == ["0\t0.000", "1\t2.718", "2\t5.000", "3\t0.000"]


def test_another_number_of_rows_is_pointed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        write_glue_submission(tmp_path, "WNLI", np.zeros(146, int), ("0", "1"))
        assert not caplog.text
        write_glue_submission(tmp_path, "WNLI", np.zeros(71, int), ("0", "1"))
    assert "WNLI.tsv holds 71 rows; the official test file has 146" in caplog.text


def test_wrong_task_labels_or_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no GLUE task"):
        write_glue_submission(tmp_path, "imdb", np.zeros(2, int), ("0", "1"))
    with pytest.raises(DataError, match="not those of GLUE's RTE"):
        write_glue_submission(tmp_path, "RTE", np.zeros(2, int), ("0", "1"))
    with pytest.raises(TrainingError, match="not finite"):
        write_glue_submission(tmp_path, "STS-B", np.array([1.0, np.nan]))
    assert list(tmp_path.iterdir()) == []
    assert submission_of("imdb") is None


@pytest.mark.shared
@pytest.mark.parametrize(
    ("task", "file"),
    [("CoLA", "CoLA/test.tsv"), ("SST-2", "SST-2/test.tsv"), ("MRPC", "MRPC/test.tsv"), ("STS-B", "STS-B/test.tsv"),
     ("QNLI", "QNLI/test.tsv"), ("RTE", "RTE/test.tsv"), ("WNLI", "WNLI/test.tsv"),
     ("AX", "diagnostic/diagnostic.tsv")],
)  # fmt: skip
def test_rows_are_those_of_the_official_files_and_so_is_the_index(shared_data: Path, task: str, file: str) -> None:
    with (shared_data / "glue" / file).open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    assert len(rows) == SUBMISSIONS[task].rows
    assert [row[0] for row in rows] == [str(i) for i in range(len(rows))]
