"""A predictor without a network, for tests: its answers say what it was given, and with whom it shared a batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from src.common.errors import DataError
from src.serve.served import Load, ServedModel

CLASSIFY = ServedModel("classify", "classification", "films", labels=("bad", "good"), length=32, buckets=(8, 32))


class FakePredictor:
    """Answers by the words of a text; some words are orders.

    ``unanswerable`` in a text is refused by ``parse``, ``wrong`` by ``predict``, ``crash`` raises what nobody expects,
    and ``slow`` takes a second.
    """

    def __init__(self, model: ServedModel = CLASSIFY, seconds: float = 0.0) -> None:
        self.model = model
        self.seconds = seconds
        self.batches: list[list[str]] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()

    def parse(self, record: Mapping[str, object], where: str) -> dict[str, Any]:
        self.threads.add(threading.get_ident())
        for key in {"qa": ("question", "context"), "ner": ()}.get(self.model.command, ("text",)):
            if not isinstance(record.get(key), str):
                raise DataError(f"the key '{key}' is missing", where, "give it")
        if "unanswerable" in str(record.get("text", "")):
            raise DataError("the text is unanswerable", where, "give another one")
        return dict(record)

    def predict(self, items: Sequence[dict[str, Any]], batch_size: int) -> Iterator[dict[str, Any]]:
        self.threads.add(threading.get_ident())
        self.gate.wait(30)
        time.sleep(self.seconds)
        texts = [str(item.get("text") or item.get("question") or "") for item in items]
        self.batches.append(texts)
        for place, text in enumerate(texts):
            if "wrong" in text:
                raise DataError("the text is wrong", f"inputs[{place}]", "give another one")
            if "crash" in text:
                raise RuntimeError(f"secret: {text}")
            if "slow" in text:
                time.sleep(1)
        for item, text in zip(items, texts, strict=True):
            answer = self._answer(item, text)
            yield answer if item.get("id") is None else {"id": item["id"]} | answer

    def notes(self) -> list[str]:
        return ["nothing was cut"]

    def _answer(self, item: dict[str, Any], text: str) -> dict[str, Any]:
        command = self.model.command
        if command == "classify" and self.model.kind == "regression":
            return {"text": text, "score": 2.5}
        if command == "classify":
            share = 0.9 if "good" in text else 0.2
            label = "good" if share > 0.5 else "bad"
            shares = {"bad": 1 - share, "good": share}
            return {"text": text, "label": label, "probability": max(shares.values()), "probabilities": shares}
        if command == "qa":
            return self._question(item)
        if command == "ner":
            words = text.split()
            tags = ["B-PER" if word.istitle() else "O" for word in words]
            entities, start = [], 0
            for number, word in enumerate(words):
                if word.istitle():
                    place = {"start": start, "end": start + len(word), "words": [number, number + 1]}
                    entities.append({"type": "PER", "text": word, **place, "probability": 0.75})
                start += len(word) + 1
            found = {"words": words, "tags": tags, "probabilities": [0.75] * len(words), "entities": entities}
            return {"text": text} | found
        if command == "fill-mask":
            tokens = [f"▁word{number}" for number in range(20)]
            found = [
                {"token": token, "id": number, "probability": 0.5 / (number + 1), "text": text.replace("[MASK]", token)}
                for number, token in enumerate(tokens)
            ]
            masks = [found] * text.count("[MASK]")
            return {"text": text, "filled": text.replace("[MASK]", "word0"), "masks": masks}
        return {"text": text, "vector": [float(len(text)), 1.0, 0.5]}

    def _question(self, item: dict[str, Any]) -> dict[str, Any]:
        """Answer with the last word of the passage; offsets are in characters."""
        context = item["context"]
        start = context.rindex(" ") + 1
        best = {"text": context[start:], "start": start, "end": len(context), "probability": 0.7}
        other = {"text": context[:start].strip(), "start": 0, "end": start - 1, "probability": 0.2}
        answers = [best, other, *[{"text": "", "start": None, "end": None, "probability": 0.01}] * 18]
        found = {key: best[key] for key in ("start", "end", "probability")}
        return {"question": item["question"], "answer": best["text"], **found, "answers": answers}


def loading(predictor: FakePredictor) -> Load:
    """Return what loads a predictor that is there already."""
    return lambda: (predictor, predictor.model)
