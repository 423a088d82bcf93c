"""The command ``predict.py``: labels of texts with a fine-tuned run, words for masks with a pre-training run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.common.errors import ConfigError, DataError
from src.common.files import atomic_path
from src.common.log import setup_logging
from src.tasks.predict_options import CLASSIFY, FILL_MASK, check_options, make_parser
from src.tasks.predict_texts import (
    GivenText,
    batches,
    given,
    one_line,
    texts_of_file,
    texts_of_pipe,
    texts_of_terminal,
)

if TYPE_CHECKING:
    from src.data.tokenization import Tokenizer
    from src.tasks.assets import TaskDescription
    from src.tasks.predictor import TextPair

_REQUESTS = {
    CLASSIFY: "Type a text and Enter (a TAB parts the texts of a pair)",
    FILL_MASK: "Type a text with [MASK] and Enter",
}
# Prefix of a run's checkpoints and the key that may have put them elsewhere.
_CHECKPOINTS = {
    CLASSIFY: ("classifier", "save_finetune_checkpoint_path"),
    FILL_MASK: ("checkpoint_albert", "save_checkpoint_path"),
}

Answer = Callable[[Sequence[GivenText], int], Iterator[dict[str, Any]]]
"""Answers to texts in their order, computed in batches of a size."""


def shown(record: dict[str, Any]) -> str:
    """Return an answer as people read it: lines with tabs between their columns.

    The label with its probability, or the score, then the text; for masks a line for each token that may stand there:
    number of the mask, token, probability, text with the token in its place.
    """
    if "masks" in record:
        return "\n".join(
            f"{number}\t{found['token']}\t{found['probability']:.4f}\t{one_line(found['text'])}"
            for number, candidates in enumerate(record["masks"], start=1)
            for found in candidates
        )
    texts = one_line(record["text"] if "text_b" not in record else f"{record['text']} | {record['text_b']}")
    if "score" in record:
        return f"{record['score']:.4f}\t{texts}"
    return f"{record['label']}\t{record['probability']:.4f}\t{texts}"


def _check_kind(command: str, kind: str, run_dir: Path) -> None:
    """Refuse a run that the command has no use for."""
    from src.tasks.assets import PRETRAINING

    where = str(run_dir)
    if command == FILL_MASK:
        if kind != PRETRAINING:
            what = f"the run was fine-tuned ({kind}): it has no masked language model"
            fix = "name a pre-training run: create_pretraining_data.py makes its records, run_pretrain.py trains it"
            raise ConfigError(what, where, fix)
    elif kind == PRETRAINING:
        fix = "use predict.py fill-mask, or fine-tune its checkpoint with run_classifier.py and name that run"
        raise ConfigError("this is a pre-training run: it has no labels", where, fix)
    elif kind == "token_classification":
        raise ConfigError("the run tags tokens", where, "use run_classifier.py --do_predict true")


def _load(options: argparse.Namespace) -> tuple[TaskDescription, Tokenizer, Path]:
    """Return the run's description, its tokenizer and the weights to use, and prepare the device."""
    from src.common.run_directory import RunDirectory
    from src.data.tokenization import load_tokenizer
    from src.tasks.assets import check_trained_task, check_vocabulary, load_saved_tokenizer, read_task_description

    run = RunDirectory.open(options.run_dir)
    description = read_task_description(run.assets)
    _check_kind(options.command, description.kind, options.run_dir)
    if options.spm_model_file or options.vocab_file_path:
        lower = description.do_lower_case
        tokenizer = load_tokenizer(options.vocab_file_path, options.spm_model_file, lower)
    else:
        tokenizer = load_saved_tokenizer(run.assets, description)
    where = options.spm_model_file or options.vocab_file_path or str(run.assets)
    check_vocabulary(tokenizer, description, where)

    from src.runtime.device import setup_device
    from src.tasks.weights_choice import best_or_latest_weights, checkpoint_folder

    prefix, save_key = _CHECKPOINTS[options.command]
    folder = checkpoint_folder(run, str((run.previous_config or {}).get(save_key) or ""))
    checkpoint = options.checkpoint or best_or_latest_weights(folder, prefix)
    owner = checkpoint.resolve().parent.parent / "assets"
    check_trained_task(owner, description.kind, description.labels, description.tokenizer_sha256)
    setup_device(options.device_target, device_id=0, seed=0)
    return description, tokenizer, checkpoint


def _texts(options: argparse.Namespace) -> tuple[Iterator[GivenText], int]:
    """Return the texts and how many to answer at a time."""
    if options.text:
        return map(given, options.text), options.batch_size
    if options.input:
        return texts_of_file(options.input), options.batch_size
    if sys.stdin.isatty():
        return texts_of_terminal(_REQUESTS[options.command]), 1
    return texts_of_pipe(), options.batch_size


def _pair(line: GivenText) -> TextPair:
    """Return the text, or the two texts parted by a TAB, of a line."""
    from src.tasks.predictor import TextPair

    if line.text.count("\t") > 1 or not all(text.strip() for text in line.text.split("\t")):
        raise DataError("neither a text nor two with a TAB between", line.where, "correct the line")
    first, tab, second = line.text.partition("\t")
    return TextPair(first, second if tab else None)


def _write(options: argparse.Namespace, answer: Answer) -> None:
    """Answer all texts, to stdout one after the other or into a file that appears as a whole."""
    texts, size = _texts(options)
    lines = (
        json.dumps(record, ensure_ascii=False) if options.json else shown(record)
        for batch in batches(texts, size)
        for record in answer(batch, size)
    )
    if options.output is None:
        for line in lines:
            print(line, flush=True)
        return
    with atomic_path(options.output) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _classify(options: argparse.Namespace) -> None:
    """Run ``predict.py classify``."""
    description, tokenizer, checkpoint = _load(options)
    from src.tasks.predictor import TextClassifier, TextPair

    classifier = TextClassifier(description, tokenizer, checkpoint)

    def answer(texts: Sequence[GivenText], size: int) -> Iterator[dict[str, Any]]:
        # A text of the command line is one text, whatever characters it holds.
        of_arguments = bool(options.text)
        pairs = [TextPair(text.text, options.text_b) if of_arguments else _pair(text) for text in texts]
        return classifier.predict(pairs, size)

    _write(options, answer)
    if classifier.cut_texts:
        print(f"warning: {classifier.cut_texts} texts were cut to the length of the training rows", file=sys.stderr)


def _fill_mask(options: argparse.Namespace) -> None:
    """Run ``predict.py fill-mask``."""
    description, tokenizer, checkpoint = _load(options)
    from src.tasks.mask_filler import MaskFiller

    filler = MaskFiller(description, tokenizer, checkpoint)
    _write(options, lambda texts, size: filler.predict(texts, size, options.top_k))


def main(argv: Sequence[str]) -> int:
    """Run ``predict.py``; return its exit status."""
    options = make_parser().parse(argv)
    check_options(options)
    setup_logging()
    (_fill_mask if options.command == FILL_MASK else _classify)(options)
    return 0
