"""Small data sets that can be learned in seconds, and runs of the entry points on them."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore as ms

from src.common.cli import run_command
from src.common.files import sha256_of
from src.common.log import close_logging
from src.data.convert_command import main as convert_main
from src.train.metrics_log import read_metrics

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 16
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_PLAIN = ["film", "a", "the", "plot", "joke", "is", "was", "and", "very"]
_TELLING = (("bad", "dull"), ("good", "warm"))
_NAMES = {"PER": ("anna", "bert"), "LOC": ("rome", "oslo")}
_TELLING_WORDS = [word for words in (*_TELLING, *_NAMES.values()) for word in words]
VOCABULARY = [*_SPECIAL, *_PLAIN, *_TELLING_WORDS, "##s", "##ly", "tal", "##king"]
NO_DROPOUT = {
    "albert_net_cfg.hidden_dropout_prob": 0,
    "albert_net_cfg.attention_probs_dropout_prob": 0,
    "albert_net_cfg.classifier_dropout_prob": 0,
}
NETWORK = {
    "albert_network": "custom",
    "albert_net_cfg.seq_length": LENGTH,
    "albert_net_cfg.vocab_size": len(VOCABULARY),
    "albert_net_cfg.embedding_size": 16,
    "albert_net_cfg.hidden_size": 32,
    "albert_net_cfg.num_hidden_layers": 1,
    "albert_net_cfg.num_attention_heads": 2,
    "albert_net_cfg.intermediate_size": 64,
    "albert_net_cfg.max_position_embeddings": LENGTH,
    "albert_net_cfg.initializer_range": 0.2,
    **NO_DROPOUT,
}
TRAINING = {
    "do_train": True,
    "from_scratch": True,
    "train_batch_size": 16,
    "eval_batch_size": 16,
    "log_steps": 1,
    "optimizer_cfg.AdamWeightDecay.learning_rate": 5e-3,
}


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.rstrip("\n").rpartition("\n")[2]


@dataclass(frozen=True)
class TinyData:
    """The vocabulary and the record files of one task."""

    folder: Path
    vocabulary: Path
    name: str
    form: str

    def file(self, split: str) -> Path:
        return self.folder / self.name / f"{self.name}_{split}.{self.form}"

    def keys(self, *splits: str) -> dict[str, Any]:
        """Return the keys that name the vocabulary and these splits."""
        flags = {"train": "do_train", "dev": "do_eval", "test": "do_predict"}
        paths = {"train": "train_data", "dev": "eval_data", "test": "test_data"}
        keys: dict[str, Any] = {"vocab_file_path": self.vocabulary}
        for split in splits:
            keys |= {flags[split]: True, f"{paths[split]}_file_path": self.file(split)}
        return keys


def arguments(*keys: dict[str, Any]) -> list[str]:
    """Return keys as a command line; of a key that is given twice the last value counts."""
    merged: dict[str, Any] = {}
    for part in keys:
        merged |= part
    texts = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in merged.items()}
    return [text for key, value in texts.items() for text in (f"--{key}", value)]


def call(command: str, argv: Sequence[Any]) -> Outcome:
    """Run an entry script's ``main`` in this process."""
    main: Callable[[Sequence[str]], int] = importlib.import_module(command).main
    mode = ms.get_context("mode")
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            status = run_command(main, [str(item) for item in argv])
        finally:
            close_logging()
            ms.set_context(mode=mode)
    return Outcome(status, out.getvalue(), err.getvalue())


def classify(*keys: dict[str, Any], extra: Sequence[str] = ()) -> Outcome:
    """Run ``run_classifier.py`` in this process; it must end well."""
    outcome = call("run_classifier", [*arguments(*keys), *extra])
    assert outcome.status == 0, outcome.err
    return outcome


def convert(argv: Sequence[Any]) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert convert_main([str(item) for item in argv]) == 0


def start(script: str, argv: Sequence[Any], log: Path) -> subprocess.Popen[str]:
    """Start an entry script as a process of its own; both streams go to ``log``."""
    with log.open("w", encoding="utf-8") as stream:
        return subprocess.Popen(
            [sys.executable, str(ROOT / script), *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def records_of(run: Path, kind: str = "train") -> list[dict[str, Any]]:
    return [record for record in read_metrics(run / "metrics.jsonl") if record["kind"] == kind]


def losses_of(run: Path) -> dict[int, tuple[float, float, float]]:
    """Return loss, gradient norm and learning rate of every step; no step may be there twice."""
    records = records_of(run)
    found = {r["step"]: (r["loss"], r["grad_norm"], r["learning_rate"]) for r in records}
    assert len(found) == len(records)
    return found


def manifest_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "checkpoints" / "manifest.json").read_text(encoding="utf-8"))


def saved_step(run: Path) -> int:
    """Return the step of the newest checkpoint, 0 where there is none."""
    try:
        return int(manifest_of(run)["checkpoints"][-1]["position"]["global_step"])
    except (FileNotFoundError, IndexError):
        return 0


def report_of(run: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "eval" / f"{name}.json").read_text(encoding="utf-8"))
    return content


def content_of(folder: Path) -> dict[str, str]:
    """Return the checksums of all files of a folder, the log and the lock left out."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".log", ".lock")]
    return {str(path.relative_to(folder)): sha256_of(path) for path in files}


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def sentence(chance: random.Random, label: int, longest: int = 10) -> str:
    """Return words of which one tells the label."""
    words = chance.choices(_PLAIN, k=chance.randint(1, longest - 1))
    words.insert(chance.randint(0, len(words)), chance.choice(_TELLING[label]))
    return " ".join(words)


def write_sst2(folder: Path, rows: dict[str, int]) -> None:
    """Write GLUE files of single sentences: a good or a bad word tells the label."""
    folder.mkdir(parents=True)
    for split, count in rows.items():
        chance = random.Random(split)
        texts = [sentence(chance, number % 2) for number in range(count)]
        if split == "test":
            lines = ["index\tsentence", *(f"{number}\t{text}" for number, text in enumerate(texts))]
        else:
            lines = ["sentence\tlabel", *(f"{text}\t{number % 2}" for number, text in enumerate(texts))]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_rte(folder: Path, rows: dict[str, int]) -> None:
    """Write GLUE files of pairs: the second sentence tells the label."""
    folder.mkdir(parents=True)
    for split, count in rows.items():
        chance = random.Random(split)
        lines = ["index\tsentence1\tsentence2" + ("" if split == "test" else "\tlabel")]
        for number in range(count):
            name = ("not_entailment", "entailment")[number % 2]
            pair = f"{number}\t{sentence(chance, chance.randint(0, 1), 5)}\t{sentence(chance, number % 2, 5)}"
            lines.append(pair if split == "test" else f"{pair}\t{name}")
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_stsb(folder: Path, rows: dict[str, int]) -> None:
    """Write GLUE files of scored pairs: 4.5 for two of one kind, 0.5 for two of different kinds."""
    folder.mkdir(parents=True)
    columns = ["index", "genre", "filename", "year", "old_index", "source1", "source2", "sentence1", "sentence2"]
    for split, count in rows.items():
        chance = random.Random(split)
        lines = ["\t".join([*columns, *([] if split == "test" else ["score"])])]
        for number in range(count):
            label = number % 2
            cells = [str(number), *["x"] * 6, sentence(chance, label, 5), sentence(chance, label, 5)]
            lines.append("\t".join([*cells, *([] if split == "test" else [str(0.5 + 4 * label)])]))
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_conll(path: Path, rows: int, longest: int = 8) -> None:
    """Write sentences with names of persons and places; the last one needs more than one record."""
    chance = random.Random(path.name)
    lines = []
    for number in range(rows):
        for _ in range(40 if number == rows - 1 else chance.randint(2, longest)):
            kind = chance.choice(["", "", "PER", "LOC"])
            word = chance.choice(_NAMES[kind]) if kind else chance.choice([*_PLAIN, "films", "talking"])
            lines.append(f"{word}\t{f'B-{kind}' if kind else 'O'}")
        lines.append("")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_data(folder: Path) -> dict[str, TinyData]:
    """Convert all four tasks; sst-2 to MindRecord, the others to TFRecord."""
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    rows = {"train": 90, "dev": 37, "test": 21}
    write_sst2(folder / "glue" / "SST-2", rows)
    write_rte(folder / "glue" / "RTE", rows)
    write_stsb(folder / "glue" / "STS-B", rows)
    for split, count in rows.items():
        write_conll(folder / f"{split}.conll", count)
    given = ["--vocab_path", vocabulary, "--max_seq_length", LENGTH]
    made = {}
    for task, form in (("sst-2", "mindrecord"), ("rte", "tfrecord"), ("sts-b", "tfrecord")):
        made[task] = TinyData(folder, vocabulary, task, form)
        place = ["--output_dir", folder / task, "--file_format", form]
        convert([*given, *place, "--task_name", task, "--input_dir", folder / "glue"])
    made["names"] = TinyData(folder, vocabulary, "names", "tfrecord")
    place = ["--output_dir", folder / "names", "--file_format", "tfrecord", "--task_name", "names"]
    files = [item for split in rows for item in (f"--{split}_file", folder / f"{split}.conll")]
    convert([*given, *place, "--task_kind", "token_classification", *files])
    return made
