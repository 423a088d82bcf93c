"""The command ``predict.py classify``: one text, a file, a pipe, or a conversation on the terminal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.common.arguments import OneLineParser
from src.common.errors import ConfigError, DataError, OutputError
from src.common.files import atomic_path
from src.common.log import setup_logging

if TYPE_CHECKING:
    from src.tasks.predictor import TextClassifier, TextPair

_EXAMPLES = """\
examples:
  python predict.py classify --run_dir runs/sst2 "a gripping, funny film"
  python predict.py classify --run_dir runs/mrpc "first sentence" --text_b "second sentence"
  python predict.py classify --run_dir runs/sst2 --input texts.txt --output answers.jsonl --json
  cat texts.txt | python predict.py classify --run_dir runs/sst2
Without texts and with a terminal it asks for one text after the other.
"""


def make_parser() -> OneLineParser:
    """Return the command line of ``predict.py``."""
    parser = OneLineParser(
        prog="predict.py",
        description="Predict on raw text with a fine-tuned ALBERT.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="classify")
    classify = commands.add_parser(
        "classify",
        help="label (or score) of texts and pairs of texts",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = classify.add_argument
    add("text", nargs="*", help="texts to classify; none reads --input, a pipe, or asks on the terminal")
    add("--run_dir", required=True, type=Path, help="run directory of run_classifier.py")
    add("--checkpoint", type=Path, help="weights to use; default: the best of the run, else the newest")
    add("--text_b", help="second text, for a task on pairs; goes with exactly one text")
    add("--input", type=Path, help="UTF-8 file, one text a line; a TAB parts the two texts of a pair")
    add("--output", type=Path, help="file for the answers, written as a whole; default: stdout")
    add("--json", action="store_true", help="answers as JSON lines, with the probability of every label")
    add("--batch_size", type=int, default=32, help="texts per batch (default: 32)")
    add("--spm_model_file", default="", help="SentencePiece model, for a run that holds no tokenizer")
    add("--vocab_file_path", default="", help="vocab.txt, for a run that holds no tokenizer")
    add("--device_target", default="CPU", choices=("CPU", "GPU", "Ascend"), help="device (default: CPU)")
    return parser


def _pair(line: str) -> TextPair:
    """Return the text, or the two texts parted by a TAB, of a line."""
    from src.tasks.predictor import TextPair

    first, tab, second = line.rstrip("\r\n").partition("\t")
    return TextPair(first, second if tab else None)


def _lines(stream: Iterable[bytes], source: str) -> Iterator[TextPair]:
    """Yield the texts of a file or a pipe; an empty line is refused, since answers are matched by line."""
    number = 0
    for number, raw in enumerate(stream, start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError("not UTF-8", f"{source}:{number}", "convert the file to UTF-8") from error
        if not line.strip():
            raise DataError("the line is empty", f"{source}:{number}", "give one text a line")
        if line.count("\t") > 1 or not all(text.strip() for text in line.split("\t")):
            raise DataError("neither a text nor two with a TAB between", f"{source}:{number}", "correct the line")
        yield _pair(line)
    if number == 0:
        raise DataError("there is no text", source, "give one text a line")


def _conversation() -> Iterator[TextPair]:
    """Ask for texts on the terminal until end of input."""
    print("Type a text and Enter (a TAB parts the texts of a pair); Ctrl-D ends.", file=sys.stderr)
    while True:
        try:
            # The prompt goes to the terminal and not into a file that takes the answers.
            print("> ", end="", file=sys.stderr, flush=True)
            line = input()
        except EOFError:
            print(file=sys.stderr)
            return
        if line.strip():
            yield _pair(line)


def shown(record: dict[str, Any]) -> str:
    """Return an answer as people read it: the label with its probability, or the score, then the text."""
    texts = record["text"] if "text_b" not in record else f"{record['text']} | {record['text_b']}"
    # An answer is one line with tabs between its columns, whatever the text holds.
    texts = texts.translate({ord(mark): " " for mark in "\t\n\r\v\f\x85\u2028\u2029"})
    if "score" in record:
        return f"{record['score']:.4f}\t{texts}"
    return f"{record['label']}\t{record['probability']:.4f}\t{texts}"


def _batches(pairs: Iterator[TextPair], size: int) -> Iterator[list[TextPair]]:
    while batch := list(islice(pairs, size)):
        yield batch


def _check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other, before MindSpore is loaded."""
    if options.text_b is not None and len(options.text) != 1:
        what = f"--text_b goes with exactly one text, not {len(options.text)}"
        raise ConfigError(what, "--text_b", "give one text, or pairs with a TAB between by --input")
    if options.text and options.input:
        raise ConfigError("texts and --input exclude each other", "--input", "leave one of them out")
    if options.batch_size < 1:
        raise ConfigError(f"must be at least 1, not {options.batch_size}", "--batch_size", "give 1 or more")
    if any(not text.strip() for text in (*options.text, *([] if options.text_b is None else [options.text_b]))):
        raise ConfigError("a text is empty", "text", "give a text")
    if sys.stdin is None and not (options.text or options.input):
        raise ConfigError("no text is given and stdin is closed", "text", "give a text, --input or a pipe")
    if options.input and (not options.input.exists() or options.input.is_dir()):
        raise DataError("no such file", str(options.input), "check the path")
    if options.output and options.output.is_dir():
        raise OutputError("a folder stands where the answers should go", str(options.output), "name a file")


def _load(options: argparse.Namespace) -> TextClassifier:
    """Load the run: description, tokenizer, weights."""
    from src.common.run_directory import RunDirectory
    from src.data.tokenization import load_tokenizer
    from src.tasks.assets import check_trained_task, check_vocabulary, load_saved_tokenizer, read_task_description

    run = RunDirectory.open(options.run_dir)
    description = read_task_description(run.assets)
    if description.kind == "token_classification":
        raise ConfigError("the run tags tokens", str(options.run_dir), "use run_classifier.py --do_predict true")
    if options.spm_model_file or options.vocab_file_path:
        lower = description.do_lower_case
        tokenizer = load_tokenizer(options.vocab_file_path, options.spm_model_file, lower)
    else:
        tokenizer = load_saved_tokenizer(run.assets, description)
    where = options.spm_model_file or options.vocab_file_path or str(run.assets)
    check_vocabulary(tokenizer, description, where)

    from src.runtime.device import setup_device
    from src.tasks.predictor import TextClassifier
    from src.tasks.weights_choice import best_or_latest_weights, checkpoint_folder

    folder = checkpoint_folder(run, str((run.previous_config or {}).get("save_finetune_checkpoint_path") or ""))
    checkpoint = options.checkpoint or best_or_latest_weights(folder, "classifier")
    owner = checkpoint.resolve().parent.parent / "assets"
    check_trained_task(owner, description.kind, description.labels, description.tokenizer_sha256)
    setup_device(options.device_target, device_id=0, seed=0)
    return TextClassifier(description, tokenizer, checkpoint)


def _answers(options: argparse.Namespace, classifier: TextClassifier) -> Iterator[str]:
    """Yield the answers as lines."""
    from src.tasks.predictor import TextPair

    size = options.batch_size
    if options.text:
        pairs: Iterator[TextPair] = iter([TextPair(text, options.text_b) for text in options.text])
    elif options.input:
        pairs = _lines(options.input.read_bytes().splitlines(keepends=True), str(options.input))
    elif sys.stdin.isatty():
        pairs, size = _conversation(), 1
    else:
        pairs = _lines(sys.stdin.buffer, "stdin")
    for batch in _batches(pairs, size):
        for record in classifier.predict(batch, size):
            yield json.dumps(record, ensure_ascii=False) if options.json else shown(record)


def _tell_cut(classifier: TextClassifier) -> None:
    """Say on stderr how many texts were longer than the network takes."""
    if classifier.cut_texts:
        print(f"warning: {classifier.cut_texts} texts were cut to the length of the training rows", file=sys.stderr)


def main(argv: Sequence[str]) -> int:
    """Run ``predict.py``; return its exit status."""
    options = make_parser().parse(argv)
    _check(options)
    setup_logging()
    classifier = _load(options)
    if options.output is None:
        for line in _answers(options, classifier):
            print(line, flush=True)
        _tell_cut(classifier)
        return 0
    with atomic_path(options.output) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in _answers(options, classifier))
    _tell_cut(classifier)
    return 0
