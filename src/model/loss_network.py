"""What the loss networks of all tasks share: the model that they train, log-probabilities and right answers."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.model.heads import adopt


class LossNetwork(nn.Cell):
    """A model with a loss; its parameters keep their names.

    Args:
        model: The model; it stays the cell that inference runs.
    """

    def __init__(self, model: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        adopt(model)
        self.albert = model
        self.log_softmax = ops.LogSoftmax(axis=-1)
        self.argmax = ops.Argmax(axis=-1, output_type=ms.int32)

    def right(self, scores_RC: Tensor, label_R: Tensor) -> Tensor:
        """Return 1 where the label has the highest score of its row, else 0, float32 [R]."""
        return (self.argmax(scores_RC) == label_R).astype(ms.float32)
