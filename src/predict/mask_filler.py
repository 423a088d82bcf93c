"""Say which tokens a pre-trained network expects in the place of each mask of a raw text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from src.common.errors import DataError
from src.data.masked_text import MASK, MaskedText, encode_masked, fill
from src.predict.base import Predictor
from src.predict.model import LoadedModel, power_of_two
from src.predict.options import FILL_MASK
from src.predict.records import named, text_record
from src.predict.texts import GivenText
from src.tasks.inference import run_batch

# Asking for a few more places costs nothing, and compiling another shape takes seconds.
_FEWEST_PLACES = 8


class MaskFiller(Predictor[GivenText]):
    """A pre-training network with its tokenizer.

    Args:
        model: The network; returns the logarithms of the probabilities [B, P, V].
        top_k: Tokens for each mask.
    """

    command = FILL_MASK

    def __init__(self, model: LoadedModel, top_k: int = 5) -> None:
        super().__init__(model)
        self._top_k = top_k
        tokenizer = model.tokenizer
        special = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
        self._offered = np.ones(model.description.network_config().vocab_size, dtype=bool)
        self._offered[list(special)] = False
        # A table that is larger than the vocabulary has rows without a name.
        self._offered[tokenizer.vocab_size :] = False

    def parse(self, record: Mapping[str, object], where: str) -> GivenText:
        """Return the text of a record: ``{"text": "..."}`` with at least one mask."""
        text = text_record(record, where, pairs=False)
        self._encode(text)
        return text

    def predict(self, items: Sequence[GivenText], batch_size: int) -> Iterator[dict[str, Any]]:
        """Yield one record a text.

        ``masks`` holds for each mask the ``top_k`` most probable tokens, best first: ``token`` as in the vocabulary,
        ``id``, ``probability`` among the whole vocabulary, and ``text`` with this token in the mask's place and the
        best tokens in the places of the others. Special symbols are not offered. ``filled`` has the best tokens.

        Raises:
            DataError: A text has no mask, or more tokens than the network was trained on.
        """
        encoded = [self._encode(item) for item in items]
        most = self.model.rows or batch_size
        for begin in range(0, len(items), most):
            batch = encoded[begin : begin + most]
            for item, scores_PV in zip(items[begin : begin + most], self._run(batch, most), strict=True):
                yield named(item.id, self._record(item.text, scores_PV))

    def _encode(self, given: GivenText) -> MaskedText:
        """Return the tokens of a text."""
        if MASK not in given.text:
            raise DataError(f"the text has no {MASK}", given.where, f"write {MASK} where a word is to be found")
        encoded = encode_masked(given.text, self.model.tokenizer)
        length, most, masks = len(encoded.input_ids), self.model.description.length, self.model.masks
        if length > most:
            raise DataError(
                f"the text has {length} tokens with [CLS] and [SEP], and the network was trained on {most}",
                given.where,
                "leave out what is farthest from the masks",
            )
        if masks is not None and len(encoded.positions) > masks:
            what = f"the text has {len(encoded.positions)} masks, and the exported network takes {masks}"
            raise DataError(what, given.where, "ask for them in several texts, or export the network for more")
        return encoded

    def _run(self, batch: Sequence[MaskedText], batch_size: int) -> Iterator[np.ndarray]:
        """Yield the logarithms of the probabilities, float64 [masks, V], of each text."""
        rows, description = self.model.batch_rows(batch_size, len(batch)), self.model.description
        longest = max(len(text.input_ids) for text in batch)
        length = min(bucket for bucket in (*description.buckets, description.length) if bucket >= longest)
        places = self.model.masks or power_of_two(max(_FEWEST_PLACES, *(len(text.positions) for text in batch)))
        ids_BT = np.full((rows, length), self.model.tokenizer.pad_id, dtype=np.int32)
        mask_BT = np.zeros((rows, length), dtype=np.int32)
        # A row without any token would give its attention nothing to look at.
        mask_BT[:, 0] = 1
        positions_BP = np.zeros((rows, places), dtype=np.int32)
        for row, text in enumerate(batch):
            ids_BT[row, : len(text.input_ids)] = text.input_ids
            mask_BT[row, : len(text.input_ids)] = 1
            positions_BP[row, : len(text.positions)] = text.positions
        inputs = (ids_BT, mask_BT, np.zeros_like(ids_BT), positions_BP)
        (scores_BPV,) = run_batch(self.model.network, inputs)
        for row, text in enumerate(batch):
            yield scores_BPV[row, : len(text.positions)].astype(np.float64)

    def _record(self, text: str, scores_PV: np.ndarray) -> dict[str, Any]:
        """Return the record of one text."""
        kept_PV = np.where(self._offered, scores_PV, -np.inf)
        count = min(self._top_k, int(self._offered.sum()))
        # Stable, so that equal scores are in the order of their ids.
        best_PK = np.argsort(-kept_PV, axis=1, kind="stable")[:, :count]
        pieces = [self.model.tokenizer.ids_to_tokens(ids.tolist()) for ids in best_PK]
        best = [candidates[0] for candidates in pieces]
        masks = [
            [
                {
                    "token": piece,
                    "id": int(index),
                    "probability": float(np.exp(scores_PV[place, index])),
                    "text": fill(text, [*best[:place], piece, *best[place + 1 :]], self.model.tokenizer),
                }
                for piece, index in zip(pieces[place], best_PK[place], strict=True)
            ]
            for place in range(len(best))
        ]
        return {"text": text, "filled": fill(text, best, self.model.tokenizer), "masks": masks}
