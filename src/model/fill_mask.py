"""The pre-training network as prediction runs it: what the masked language model expects at some places."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from src.model.heads import adopt
from src.model.pretraining import AlbertPreTrainingModel


class AlbertFillMask(nn.Cell):
    """Log-probabilities of the vocabulary at the masked positions; letters as in ``pretraining.py``.

    Args:
        model: The model; its parameters have the names of a pre-training checkpoint.
    """

    def __init__(self, model: AlbertPreTrainingModel) -> None:
        super().__init__(auto_prefix=False)
        adopt(model)
        self.albert = model
        self.log_softmax = ops.LogSoftmax(axis=-1)

    def construct(
        self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor, positions_BP: Tensor
    ) -> Tensor:
        """Return the logarithms of the probabilities [B, P, V] float32.

        Args:
            input_ids_BT: Token ids with masks, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
            segment_ids_BT: Segment of each token, int32.
            positions_BP: Places in the row that are asked for, int32.
        """
        logits_QV = self.albert.masked_logits(input_ids_BT, input_mask_BT, segment_ids_BT, positions_BP)
        rows, places = positions_BP.shape
        return self.log_softmax(logits_QV).reshape(rows, places, -1)
