"""Loss networks of fine-tuning. All of them sum over rows (or tokens) and divide by a count given from outside.

The count is that of the whole batch over all micro-batches and devices, so that accumulated and distributed
gradients are exactly those of one big batch.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from src.common.errors import ConfigError
from src.model.loss_network import LossNetwork

FIGURE_NAMES: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "regression": (),
    "token_classification": ("accuracy",),
}


class AlbertCLS(LossNetwork):
    """A model with the loss of its kind of task.

    Args:
        model: ``AlbertCLSModel`` or ``AlbertNERModel``.
        kind: ``classification`` (cross entropy), ``regression`` (squared error of the raw score) or
            ``token_classification`` (cross entropy over the tokens whose label is not negative).

    Raises:
        ConfigError: The kind is unknown, or regression is asked of a model with several outputs.
    """

    def __init__(self, model: nn.Cell, kind: str) -> None:
        super().__init__(model)
        if kind not in FIGURE_NAMES:
            raise ConfigError(f"unknown kind of task {kind!r}", fix=f"choose one of {', '.join(FIGURE_NAMES)}")
        if kind == "regression" and model.num_labels != 1:
            raise ConfigError(f"regression has 1 output, not {model.num_labels}", "num_class", "set num_class to 1")
        self.kind = kind
        self.num_labels = model.num_labels
        self.figure_names = FIGURE_NAMES[kind]
        self.normalizer_count = 1

    def construct(
        self,
        input_ids_BT: Tensor,
        input_mask_BT: Tensor,
        segment_ids_BT: Tensor,
        label_ids: Tensor,
        row_weight_B: Tensor,
        normalizers: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the loss and the figures that ``figure_names`` lists, float32 scalars.

        Args:
            input_ids_BT: Token ids, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
            segment_ids_BT: Segment of each token, int32.
            label_ids: int32 [B], float32 [B] of regression, int32 [B, T] of token classification.
            row_weight_B: 1 for a row that counts, 0 for a filler, float32.
            normalizers: float32 [1], the number of rows (or labelled tokens) to divide by; 0 where nothing counts.
        """
        # A batch without anything that counts has loss 0 and not 0/0; any other count is 1 at least.
        count = ops.maximum(normalizers[0], 1.0)
        logits = self.albert(input_ids_BT, input_mask_BT, segment_ids_BT)
        if self.kind == "regression":
            error_B = logits.reshape(-1) - label_ids
            return (row_weight_B * error_B * error_B).sum() / count, ()
        if self.kind == "token_classification":
            weight_BT = row_weight_B.reshape(-1, 1) * (label_ids >= 0).astype(ms.float32)
            return self._cross_entropy(logits.reshape(-1, self.num_labels), label_ids, weight_BT, count)
        return self._cross_entropy(logits, label_ids, row_weight_B, count)

    def _cross_entropy(
        self, logits_RC: Tensor, label_ids: Tensor, weight: Tensor, count: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return weighted cross entropy and accuracy over the R rows; a negative label matches no class."""
        label_R, weight_R = label_ids.reshape(-1), weight.reshape(-1)
        target_RC = ops.one_hot(label_R, self.num_labels, 1.0, 0.0)
        loss_R = -(target_RC * self.log_softmax(logits_RC)).sum(-1)
        right_R = self.right(logits_RC, label_R)
        return (weight_R * loss_R).sum() / count, ((weight_R * right_R).sum() / count,)
