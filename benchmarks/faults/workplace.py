"""The folder of a fault run: small records of real or made text, a tiny network, and trainings on them."""

from __future__ import annotations

import itertools
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.curves import saved_step
from benchmarks.faults.jobs import Job, pretrain_command
from benchmarks.faults.report import Progress
from benchmarks.machine import ROOT
from src.common.errors import DataError, DeviceError
from src.common.run_directory import is_run_directory
from src.data.pretraining.documents import detect_format, read_documents
from src.data.pretraining.sources import LineReader

STEPS, SAVE_STEPS, EVAL_STEPS = 60, 4, 25
ROWS, LENGTH, NARROW_LENGTH = 8, 32, 24
TWO = 2
LIMIT_S = 600.0
# Work of a start of two processes and a scheduler, in starts of one.
COST = {1: 1.0, TWO: 2.5}
_DOCUMENTS, _HELD_OUT = 300, 20
_LINES, _WORDS = 8, 440
_MOST_LINES, _LARGEST_BYTES = 12, 1 << 16
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".")
# More shards than a process keeps open, so that each is opened again and again as in a large corpus.
_BLOCK_MB = 0.0006
_SYLLABLES = ("ba", "ko", "ri", "tu", "mel", "san", "dor", "fi", "lu", "pen", "gra", "shi", "vo", "net", "kal")
_NETWORK = {
    "seq_length": LENGTH,
    "embedding_size": 32,
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "max_position_embeddings": LENGTH,
    "hidden_dropout_prob": 0,
    "attention_probs_dropout_prob": 0,
}
_TRAINING = {
    "albert_network": "custom",
    "optimizer": "AdamWeightDecay",
    "AdamWeightDecay.learning_rate": 5e-3,
    "AdamWeightDecay.warmup_steps": 5,
    "log_steps": 1,
    "train_steps": STEPS,
    "save_checkpoint_steps": SAVE_STEPS,
    "save_checkpoint_num": 2,
    "train_with_eval": "true",
    "eval_steps": EVAL_STEPS,
}


@dataclass
class Workplace:
    """Where everything happens.

    Attributes:
        folder: An existing folder.
        token: Marks the processes.
        chance: Draws the moments.
        progress: Hears of every start.
        text: A text file; ``None`` makes one up.
    """

    folder: Path
    token: str
    chance: random.Random
    progress: Progress
    text: Path | None = None
    _starts: int = 0
    _references: dict[int, Reference] = field(default_factory=dict)

    @property
    def records(self) -> Path:
        """The training records, never changed: cases change copies."""
        return self.folder / "records"

    def make_records(self) -> None:
        """Write text, vocabulary and records.

        Raises:
            AlbertError: The text cannot be read or gives no records.
        """
        documents = _made_up() if self.text is None else _real(self.text)
        parts = {"train": documents[_HELD_OUT:], "held_out": documents[:_HELD_OUT]}
        words = Counter(word for lines in documents for line in lines for word in re.findall(r"\w+", line.lower()))
        vocabulary = [*_SPECIAL, *(word for word, _ in words.most_common(_WORDS))]
        (self.folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        for name, part in parts.items():
            text = "\n\n".join("\n".join(lines) for lines in part)
            (self.folder / f"{name}.txt").write_text(f"{text}\n", encoding="utf-8")
        self._create("train", self.records, LENGTH)
        self._create("held_out", self.folder / "held_out", LENGTH)
        self._create("held_out", self.folder / "narrow", NARROW_LENGTH)

    def _create(self, text: str, output: Path, length: int) -> None:
        command = [sys.executable, str(ROOT / "create_pretraining_data.py"), "--input", f"{text}.txt"]
        command += ["--output_dir", str(output), "--vocab_file", "vocab.txt", "--max_seq_length", str(length)]
        command += ["--dupe_factor", "1", "--num_workers", "1", "--block_mb", str(_BLOCK_MB)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DeviceError("the records cannot be made", text, done.stderr.strip().rpartition("\n")[2])

    def start(
        self,
        run: Path,
        ranks: int = 1,
        *,
        records: Path | None = None,
        launch_options: Sequence[str] = (),
    ) -> Job:
        """Start a training, or go on with it as a user does: with ``--resume true`` once there is a run directory.

        Args:
            run: Its run directory.
            ranks: Processes.
            records: Its training records; without, those of this workplace.
            launch_options: Options of ``launch.py``.
        """
        self._starts += 1
        log = self.folder / f"console_{self._starts:03d}.txt"
        options = ["--log_dir", str(self.folder / "logs" / f"{self._starts:03d}"), *launch_options]
        vocabulary = (self.folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        keys = {
            **_TRAINING,
            **{f"custom_net_cfg.{name}": value for name, value in _NETWORK.items()},
            "custom_net_cfg.vocab_size": len(vocabulary),
            "vocab_file_path": self.folder / "vocab.txt",
            "data_dir": records or self.records,
            "eval_data_dir": self.folder / "held_out",
            "batch_size": ROWS // ranks,
            "run_dir": run,
            "resume": str(is_run_directory(run)).lower(),
        }
        words = [word for name, value in keys.items() for word in (f"--{name}", str(value))]
        self.progress.advance(COST[ranks])
        return Job([*pretrain_command(ranks, options), *words], self.folder, log, self.token)

    def finish(self, run: Path, ranks: int = 1, *, records: Path | None = None) -> list[str]:
        """Train to the end; return what went wrong."""
        from_step = saved_step(run)
        job = self.start(run, ranks, records=records)
        status = job.wait(LIMIT_S)
        problems = [f"the resumed run ended with {status}: {job.error}"] if status else []
        if from_step and f"resumed at step {from_step}" not in job.text:
            problems.append(f"it did not go on from step {from_step}")
        return problems + left_over(job)

    def copy_of_records(self, name: str) -> Path:
        """Return a copy of the training records that a case may spoil."""
        return Path(shutil.copytree(self.records, self.folder / name))

    def reference(self, ranks: int) -> Reference:
        """Return the uninterrupted run with so many processes; the first call makes it.

        Raises:
            DeviceError: It fails: nothing can be compared with it.
        """
        run = self.folder / f"reference_{ranks}"
        if ranks not in self._references:
            self.progress.say(f"reference: an uninterrupted run with {ranks} process{'es' * (ranks > 1)}")
            job = self.start(run, ranks)
            job.until((run / "metrics.jsonl").exists, LIMIT_S)
            self._references[ranks] = Reference(run, job.seconds, job.wait(LIMIT_S), job.error)
        found = self._references[ranks]
        if found.status:
            raise DeviceError(f"the uninterrupted run ended with {found.status}", str(run), found.error)
        return found


@dataclass(frozen=True)
class Reference:
    """An uninterrupted run.

    Attributes:
        run: Its run directory.
        start_s: Seconds to the beginning of training.
        status: Its exit status.
        error: What it said was wrong, where the status is not 0.
    """

    run: Path
    start_s: float
    status: int
    error: str


def left_over(job: Job, limit_s: float = 15.0) -> list[str]:
    """Return the processes of a job that are still there, as problems, and whether it printed a traceback."""
    problems = ["it printed a traceback"] if "Traceback (most recent call last)" in job.text else []
    orphans = job.until_alone(limit_s)
    return [*problems, f"processes {orphans} were left"] if orphans else problems


def _made_up() -> list[list[str]]:
    """Return documents of lines of made-up words, few of them frequent."""
    chance = random.Random(1)
    words = sorted({"".join(chance.choices(_SYLLABLES, k=chance.randint(1, 3))) for _ in range(2 * _WORDS)})
    weights = [1 / (number + 1) for number in range(len(words))]

    def line() -> str:
        return " ".join([*chance.choices(words, weights, k=chance.randint(4, 9)), "."])

    return [[line() for _ in range(_LINES)] for _ in range(_DOCUMENTS)]


def _real(path: Path) -> list[list[str]]:
    """Return the beginnings of the first documents of a text.

    Raises:
        DataError: There are too few.
    """
    documents = read_documents(LineReader(path), detect_format(path), _LARGEST_BYTES)
    found = [document.sentences()[:_MOST_LINES] for document in itertools.islice(documents, _DOCUMENTS)]
    if len(found) < _DOCUMENTS:
        raise DataError(f"{len(found)} documents are too few", str(path), f"give a text of at least {_DOCUMENTS}")
    return found
