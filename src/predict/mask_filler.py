"""Say which tokens a pre-trained network expects in the place of each mask of a raw text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor

from src.common.errors import DataError
from src.data.masked_text import MASK, MaskedText, encode_masked, fill
from src.data.tokenization import Tokenizer
from src.model.fill_mask import AlbertFillMask
from src.model.pretraining import AlbertPreTrainingModel
from src.model.weights import load_weights
from src.predict.texts import GivenText
from src.tasks.assets import TaskDescription


def _power_of_two(number: int) -> int:
    """Return the smallest power of two that is at least ``number``: the network compiles once for each shape."""
    return 1 << (number - 1).bit_length()


class MaskFiller:
    """A pre-training network with its tokenizer.

    Args:
        description: What the run was trained on.
        tokenizer: The one that made its records.
        checkpoint: The weights.

    Raises:
        CheckpointError: The checkpoint does not cover the network, for example because it was fine-tuned.
    """

    def __init__(self, description: TaskDescription, tokenizer: Tokenizer, checkpoint: Path) -> None:
        self._description = description
        self._tokenizer = tokenizer
        self._network = AlbertFillMask(AlbertPreTrainingModel(description.network_config()))
        load_weights(self._network, checkpoint, what="all")
        self._network.set_train(False)
        special = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
        self._offered = np.ones(description.network_config().vocab_size, dtype=bool)
        self._offered[list(special)] = False
        # A table that is larger than the vocabulary has rows without a name.
        self._offered[tokenizer.vocab_size :] = False

    def predict(self, texts: Sequence[GivenText], batch_size: int, top_k: int) -> Iterator[dict[str, Any]]:
        """Yield one record a text.

        ``masks`` holds for each mask the ``top_k`` most probable tokens, best first: ``token`` as in the vocabulary,
        ``id``, ``probability`` among the whole vocabulary, and ``text`` with this token in the mask's place and the
        best tokens in the places of the others. Special symbols are not offered. ``filled`` has the best tokens.

        Args:
            texts: Texts with at least one mask each.
            batch_size: Most texts of a batch.
            top_k: Tokens for each mask.

        Raises:
            DataError: A text has no mask, or more tokens than the network was trained on.
        """
        encoded = [self._encode(given) for given in texts]
        for begin in range(0, len(texts), batch_size):
            batch = encoded[begin : begin + batch_size]
            for given, scores_PV in zip(texts[begin : begin + batch_size], self._run(batch, batch_size), strict=True):
                yield self._record(given.text, scores_PV, top_k)

    def _encode(self, given: GivenText) -> MaskedText:
        """Return the tokens of a text."""
        if MASK not in given.text:
            raise DataError(f"the text has no {MASK}", given.where, f"write {MASK} where a word is to be found")
        encoded = encode_masked(given.text, self._tokenizer)
        length, most = len(encoded.input_ids), self._description.length
        if length > most:
            raise DataError(
                f"the text has {length} tokens with [CLS] and [SEP], and the network was trained on {most}",
                given.where,
                "leave out what is farthest from the masks",
            )
        return encoded

    def _run(self, batch: Sequence[MaskedText], batch_size: int) -> Iterator[np.ndarray]:
        """Yield the logarithms of the probabilities, float64 [masks, V], of each text."""
        rows = min(batch_size, _power_of_two(len(batch)))
        longest = max(len(text.input_ids) for text in batch)
        length = min(bucket for bucket in (*self._description.buckets, self._description.length) if bucket >= longest)
        places = _power_of_two(max(len(text.positions) for text in batch))
        ids_BT = np.full((rows, length), self._tokenizer.pad_id, dtype=np.int32)
        mask_BT = np.zeros((rows, length), dtype=np.int32)
        # A row without any token would give its attention nothing to look at.
        mask_BT[:, 0] = 1
        positions_BP = np.zeros((rows, places), dtype=np.int32)
        for row, text in enumerate(batch):
            ids_BT[row, : len(text.input_ids)] = text.input_ids
            mask_BT[row, : len(text.input_ids)] = 1
            positions_BP[row, : len(text.positions)] = text.positions
        inputs = (ids_BT, mask_BT, np.zeros_like(ids_BT), positions_BP)
        scores_BPV = self._network(*(Tensor(values) for values in inputs)).asnumpy()
        for row, text in enumerate(batch):
            yield scores_BPV[row, : len(text.positions)].astype(np.float64)

    def _record(self, text: str, scores_PV: np.ndarray, top_k: int) -> dict[str, Any]:
        """Return the record of one text."""
        kept_PV = np.where(self._offered, scores_PV, -np.inf)
        count = min(top_k, int(self._offered.sum()))
        # Stable, so that equal scores are in the order of their ids.
        best_PK = np.argsort(-kept_PV, axis=1, kind="stable")[:, :count]
        pieces = [self._tokenizer.ids_to_tokens(ids.tolist()) for ids in best_PK]
        best = [candidates[0] for candidates in pieces]
        masks = [
            [
                {
                    "token": piece,
                    "id": int(index),
                    "probability": float(np.exp(scores_PV[place, index])),
                    "text": fill(text, [*best[:place], piece, *best[place + 1 :]], self._tokenizer),
                }
                for piece, index in zip(pieces[place], best_PK[place], strict=True)
            ]
            for place in range(len(best))
        ]
        return {"text": text, "filled": fill(text, best, self._tokenizer), "masks": masks}
