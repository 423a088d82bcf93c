from __future__ import annotations

import math

import pytest

from src.evaluate.pretrain_metrics import PretrainTotals

SOME = PretrainTotals(mlm_loss=12.0, mlm_right=3, predictions=8, sop_loss=2.0, sop_right=1, rows=4)
OTHERS = PretrainTotals(mlm_loss=2.0, mlm_right=2, predictions=2, sop_loss=0.5, sop_right=2, rows=2)


def test_figures_are_means() -> None:
    assert SOME.figures() == {
        "loss": 2.0,
        "mlm_loss": 1.5,
        "mlm_accuracy": 0.375,
        "perplexity": math.exp(1.5),
        "sop_loss": 0.5,
        "sop_accuracy": 0.25,
    }


def test_the_baseline_is_the_more_frequent_order() -> None:
    assert PretrainTotals(rows=4, swapped=3).sop_baseline == 0.75
    assert PretrainTotals(rows=4, swapped=1).sop_baseline == 0.75


def test_totals_add_up_over_batches_of_different_sizes() -> None:
    both = SOME + OTHERS
    assert (both.predictions, both.rows) == (10, 6)
    assert both.figures()["mlm_loss"] == 1.4
    assert both.figures()["sop_accuracy"] == 0.5
    assert both == OTHERS + SOME
    assert sum([SOME, OTHERS], PretrainTotals()) == both


@pytest.mark.parametrize("totals", [PretrainTotals(), PretrainTotals(rows=3), PretrainTotals(predictions=3)])
def test_nothing_scored(totals: PretrainTotals) -> None:
    with pytest.raises(ValueError, match="no records were scored"):
        totals.figures()


def test_a_perplexity_that_no_float_holds() -> None:
    assert math.isfinite(PretrainTotals(mlm_loss=1e6, predictions=1, rows=1).figures()["perplexity"])


def test_a_loss_that_is_no_number_stays_none() -> None:
    figures = PretrainTotals(mlm_loss=math.nan, predictions=1, rows=1).figures()
    assert math.isnan(figures["perplexity"])
    assert math.isnan(figures["loss"])
