"""Answers as the application would write them, made up by the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.data.table import read_table
from src.offline.manifest import OfflineManifest, read_offline_manifest
from tests.entry.runs import Outcome, TinyData, call
from tests.offline.samples import check_refused

Data = dict[str, TinyData]
Answers = Callable[[int, np.ndarray], Sequence[np.ndarray]]
ROWS = 8


def write_results(folder: Path, manifest: OfflineManifest, answers: Answers) -> None:
    """Write what the application would: ``answers`` gives the outputs of a batch from its number and its token ids."""
    folder.mkdir(parents=True, exist_ok=True)
    described: list[dict[str, Any]] = []
    inputs = folder.parent / "asked" / "00_data"
    for number, stem in enumerate(manifest.stems):
        ids = np.fromfile(inputs / f"{stem}.bin", "<i4").reshape(manifest.batch_size, manifest.length)
        outputs = answers(number, ids)
        described = [
            {"index": index, "name": "x", "dtype": str(values.dtype), "shape": list(values.shape)}
            for index, values in enumerate(outputs)
        ]
        for index, values in enumerate(outputs):
            values.tofile(folder / f"{stem}_{index}.bin")
    write_info(folder, {"model": "m.mindir", "device": "CPU", "outputs": described, "files": manifest.stems})


def write_info(folder: Path, content: object) -> None:
    (folder / "results.json").write_text(json.dumps(content))


def change_info(folder: Path, **values: object) -> None:
    write_info(folder, json.loads((folder / "results.json").read_text()) | values)


def ask(folder: Path, *given: Any) -> OfflineManifest:
    outcome = call("preprocess", [*given, "--result_path", folder / "asked"])
    assert outcome.status == 0, outcome.err
    return read_offline_manifest(folder / "asked")


def ask_about(data: TinyData, folder: Path, split: str = "dev", *more: Any) -> OfflineManifest:
    return ask(folder, "--eval_data_file_path", data.file(split), "--eval_batch_size", ROWS, *more)


def labels_first(data: TinyData, wrong: int, dtype: str = "float32") -> Answers:
    """Return answers that are right but for the first rows; padding rows are answered with nonsense."""
    table = read_table(data.file("dev"))
    assert table.label_ids is not None
    chosen = np.where(np.arange(table.rows) < wrong, 1 - table.label_ids, table.label_ids)

    def answers(number: int, ids: np.ndarray) -> list[np.ndarray]:
        logits = np.full((ROWS, 2), np.nan, dtype)
        mine = chosen[number * ROWS : (number + 1) * ROWS]
        logits[: len(mine)] = 3.0 * np.eye(2)[mine] - 1.0
        return [logits]

    return answers


def score(folder: Path, *given: Any) -> Outcome:
    places = ["--preprocess_dir", folder / "asked", "--result_dir", folder / "answered"]
    outputs = ["--acc_log", folder / "acc.log", "--predictions_dir", folder / "predictions"]
    return call("postprocess", [*places, *outputs, *given])


def refused(folder: Path, *given: Any, what: str) -> None:
    check_refused(score(folder, *given), what)
    assert not (folder / "acc.log").exists()
    assert not (folder / "predictions").exists()
