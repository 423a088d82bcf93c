"""Compare a fine-tuned run with its exported models: outputs and score on the whole dev set, then speed.

``python -m benchmarks.exported --run_dir quickstart/run``

It exports the run to MindIR (one batch size, and any) and to ONNX, answers every row of the run's evaluation data with
each, and prints the largest difference between their probabilities (or scores) and those of the checkpoint, and the
metric. Then it answers the texts of these rows one by one, as a plain loop would, and in batches of like lengths.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine_lines
from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import ConfigError, TrainingError

_PACKAGES = ("mindspore", "numpy", "onnxruntime")
# Of outputs that should be equal but for the order of sums.
LARGEST_DIFFERENCE = 1e-4
BATCH_SIZE = 32
_EXPORTS = {
    "MindIR": ("--file_format", "MINDIR"),
    "MindIR, any shape": ("--file_format", "MINDIR", "--export_dynamic", "true"),
    "ONNX": ("--file_format", "ONNX"),
}


@dataclass(frozen=True)
class Measured:
    """What one form of the network gave.

    Attributes:
        name: What it is.
        values: Probabilities [rows, C], or scores [rows, 1].
        score: The main metric on the rows, as text.
        one_by_one_s: Seconds of each text when asked for alone.
        together_s: Seconds for all texts in batches.
    """

    name: str
    values: np.ndarray
    score: str
    one_by_one_s: np.ndarray
    together_s: float

    def line(self, reference: np.ndarray) -> str:
        """Return a row of the table."""
        difference = float(np.abs(self.values - reference).max())
        middle, late = np.percentile(self.one_by_one_s * 1e3, [50, 99])
        rows, alone_s = len(self.values), float(self.one_by_one_s.sum())
        speeds = f"{rows / alone_s:10.0f}  {rows / self.together_s:10.0f}  {alone_s / self.together_s:5.1f}"
        return f"{self.name:<18} {difference:10.1e}  {self.score:<28} {middle:8.2f} {late:8.2f}  {speeds}"


def export_all(run_dir: Path, folder: Path) -> dict[str, Path]:
    """Export a run in every form; return the models."""
    from export import main as export_main

    models = {}
    for number, (name, options) in enumerate(_EXPORTS.items()):
        target = folder / f"model_{number}"
        with contextlib.redirect_stdout(io.StringIO()):
            export_main(["--run_dir", str(run_dir), "--export_file_name", str(target), *options])
        (models[name],) = (path for path in folder.glob(f"model_{number}.*") if path.suffix in (".mindir", ".onnx"))
    return models


def _texts(table: Any, tokenizer: Any) -> Iterator[tuple[str, str | None]]:
    """Yield texts with the tokens of the rows: what the vocabulary kept of the original ones."""
    for row in range(table.rows):
        part = slice(table.offsets[row], table.offsets[row + 1])
        pieces, segments = tokenizer.ids_to_tokens(table.token_ids[part].tolist()), table.segment_ids[part]
        first = [piece for piece, segment in zip(pieces, segments, strict=True) if not segment][1:-1]
        second = [piece for piece, segment in zip(pieces, segments, strict=True) if segment][:-1]
        yield _spelled(first), _spelled(second) if second else None


def _spelled(pieces: Sequence[str]) -> str:
    if any(piece.startswith("▁") for piece in pieces):
        text = "".join(pieces).replace("▁", " ")
    else:
        text = " ".join(pieces).replace(" ##", "")
    return " ".join(text.split()) or "."


def _measure(name: str, predictor: Any, table: Any, metrics: Any) -> Measured:
    """Answer all rows with a predictor, then its texts."""
    from src.evaluate.predictions import softmax
    from src.evaluate.scoring import evaluate_predictions
    from src.predict.texts import GivenText
    from src.tasks.inference import evaluation_plan, labels_of, run_inference

    model, kind = predictor.model, predictor.model.description.kind
    size = model.rows or BATCH_SIZE
    plan = evaluation_plan(table, size, model.description.buckets)
    outputs = run_inference(model.network, table, plan, size)
    labels = labels_of(table, outputs.rows)
    found = evaluate_predictions(kind, metrics.methods, outputs.values, labels, model.description.labels)
    logits = outputs.stacked()
    items = [GivenText(text, "row", text_b) for text, text_b in _texts(table, model.tokenizer)]
    list(predictor.predict(items[:1], 1)), list(predictor.predict(items, BATCH_SIZE))
    alone = []
    for item in items:
        start = time.perf_counter()
        list(predictor.predict([item], 1))
        alone.append(time.perf_counter() - start)
    start = time.perf_counter()
    list(predictor.predict(items, BATCH_SIZE))
    together_s = time.perf_counter() - start
    values = softmax(logits) if kind == "classification" else logits
    return Measured(name, values, f"{found.main} {found.value:.6f}", np.array(alone), together_s)


def compare(run_dir: Path) -> list[str]:
    """Return the table of a run.

    Raises:
        ConfigError: The run is none of classification or regression, or its evaluation data are gone.
        TrainingError: A difference is too large, or a score differs.
    """
    from src.common.run_directory import RunDirectory
    from src.data.table import read_table
    from src.evaluate.task_metrics import metrics_for_task
    from src.predict.loading import ModelSource, load_predictor

    predictor = load_predictor(ModelSource(run_dir=run_dir))
    task = predictor.model.description
    if task.kind not in ("classification", "regression"):
        raise ConfigError(f"this is a run of {task.kind}", "--run_dir", "name one of run_classifier.py on texts")
    path = str((RunDirectory.open(run_dir).previous_config or {}).get("eval_data_file_path") or "")
    if not path:
        raise ConfigError("the run has no evaluation data", "--run_dir", "name a run of do_eval")
    vocab_size = task.network_config().vocab_size
    table = read_table(Path(path), vocab_size=vocab_size, num_labels=None, max_length=task.length, kind=task.kind)
    metrics = metrics_for_task(task.kind, task_name=task.task_name, assessment_method="", label_names=task.labels)
    measured = [_measure("checkpoint", predictor, table, metrics)]
    with tempfile.TemporaryDirectory() as folder:
        for name, model in export_all(run_dir, Path(folder)).items():
            measured.append(_measure(name, load_predictor(ModelSource(model=model)), table, metrics))
    reference = measured[0].values
    worst = max(float(np.abs(found.values - reference).max()) for found in measured)
    if worst > LARGEST_DIFFERENCE or len({found.score for found in measured}) > 1:
        raise TrainingError(f"outputs differ by up to {worst:.1e}, scores are {[m.score for m in measured]}")
    times = f"{'ms: 50 %':>8} {'99 %':>8}  {'one by one':>10}  {'batches':>10}  ratio"
    title = f"{'':<18} {'difference':>10}  {'score':<28} {times}"
    lines = [
        f"{len(reference)} rows, texts of up to {task.length} tokens, batches of {BATCH_SIZE}; texts per second",
        title,
    ]
    return [*lines, *(found.line(reference) for found in measured), f"largest difference {worst:.1e}"]


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options."""
    parser = OneLineParser(prog="python -m benchmarks.exported", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run_dir", type=Path, required=True, help="run directory of run_classifier.py")
    return parser.parse(argv)


def main(argv: Sequence[str]) -> int:
    """Run the comparison; return its exit status."""
    options = parse(argv)
    print("\n".join(machine_lines(_PACKAGES)))
    print("\n".join(compare(options.run_dir)))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
