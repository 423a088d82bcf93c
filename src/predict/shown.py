"""Answers as people read them: lines with tabs between their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from src.predict.texts import one_line

NO_ANSWER = "(no answer)"


def shown(record: dict[str, Any]) -> str:
    """Return the answer to a text.

    * a label with its probability, or a score, then the text;
    * for masks a line for each token that may stand there: number of the mask, token, probability, text with it;
    * for entities a line for each: type, its text, probability, start-end, text; without entity tags word by word;
    * for a vector its numbers, then the text.
    """
    if "masks" in record:
        return _masks(record)
    if "tags" in record:
        return _tags(record)
    texts = one_line(record["text"] if "text_b" not in record else f"{record['text']} | {record['text_b']}")
    if "vector" in record:
        return f"{' '.join(f'{number:.6g}' for number in record['vector'])}\t{texts}"
    if "score" in record:
        return f"{record['score']:.4f}\t{texts}"
    return f"{record['label']}\t{record['probability']:.4f}\t{texts}"


def shown_answers(record: dict[str, Any], top_n: int) -> str:
    """Return the answers to a question.

    Answer, probability, start-end in the passage, question; with ``top_n`` above 1 a line for each answer, its number
    in front.
    """
    lines = []
    for number, found in enumerate(record["answers"], start=1):
        place = "-" if found["start"] is None else f"{found['start']}-{found['end']}"
        columns = [one_line(found["text"]) or NO_ANSWER, f"{found['probability']:.4f}", place]
        lines.append("\t".join([*([str(number)] if top_n > 1 else []), *columns, one_line(record["question"])]))
    return "\n".join(lines)


def _masks(record: dict[str, Any]) -> str:
    return "\n".join(
        f"{number}\t{found['token']}\t{found['probability']:.4f}\t{one_line(found['text'])}"
        for number, candidates in enumerate(record["masks"], start=1)
        for found in candidates
    )


def _tags(record: dict[str, Any]) -> str:
    """Return the entities; where the labels are no entity tags, every word with its tag."""
    sentence = one_line(record.get("text") or " ".join(record["words"]))
    if "entities" not in record:
        columns = (record["words"], record["tags"], record["probabilities"])
        return "\n".join(f"{one_line(word)}\t{tag}\t{share:.4f}" for word, tag, share in zip(*columns, strict=True))
    return "\n".join(_entity(found, sentence) for found in record["entities"]) or f"-\t-\t-\t-\t{sentence}"


def _entity(found: dict[str, Any], sentence: str) -> str:
    place: Sequence[int] = (found["start"], found["end"]) if "start" in found else found["words"]
    return f"{found['type']}\t{one_line(found['text'])}\t{found['probability']:.4f}\t{place[0]}-{place[1]}\t{sentence}"
