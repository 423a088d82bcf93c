"""Loss network of question answering, for both heads; sums over rows are divided as in ``losses.py``."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, ops

from src.model.loss_network import LossNetwork
from src.model.squad import AlbertSquadModel
from src.model.squad_beam import AlbertSquadBeamModel

_SPAN_FIGURES = ("start_accuracy", "end_accuracy", "span_accuracy")


class AlbertSquad(LossNetwork):
    """A model with its loss: (CE(start) + CE(end)) / 2, and with the beam head + BCE(no answer) / 2.

    The probabilities are those of the allowed positions only. Google's ``run_squad_v1.py`` and the model zoo spread
    them over all positions: their loss of a row is larger by -ln(1 - q), the mean of start and end, where q is
    what they give to the positions that are not allowed. That is ln(T / allowed positions) when all scores are equal,
    for example 0.98 with 24 of 64 positions allowed, and it goes to 0 in training.

    With the beam head the end is scored for the true start. Rows without an answer have both positions 0, and count
    in all parts of the loss, as in the reference. The two-logit head makes no use of ``is_impossible``.

    Args:
        model: Either head; it stays the cell that inference runs.
    """

    normalizer_count = 1

    def __init__(self, model: AlbertSquadModel | AlbertSquadBeamModel) -> None:
        super().__init__(model)
        self.has_beam = isinstance(model, AlbertSquadBeamModel)
        self.figure_names: tuple[str, ...] = _SPAN_FIGURES
        if self.has_beam:
            self.figure_names = (*_SPAN_FIGURES, "span_loss", "answerability_loss", "answerability_accuracy")

    def construct(
        self,
        input_ids_BT: Tensor,
        input_mask_BT: Tensor,
        segment_ids_BT: Tensor,
        start_position_B: Tensor,
        end_position_B: Tensor,
        is_impossible_B: Tensor,
        row_weight_B: Tensor,
        normalizers: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the loss and the figures of ``figure_names``, float32 scalars.

        Args:
            input_ids_BT: Token ids, int32.
            input_mask_BT: 1 at tokens, 0 at padding, int32.
            segment_ids_BT: Segment of each token, int32.
            start_position_B: Position of the answer's first token, int32.
            end_position_B: Position of the answer's last token, int32.
            is_impossible_B: 1 where the window holds no answer, float32.
            row_weight_B: 1 for a row that counts, 0 for a filler, float32.
            normalizers: float32 [1], the number of rows to divide by; 0 where nothing counts.
        """
        # A batch without anything that counts has loss 0 and not 0/0.
        share_B = row_weight_B / ops.maximum(normalizers[0], 1.0)
        if not self.has_beam:
            logits_BT2 = self.albert(input_ids_BT, input_mask_BT, segment_ids_BT)
            start_BT, end_BT = self.log_softmax(logits_BT2[:, :, 0]), self.log_softmax(logits_BT2[:, :, 1])
            return self._span(start_BT, end_BT, start_position_B, end_position_B, share_B)
        start_BT, end_BT, impossible_B = self.albert.log_probabilities(
            input_ids_BT, input_mask_BT, segment_ids_BT, start_position_B
        )
        span_loss, accuracies = self._span(start_BT, end_BT, start_position_B, end_position_B, share_B)
        # Cross entropy of the two classes (0, logit): the binary one, and its gradient is right at 0 too.
        answer_B2 = self.log_softmax(ops.stack((ops.zeros_like(impossible_B), impossible_B), axis=1))
        entropy_B = -(1.0 - is_impossible_B) * answer_B2[:, 0] - is_impossible_B * answer_B2[:, 1]
        answer_loss = (share_B * entropy_B).sum()
        answer_right_B = ((impossible_B > 0) == (is_impossible_B > 0)).astype(ms.float32)
        figures = (*accuracies, span_loss, answer_loss, (share_B * answer_right_B).sum())
        return span_loss + 0.5 * answer_loss, figures

    def _span(
        self, start_BT: Tensor, end_BT: Tensor, start_position_B: Tensor, end_position_B: Tensor, share_B: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the mean loss of start and end, and how often start, end and both have the highest score.

        Windows without an answer count in all of them, as in the loss, with [CLS] as the right place.
        """
        start_loss_B = -ops.gather_elements(start_BT, 1, start_position_B.reshape(-1, 1)).reshape(-1)
        end_loss_B = -ops.gather_elements(end_BT, 1, end_position_B.reshape(-1, 1)).reshape(-1)
        start_right_B = self.right(start_BT, start_position_B)
        end_right_B = self.right(end_BT, end_position_B)
        loss = (share_B * 0.5 * (start_loss_B + end_loss_B)).sum()
        start_accuracy, end_accuracy = (share_B * start_right_B).sum(), (share_B * end_right_B).sum()
        return loss, (start_accuracy, end_accuracy, (share_B * start_right_B * end_right_B).sum())
