"""Show SQuAD records as people read them: question, window, answer."""

from __future__ import annotations

from pathlib import Path

from src.data.inspect import check_vocabulary
from src.data.sentencepiece_tokenizer import WORD_MARK
from src.data.squad_manifest import info_of
from src.data.squad_table import SquadTable, read_squad_table
from src.data.tokenization import Tokenizer
from src.data.wordpiece_tokenizer import CONTINUATION


def inspect_squad(path: Path, tokenizer: Tokenizer, count: int) -> list[str]:
    """Return the lines that show the first ``count`` records of a MindRecord or TFRecord file.

    The texts are put together from the tokens, so their case is the vocabulary's.

    Raises:
        DataError: The file is damaged, holds other records, or was made with another vocabulary.
    """
    table = read_squad_table(path)
    check_vocabulary(table.manifest, table.source, tokenizer)
    lines = [_headline(table)]
    for row in range(min(count, table.rows)):
        lines.extend(["", f"record {row} of {table.rows}: {table.lengths[row]} tokens"])
        lines.extend(_record(table, row, tokenizer))
    return lines


def _headline(table: SquadTable) -> str:
    told = "no manifest"
    if table.manifest is not None:
        info = info_of(table.manifest, str(table.source))
        told = f"{table.manifest.task_name} {table.manifest.split} of {info.source.file}, {info.questions} questions"
    return f"{table.source}: {told}, {table.rows} windows of up to {table.max_seq_length} tokens"


def _record(table: SquadTable, row: int, tokenizer: Tokenizer) -> list[str]:
    begin, end = int(table.offsets[row]), int(table.offsets[row + 1])
    tokens = tokenizer.ids_to_tokens(table.token_ids[begin:end].tolist())
    passage = int((table.segment_ids[begin:end] == 0).sum())
    # [CLS] stands before the question, [SEP] behind it and behind the window.
    question, window = tokens[1 : passage - 1], tokens[passage:-1]
    answer = "none in this window"
    if not table.is_impossible[row]:
        first, last = int(table.start_positions[row]), int(table.end_positions[row])
        place = f"token {first}" if first == last else f"tokens {first} to {last}"
        answer = f"{_text(tokens[first : last + 1])} ({place})"
    return [f"  question: {_text(question)}", f"  window: {_text(window)}", f"  answer: {answer}"]


def _text(tokens: list[str]) -> str:
    """Return the text of the pieces of either kind of vocabulary."""
    if any(token.startswith(WORD_MARK) for token in tokens):
        return "".join(tokens).replace(WORD_MARK, " ").strip()
    return " ".join(tokens).replace(f" {CONTINUATION}", "").removeprefix(CONTINUATION)
