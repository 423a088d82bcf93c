"""The command ``predict.py``: labels of texts, words for masks, answers to questions, by runs of this project."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from src.common.errors import ConfigError, DataError
from src.common.files import atomic_path
from src.common.log import setup_logging
from src.predict.options import CLASSIFY, FILL_MASK, QUESTIONS, check_options, make_parser
from src.predict.question_texts import (
    GivenQuestion,
    conversation,
    questions_about,
    questions_of_records,
    read_passage,
)
from src.predict.texts import (
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
    from src.predict.text_classifier import TextPair
    from src.tasks.assets import AnswerSettings, TaskDescription

_REQUESTS = {
    CLASSIFY: "Type a text and Enter (a TAB parts the texts of a pair)",
    FILL_MASK: "Type a text with [MASK] and Enter",
    QUESTIONS: "Type a question and Enter",
}
# Prefix of a run's checkpoints and the key that may have put them elsewhere.
_CHECKPOINTS = {
    CLASSIFY: ("classifier", "save_finetune_checkpoint_path"),
    FILL_MASK: ("checkpoint_albert", "save_checkpoint_path"),
    QUESTIONS: ("squad", "save_finetune_checkpoint_path"),
}

# What a run of another kind lacks for a command, and what to do.
_NEEDS = {
    CLASSIFY: ("it has no labels of texts", "fine-tune its checkpoint with run_classifier.py and name that run"),
    FILL_MASK: (
        "it has no masked language model",
        "name a pre-training run: create_pretraining_data.py makes its records, run_pretrain.py trains it",
    ),
    QUESTIONS: ("it answers no questions", "fine-tune its checkpoint with run_squad_v1.py and name that run"),
}
NO_ANSWER = "(no answer)"

_Item = TypeVar("_Item")
Answer = Callable[[Sequence[_Item], int], Iterator[dict[str, Any]]]
"""Answers to texts in their order, computed in batches of a size."""


@dataclass(frozen=True)
class _Run:
    """What a run is used by: description, tokenizer and weights."""

    description: TaskDescription
    tokenizer: Tokenizer
    checkpoint: Path


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


def shown_answers(record: dict[str, Any], top_n: int) -> str:
    """Return the answers to a question as people read them, with tabs between the columns.

    Answer, probability, start-end in the passage, question; with ``top_n`` above 1 a line for each answer, its number
    in front.
    """
    lines = []
    for number, found in enumerate(record["answers"], start=1):
        place = "-" if found["start"] is None else f"{found['start']}-{found['end']}"
        columns = [one_line(found["text"]) or NO_ANSWER, f"{found['probability']:.4f}", place]
        lines.append("\t".join([*([str(number)] if top_n > 1 else []), *columns, one_line(record["question"])]))
    return "\n".join(lines)


def _check_kind(command: str, kind: str, run_dir: Path) -> None:
    """Refuse a run that the command has no use for, and name the command that has."""
    from src.tasks.assets import PRETRAINING, SQUAD

    fitting, what, use = {
        PRETRAINING: (FILL_MASK, "this is a pre-training run", "use predict.py fill-mask"),
        SQUAD: (QUESTIONS, "the run answers questions about passages (squad)", "use predict.py qa"),
        "token_classification": ("", "the run tags tokens", "use run_classifier.py --do_predict true"),
    }.get(kind, (CLASSIFY, f"the run was fine-tuned ({kind})", "use predict.py classify"))
    if command != fitting:
        lacks, other = _NEEDS[command]
        raise ConfigError(f"{what}: {lacks}", str(run_dir), f"{use}, or {other}")


def _answer_settings(options: argparse.Namespace, description: TaskDescription) -> AnswerSettings:
    """Return how questions are answered: as in the run's evaluation, unless options say otherwise."""
    where, settings = str(options.run_dir), description.answers
    if settings is None:
        fix = "restore its task.json, or train again with run_squad_v1.py"
        raise ConfigError("the run does not say how questions are answered", where, fix)
    if options.max_answer_length is not None:
        settings = replace(settings, max_answer_length=options.max_answer_length)
    if options.null_threshold is not None:
        if not settings.version_2_with_negative:
            what = f"the run {where} is one on SQuAD v1.1: it answers every question"
            raise ConfigError(what, "--null_threshold", "leave it out")
        settings = replace(settings, null_score_diff_threshold=options.null_threshold)
    return settings


def _load(options: argparse.Namespace) -> _Run:
    """Return what the run is used by, and prepare the device."""
    from src.common.run_directory import RunDirectory
    from src.data.tokenization import load_tokenizer
    from src.tasks.assets import check_trained_task, check_vocabulary, load_saved_tokenizer, read_task_description

    run = RunDirectory.open(options.run_dir)
    description = read_task_description(run.assets)
    _check_kind(options.command, description.kind, options.run_dir)
    if options.command == QUESTIONS:
        _answer_settings(options, description)
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
    return _Run(description, tokenizer, checkpoint)


def _texts(options: argparse.Namespace) -> tuple[Iterator[GivenText], int]:
    """Return the texts and how many to answer at a time."""
    kind = "question" if options.command == QUESTIONS else "text"
    if options.text:
        return map(given, options.text), options.batch_size
    if options.input:
        return texts_of_file(options.input, kind), options.batch_size
    if sys.stdin.isatty():
        return texts_of_terminal(_REQUESTS[options.command]), 1
    return texts_of_pipe(kind), options.batch_size


def _questions(options: argparse.Namespace) -> tuple[Iterator[GivenQuestion], int]:
    """Return the questions and how many to answer at a time."""
    passage = read_passage(options.context_file) if options.context_file else options.context
    if passage is not None:
        lines, size = _texts(options)
        return questions_about(passage, lines), size
    if not options.input and sys.stdin.isatty():
        return conversation(), 1
    lines, size = _texts(options)
    return questions_of_records(lines), size


def _pair(line: GivenText) -> TextPair:
    """Return the text, or the two texts parted by a TAB, of a line."""
    from src.predict.text_classifier import TextPair

    if line.text.count("\t") > 1 or not all(text.strip() for text in line.text.split("\t")):
        raise DataError("neither a text nor two with a TAB between", line.where, "correct the line")
    first, tab, second = line.text.partition("\t")
    return TextPair(first, second if tab else None)


def _write(
    options: argparse.Namespace,
    items: Iterator[_Item],
    size: int,
    answer: Answer[_Item],
    show: Callable[[dict[str, Any]], str] = shown,
) -> None:
    """Answer all items, to stdout one after the other or into a file that appears as a whole."""
    lines = (
        json.dumps(record, ensure_ascii=False) if options.json else show(record)
        for batch in batches(items, size)
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
    run = _load(options)
    from src.predict.text_classifier import TextClassifier, TextPair

    classifier = TextClassifier(run.description, run.tokenizer, run.checkpoint)

    def answer(texts: Sequence[GivenText], size: int) -> Iterator[dict[str, Any]]:
        # A text of the command line is one text, whatever characters it holds.
        of_arguments = bool(options.text)
        pairs = [TextPair(text.text, options.text_b) if of_arguments else _pair(text) for text in texts]
        return classifier.predict(pairs, size)

    _write(options, *_texts(options), answer)
    if classifier.cut_texts:
        print(f"warning: {classifier.cut_texts} texts were cut to the length of the training rows", file=sys.stderr)


def _fill_mask(options: argparse.Namespace) -> None:
    """Run ``predict.py fill-mask``."""
    run = _load(options)
    from src.predict.mask_filler import MaskFiller

    filler = MaskFiller(run.description, run.tokenizer, run.checkpoint)
    _write(options, *_texts(options), lambda texts, size: filler.predict(texts, size, options.top_k))


def _answer_questions(options: argparse.Namespace) -> None:
    """Run ``predict.py qa``."""
    # Before MindSpore is loaded: the passage may be wrong.
    questions, size = _questions(options)
    run = _load(options)
    from src.predict.question_answerer import QuestionAnswerer

    settings = _answer_settings(options, run.description)
    answerer = QuestionAnswerer(run.description, run.tokenizer, run.checkpoint, settings)
    top_n = options.top_n
    _write(
        options,
        questions,
        size,
        lambda batch, rows: answerer.predict(batch, rows, top_n),
        lambda record: shown_answers(record, top_n),
    )
    if answerer.cut_questions:
        most = settings.max_query_length
        print(f"warning: {answerer.cut_questions} questions were cut to their first {most} tokens", file=sys.stderr)


def main(argv: Sequence[str]) -> int:
    """Run ``predict.py``; return its exit status."""
    options = make_parser().parse(argv)
    check_options(options)
    setup_logging()
    {CLASSIFY: _classify, FILL_MASK: _fill_mask, QUESTIONS: _answer_questions}[options.command](options)
    return 0
