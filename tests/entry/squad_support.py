"""Small SQuAD files that can be learned in seconds, and runs of run_squad_v1.py on them."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.data.squad_command import main as create_main
from tests.entry import runs
from tests.entry.runs import VOCABULARY, Outcome, arguments, call

LENGTH, QUERY_LENGTH, STRIDE = 20, 3, 6
WORDS = [*VOCABULARY, "who", "where"]
NETWORK = {
    **runs.NETWORK,
    "albert_net_cfg.seq_length": LENGTH,
    "albert_net_cfg.vocab_size": len(WORDS),
    "albert_net_cfg.max_position_embeddings": LENGTH,
    "max_query_length": QUERY_LENGTH,
    "doc_stride": STRIDE,
}
TRAINING = {**runs.TRAINING, "n_best_size": 6, "max_answer_length": 4}
# Version of the data, and what a run on them is told.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "v1": ("v1.1", {}),
    "v2 span": ("v2.0", {"version_2_with_negative": True}),
    "v2 beam": ("v2.0", {"version_2_with_negative": True, "squad_head": "beam"}),
}
RECORD_FORMS = {"v1.1": "mindrecord", "v2.0": "tfrecord"}
ROWS = {"train": 100, "dev": 19, "test": 7}
_FILLERS = ["film", "a", "the", "plot", "joke", "is", "was", "and", "very", "talking"]
_ASKED = {"who": ("Anna", "Bert"), "where": ("Rome", "Oslo")}


@dataclass(frozen=True)
class SquadFiles:
    """Vocabulary, json files and records."""

    folder: Path

    @property
    def vocabulary(self) -> Path:
        return self.folder / "vocab.txt"

    def questions(self, version: str, split: str) -> Path:
        return self.folder / f"{split}-{version}.json"

    def records(self, version: str) -> Path:
        """Return MindRecord files of v1.1, TFRecord files of v2.0."""
        return self.folder / f"squad_{version}_train.{RECORD_FORMS[version]}"

    def keys(self, variant: str, *splits: str) -> dict[str, Any]:
        """Return the keys that name the vocabulary and these splits, and say how a variant is trained."""
        version, keys = VARIANTS[variant]
        named: dict[str, tuple[str, str, Path]] = {
            "train": ("do_train", "train_data_file_path", self.records(version)),
            "dev": ("do_eval", "eval_json_path", self.questions(version, "dev")),
            "test": ("do_predict", "test_json_path", self.questions(version, "test")),
        }
        given: dict[str, Any] = {"vocab_file_path": self.vocabulary, **keys}
        for split in splits:
            flag, name, path = named[split]
            given |= {flag: True, name: path}
        return given


def passage(chance: random.Random, kinds: Sequence[str]) -> str:
    """Return filling words with one name of each kind among them; some are longer than a window."""
    words = chance.choices(_FILLERS, k=chance.randint(3, 18))
    for kind in kinds:
        words.insert(chance.randint(0, len(words)), chance.choice(_ASKED[kind]))
    return " ".join(words)


def write_questions(path: Path, version: str, passages: int, *, answers: bool = True) -> Path:
    """Write two questions about each passage; of v2.0 the passage may not hold what is asked for."""
    chance = random.Random(path.name)
    paragraphs = []
    for number in range(passages):
        kinds = [kind for kind in _ASKED if version == "v1.1" or chance.random() < 0.6]
        context = passage(chance, kinds)
        qas = []
        for kind in _ASKED:
            row: dict[str, Any] = {"id": f"{number} {kind}", "question": f"{kind.capitalize()} was ?"}
            found = [name for name in _ASKED[kind] if name in context]
            row["answers"] = [{"text": name, "answer_start": context.index(name)} for name in found if answers]
            if version == "v2.0" and answers:
                row["is_impossible"] = not found
            qas.append(row)
        paragraphs.append({"context": context, "qas": qas})
    path.write_text(json.dumps({"version": version, "data": [{"title": "films", "paragraphs": paragraphs}]}))
    return path


def make_squad_data(folder: Path) -> SquadFiles:
    """Write both versions, the test files without answers, and convert the training files."""
    made = SquadFiles(folder)
    made.vocabulary.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    for version in ("v1.1", "v2.0"):
        for split, passages in ROWS.items():
            write_questions(made.questions(version, split), version, passages, answers=split != "test")
        convert_squad(made, made.questions(version, "train"), folder, "--file_format", RECORD_FORMS[version])
    return made


def convert_squad(files: SquadFiles, train: Path, output: Path, *more: Any) -> None:
    """Run ``create_squad_data.py``; it must end well."""
    given = ["--train_file", train, "--output_dir", output, "--vocab_path", files.vocabulary, "--overwrite", "true"]
    cut = ["--max_seq_length", LENGTH, "--max_query_length", QUERY_LENGTH, "--doc_stride", STRIDE]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert create_main([str(item) for item in [*given, *cut, *more]]) == 0


def answer(*keys: dict[str, Any], extra: Sequence[str] = ()) -> Outcome:
    """Run ``run_squad_v1.py`` in this process; it must end well."""
    outcome = call("run_squad_v1", [*arguments(NETWORK, *keys), *extra])
    assert outcome.status == 0, outcome.err
    return outcome


def gold_of(path: Path) -> dict[str, dict[str, Any]]:
    """Return the questions of a file by their ids, each with its passage."""
    articles = json.loads(path.read_text())["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    return {row["id"]: {**row, "context": part["context"]} for part in paragraphs for row in part["qas"]}


def answers_of(folder: Path) -> dict[str, Any]:
    """Return the content of every file of answers by the file's name."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
