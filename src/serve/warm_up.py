"""Compile the network for the shapes that requests will have, so that the first ones are not slow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from src.common.errors import DataError
from src.serve.served import Answering, ServedModel

logger = logging.getLogger(__name__)

# A word of one token in any vocabulary: itself, or unknown.
_WORD = "a"
# Tokens of a row that are none of its words: [CLS], two [SEP], and the one of a question, a second text, or a mask.
_BESIDE_WORDS = 4


def sample(model: ServedModel, tokens: int) -> dict[str, object]:
    """Return a record that fills a row of ``tokens`` tokens without being cut."""
    words = [_WORD] * max(1, tokens - _BESIDE_WORDS)
    text = " ".join(words)
    if model.command == "qa":
        return {"question": _WORD, "context": text}
    if model.command == "ner":
        return {"words": words}
    if model.command == "fill-mask":
        return {"text": f"[MASK] {text}"}
    return {"text": text, **({"text_b": _WORD} if model.pairs else {})}


def shapes(model: ServedModel, batch_size: int, which: str) -> list[tuple[int, int]]:
    """Return the shapes to compile: tokens and inputs of a batch, the quick ones first.

    Predictors round the rows of a batch up to a power of two.

    Args:
        model: The model.
        batch_size: Most rows of a batch.
        which: ``all``, ``one`` (the longest row alone) or ``none``.
    """
    lengths = sorted(set(model.buckets)) or [model.length]
    if which == "none":
        return []
    if which == "one":
        return [(lengths[-1], 1)]
    sizes = [1]
    while model.rows is None and sizes[-1] < batch_size:
        sizes.append(min(2 * sizes[-1], batch_size))
    return [(length, size) for size in sizes for length in lengths]


def warm_up(predictor: Answering, model: ServedModel, batch_size: int, which: str, stopped: Callable[[], bool]) -> None:
    """Run the network once for each shape and tell how it goes.

    Args:
        predictor: The model.
        model: What is known of it.
        batch_size: Most rows of a batch.
        which: See ``shapes``.
        stopped: Whether the server is to stop; asked before every shape.
    """
    wanted = shapes(model, batch_size, which)
    begin = time.monotonic()
    for number, (tokens, size) in enumerate(wanted, start=1):
        if stopped():
            return
        start = time.monotonic()
        try:
            item = predictor.parse(sample(model, tokens), "warm-up")
            list(predictor.predict([item] * size, batch_size))
        except DataError as error:
            logger.warning("no warm-up for %d tokens: %s", tokens, error)
            continue
        taken = time.monotonic() - start
        logger.info("warm-up %d of %d: %d inputs of %d tokens, %.1f s", number, len(wanted), size, tokens, taken)
    if wanted:
        logger.info("warm-up: %.1f s", time.monotonic() - begin)
