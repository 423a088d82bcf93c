from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from src.common.cli import run_command
from src.common.log import close_logging
from tests.entry.bad_input.support import COMMANDS, Fails, check_error, write

# A network that compiles and trains in seconds; "{vocab_size}" is filled in.
OVERLAY = """\
from_scratch: true
albert_network: custom
albert_net_cfg:
  vocab_size: {vocab_size}
  seq_length: 16
  embedding_size: 8
  hidden_size: 16
  num_hidden_layers: 1
  num_attention_heads: 2
  intermediate_size: 32
  max_position_embeddings: 16
train_batch_size: 8
eval_batch_size: 8
log_steps: 1
optimizer_cfg:
  optimizer: AdamWeightDecay
"""
VOCAB_SIZE = 40


@dataclass(frozen=True)
class Samples:
    """Small sound inputs, made by the commands themselves; tests change copies of them."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "tiny.model"

    @property
    def other_model(self) -> Path:
        return self.folder / "other.model"

    @property
    def overlay(self) -> Path:
        return self.folder / "tiny.yaml"

    @property
    def text(self) -> Path:
        return self.folder / "train.tsv"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def weights(self) -> Path:
        return self.run / "checkpoints" / "classifier-best.ckpt"

    def records(self, task: str = "films", split: str = "train", suffix: str = "mindrecord") -> Path:
        return self.folder / "data" / f"{task}_{split}.{suffix}"

    def must_run(self, command: str, argv: Sequence[object]) -> None:
        """Run a command that must end well."""
        assert _run(command, argv) == 0

    def copy_records(self, target: Path, *, task: str = "films", suffix: str = "mindrecord") -> Path:
        """Copy the train and dev records of a task into a folder and return the train file."""
        target.mkdir(parents=True, exist_ok=True)
        for path in (self.folder / "data").glob(f"{task}_*.{suffix}*"):
            shutil.copy(path, target / path.name)
        return target / f"{task}_train.{suffix}"

    def train(self, run_dir: Path, *extra: object, train: Path | None = None, dev: Path | None = None) -> list[object]:
        """Return the arguments of a short training; ``extra`` goes over them."""
        arguments: list[object] = ["--overlay", self.overlay, "--do_train", "true", "--train_steps", 2]
        arguments += ["--train_data_file_path", train or self.records(), "--run_dir", run_dir]
        arguments += ["--do_eval", "true", "--eval_data_file_path", dev or self.records(split="dev")]
        return [*arguments, *extra]

    def evaluate(self, run_dir: Path, *extra: object, checkpoint: Path | None = None) -> list[object]:
        """Return the arguments of an evaluation."""
        arguments: list[object] = ["--overlay", self.overlay, "--do_eval", "true", "--run_dir", run_dir]
        arguments += ["--eval_data_file_path", self.records(split="dev")]
        return [*arguments, "--load_finetune_checkpoint_path", checkpoint or self.weights, *extra]

    def convert(self, output: Path, train: Path, *extra: object) -> list[object]:
        """Return the arguments of a conversion of somebody's own table."""
        arguments: list[object] = ["--task_name", "films", "--train_file", train, "--output_dir", output]
        arguments += ["--spm_model_file", self.model, "--text_a_column", "text", "--max_seq_length", 16]
        return [*arguments, *extra]


def _run(command: str, argv: Sequence[object]) -> int:
    try:
        return run_command(COMMANDS[command], [str(word) for word in argv])
    except SystemExit as error:
        raise AssertionError(f"the command left by itself with {error.code}") from error
    finally:
        close_logging()


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Fails:
    """Return a runner for commands that must fail with one clear error."""

    def run(command: str, argv: Sequence[object], *fragments: object) -> str:
        capsys.readouterr()
        status = _run(command, argv)
        printed = capsys.readouterr()
        assert "error: " not in printed.out
        return check_error(printed.err, status, fragments)

    return run


def _tables(folder: Path) -> None:
    """Write a table of texts for classes, one for scores, and a CoNLL file, each with two splits."""
    chance = random.Random(0)
    words = ["film", "plot", "cast", "music", "end", "scene", "story", "joke", "line", "role"]
    for split, rows in (("train", 24), ("dev", 12)):
        labels = [("good", "bad")[number % 2] for number in range(rows)]
        texts = [f"a {label} {' '.join(chance.choices(words, k=4))}" for label in labels]
        pairs = list(zip(texts, labels, strict=True))
        write(folder / f"{split}.tsv", "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in pairs))
        scores = "".join(f"{text}\t{number / 7:.3f}\n" for number, text in enumerate(texts))
        write(folder / f"scores_{split}.tsv", "text\tlabel\n" + scores)
        tags = (f"{word} {'B-w' if word in words else 'O'}\n" for text in texts for word in [*text.split(), ""])
        write(folder / f"{split}.conll", "".join(tag if tag != " O\n" else "\n" for tag in tags))


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Return vocabularies, records of three kinds, and a finished run."""
    folder = tmp_path_factory.mktemp("samples")
    made = Samples(folder)
    _tables(folder)
    write(made.overlay, OVERLAY.format(vocab_size=VOCAB_SIZE))
    for name, text in (("tiny", made.text), ("other", folder / "dev.tsv")):
        argv = ["--input", text, "--output_prefix", folder / name, "--vocab_size", VOCAB_SIZE]
        assert _run("vocabulary", argv) == 0
    data = folder / "data"
    for suffix in ("mindrecord", "tfrecord"):
        assert (
            _run("convert", made.convert(data, made.text, "--dev_file", folder / "dev.tsv", "--file_format", suffix))
            == 0
        )
    scores: list[object] = [
        "--task_name",
        "scores",
        "--task_kind",
        "regression",
        "--dev_file",
        folder / "scores_dev.tsv",
    ]
    assert _run("convert", made.convert(data, folder / "scores_train.tsv", *scores)) == 0
    words = ["--task_name", "words", "--task_kind", "token_classification", "--train_file", folder / "train.conll"]
    words += ["--dev_file", folder / "dev.conll", "--spm_model_file", made.model, "--output_dir", data]
    assert _run("convert", [*words, "--max_seq_length", 16]) == 0
    assert _run("run", made.train(made.run, "--spm_model_file", made.model)) == 0
    return made
