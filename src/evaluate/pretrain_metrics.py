"""Figures of pre-training on held-out records: loss and accuracy of both heads, and the perplexity."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

# exp(700) is near the largest number that a float holds.
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class PretrainTotals:
    """Sums over records, which add up over batches and processes.

    Attributes:
        mlm_loss: Negative log-likelihood of the masked tokens, nats.
        mlm_right: Masked tokens that were found.
        predictions: Masked tokens.
        sop_loss: Negative log-likelihood of the sentences' order, nats.
        sop_right: Orders that were found.
        rows: Records.
        swapped: Records whose segments are not in order.
    """

    mlm_loss: float = 0.0
    mlm_right: float = 0.0
    predictions: float = 0.0
    sop_loss: float = 0.0
    sop_right: float = 0.0
    rows: float = 0.0
    swapped: float = 0.0

    def __add__(self, other: PretrainTotals) -> PretrainTotals:
        """Return the totals of both."""
        return PretrainTotals(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def sop_baseline(self) -> float:
        """Return the accuracy of who gives the more frequent order to every record."""
        return max(self.swapped, self.rows - self.swapped) / self.rows

    def figures(self) -> dict[str, float]:
        """Return means; ``loss`` is their sum as in training, perplexity is exp(mlm_loss), of masked tokens only.

        Raises:
            ValueError: There are no records or no predictions.
        """
        if not (self.rows and self.predictions):
            raise ValueError("no records were scored")
        mlm_loss = self.mlm_loss / self.predictions
        sop_loss = self.sop_loss / self.rows
        return {
            "loss": mlm_loss + sop_loss,
            "mlm_loss": mlm_loss,
            "mlm_accuracy": self.mlm_right / self.predictions,
            "perplexity": math.exp(min(mlm_loss, _LARGEST_EXPONENT)),
            "sop_loss": sop_loss,
            "sop_accuracy": self.sop_right / self.rows,
        }
