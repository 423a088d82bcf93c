from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.contest.cases import PRETRAIN, StepCase
from benchmarks.machine import ROOT
from benchmarks.roofline.__main__ import ask, case_of, main, parse, shape_of
from benchmarks.roofline.asked import Limits, Question
from benchmarks.roofline.document import DOCUMENT, updated
from benchmarks.roofline.estimate import ASCEND_910, estimate, estimate_table, step_of
from benchmarks.roofline.parts import Shape, parts_of
from benchmarks.roofline.report import limit_lines, measured_products, part_lines, roofline_of, step_lines
from src.common.errors import ConfigError, DeviceError
from src.model.flops import LAST_LAYER, train_flops
from tests.model.test_flops import TINY

BASE = step_of("base", 8, 128, version="v2", compute_type="float32")


def bytes_of(shape: Shape) -> dict[str, int]:
    return {part.name: part.bytes for part in parts_of(shape)}


def test_bytes_of_products_by_hand() -> None:
    found = bytes_of(Shape(TINY, 2, 3))
    # Three products, each of which touches [6, 4], [4, 4] and [6, 4]; k and v of three layers, q of two; 4 bytes each.
    assert found["query, key, value"] == 3 * (24 + 16 + 24) * 8 * 4
    assert found["attention scores"] == 3 * (3 * 2 + 2 * 3 + 3 * 3) * 4 * 2 * 4
    # At two of six tokens: query and output, feed-forward [2, 4] to [2, 6] and back, one query of each row and head.
    last = 2 * (8 + 16 + 8) + 2 * (8 + 24 + 12) + 4 * 2 * (2 + 6 + 3)
    assert found[LAST_LAYER] == 3 * last * 4
    half = TINY.model_copy(update={"compute_type": "float16"})
    assert bytes_of(Shape(half, 2, 3))["query, key, value"] == found["query, key, value"] // 2
    # Pooler and head stay float32.
    assert bytes_of(Shape(half, 2, 3))["pooler"] == found["pooler"]


def test_bytes_of_elementwise_work_by_hand() -> None:
    found = bytes_of(Shape(TINY, 2, 3))
    # Six tokens in two layers, and two in the last: 14 rows.
    assert found["softmax"] == 5 * (14 * 2 * 3) * 4
    assert found["activation"] == 5 * (14 * 6) * 4
    # Two LayerNorms in each layer.
    assert found["residual sums and LayerNorm"] == 18 * (14 * 4) * 4
    # Query, both outputs and feed-forward; keys and values of all tokens in three layers.
    assert found["gradients of biases"] == (14 * (3 * 4 + 6) + 18 * 2 * 4) * 4
    assert found["dropout"] == (4 * (2 * 14 * 4 + 12) + 4 * 14 * 2 * 3) * 4
    assert "loss over the vocabulary" not in found
    # Three positions are read of three: the last layer is as the others.
    pretraining = bytes_of(Shape(TINY, 2, 3, 2))
    assert pretraining["loss over the vocabulary"] == 4 * 4 * 5 * 4
    assert pretraining["softmax"] == 5 * (18 * 2 * 3) * 4
    assert LAST_LAYER not in pretraining


def test_without_dropout_it_moves_nothing() -> None:
    none = TINY.model_copy(update={"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    assert "dropout" not in bytes_of(Shape(none, 2, 3))


def test_the_parts_hold_all_flops_and_all_weights() -> None:
    for shape in (BASE, step_of("base", 8, 128, 20)):
        assert sum(part.flops for part in parts_of(shape)) == train_flops(shape.products)
    # README: the whole of ALBERT base has 11,683,584 weights; pre-training adds both heads.
    assert BASE.parameters == 11_683_584 + 2 * 769
    transform, layernorm, bias = 769 * 128, 2 * 128, 30_000
    assert step_of("base", 8, 128, 20).parameters == BASE.parameters + transform + layernorm + bias


def limits_of(shape: Shape, rate: float = 100e9) -> Limits:
    rates = [rate * (number + 1) for number in range(len(measured_products(shape)))]
    return Limits(rates, 10e9, 20e9)


def test_products_of_one_shape_are_measured_once_and_small_ones_not_at_all() -> None:
    shapes = [(product.m, product.n, product.k, product.batch) for product in measured_products(BASE)]
    assert shapes == [
        (1024, 768, 768, 1),
        (128, 128, 64, 96),
        (128, 64, 128, 96),
        (1024, 3072, 768, 1),
        (1024, 768, 3072, 1),
    ]


def test_the_step_at_the_limits() -> None:
    found = roofline_of(BASE, limits_of(BASE))
    seconds = {timed.part.name: timed.seconds for timed in found.parts}
    flops = {timed.part.name: timed.part.flops for timed in found.parts}
    moved = bytes_of(BASE)
    # Query, key and value have the shape of the attention's output, and its rate; what is small the fastest.
    assert seconds["query, key, value"] == pytest.approx(flops["query, key, value"] / 100e9)
    assert seconds["attention output"] == pytest.approx(flops["attention output"] / 100e9)
    assert seconds["feed-forward out"] == pytest.approx(flops["feed-forward out"] / 500e9)
    assert seconds["pooler"] == pytest.approx(flops["pooler"] / 500e9)
    assert seconds[LAST_LAYER] == pytest.approx(flops[LAST_LAYER] / 500e9)
    assert seconds["softmax"] == pytest.approx(moved["softmax"] / 20e9)
    assert found.seconds == pytest.approx(sum(seconds.values()))
    assert [timed.seconds for timed in found.parts] == sorted(seconds.values(), reverse=True)


def test_what_is_printed_of_a_step() -> None:
    found = roofline_of(BASE, limits_of(BASE))
    lines = step_lines(found, [found.seconds * 2, found.seconds * 4, found.seconds])
    assert "reached    50% of the limit" in lines
    assert lines[-1].endswith("--peak_tflops 0.500")
    reached = found.flops / (2 * found.seconds) / 500e9
    assert f"mfu        {reached:.1%} of the fastest product" in lines[-1]
    last = part_lines(found)[-1].split()
    assert (last[0], last[1], last[-1]) == ("all", "499.81", "100.0%")
    assert any("96 of 128 x 128 x 64" in line for line in limit_lines(BASE, limits_of(BASE), 10**6))


def test_the_estimate_by_hand() -> None:
    found = estimate(BASE, dataclasses.replace(ASCEND_910, memory_gb_s=1e9), 4)
    assert found.step_s == pytest.approx(found.flops / 256e12, rel=1e-4)
    assert found.reduce_bytes == 2 * 3 / 4 * 4 * BASE.parameters
    assert found.reduce_s == pytest.approx(found.reduce_bytes / 30e9)
    assert found.all_tokens_per_s == pytest.approx(4 * 1024 / (found.step_s + found.reduce_s))
    # A memory that is too slow binds everything.
    slow = estimate(BASE, dataclasses.replace(ASCEND_910, memory_gb_s=1.0))
    assert slow.step_s == pytest.approx(sum(part.bytes for part in parts_of(BASE)) / 1e9)
    assert slow.utilisation < 0.01


def test_the_document_holds_what_the_functions_give() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert updated(text) == text, "run python -m benchmarks.roofline.document"
    assert "ESTIMATE, not measured" in text
    assert estimate_table() in text


def test_a_document_without_its_marks_is_refused() -> None:
    with pytest.raises(ConfigError, match="marks of a table"):
        updated("nothing")


class Machine:
    """Stands in for the processes that measure."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, module: str, content: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((module, content))
        if module.endswith("limits"):
            return {"product_flops_s": [1e11] * len(content["products"]), "copy_bytes_s": 1e10, "add_bytes_s": 1e10}
        return {"seconds": [9.0] * content["repeats"]}


def test_the_command_asks_for_the_shapes_of_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine()
    argv = ["--size", "large", "--batch_size", "2", "--length", "64", "--layers", "3", "--repeats", "4", "--one_thread"]
    assert main([*argv, "--task", "pretrain", "--dropout", "0.1"], machine) == 0
    (limits, question), (step, order) = machine.asked
    assert limits.endswith("roofline.limits")
    assert step.endswith("roofline.step")
    assert [128, 4096, 1024, 1] in question["products"]
    # The vocabulary at 2 x 20 places.
    assert [40, 30000, 128, 1] in question["products"]
    assert (question["numbers"], question["one_thread"]) == (128 * 4096, True)
    case = StepCase(PRETRAIN, "large", 2, 64, 0.1, layers=3)
    assert order == {"case": dataclasses.asdict(case), "repeats": 4}
    printed = capsys.readouterr().out
    assert re.search(r"measured +9,000 ms a step \(median of 4", printed)
    assert "dropout" in printed
    assert printed.rstrip().endswith(estimate_table())


def test_the_estimate_alone_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine()
    assert main(["--estimate"], machine) == 0
    assert machine.asked == []
    assert capsys.readouterr().out.strip() == estimate_table()


def test_the_arithmetic_is_of_the_network_that_is_measured() -> None:
    shape = shape_of(case_of(parse(["--dropout", "0.1", "--length", "512"])))
    assert (shape.config.hidden_size, shape.config.seq_length, shape.predictions) == (768, 512, 0)
    assert (shape.config.hidden_dropout_prob, shape.config.attention_probs_dropout_prob) == (0.1, 0.1)


@pytest.mark.parametrize(
    "wrong",
    [["--size", "huge"], ["--batch_size", "0"], ["--length", "513"], ["--dropout", "1"], ["--dropout", "x"], ["--x"]],
)
def test_wrong_options_are_refused(wrong: list[str]) -> None:
    with pytest.raises(ConfigError, match=wrong[0]):
        parse(wrong)


def test_a_measurement_that_fails_is_named() -> None:
    # A command that takes no JSON, and says so before it imports anything large.
    with pytest.raises(DeviceError, match=r"^benchmarks\.recompute_memory: a measurement ended with status 2: error: "):
        ask("benchmarks.recompute_memory", {"nothing": 1})


def test_the_estimate_needs_no_mindspore() -> None:
    code = (
        "import sys, benchmarks.roofline.__main__ as m; m.main(['--estimate']); assert 'mindspore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.slow
def test_a_process_measures_products_and_memory() -> None:
    question = Question([[64, 96, 32, 1], [8, 8, 16, 6]], 1 << 16, 1, one_thread=True)
    limits = Limits(**ask("benchmarks.roofline.limits", dataclasses.asdict(question)))
    assert len(limits.product_flops_s) == 2
    for rate in (*limits.product_flops_s, limits.copy_bytes_s, limits.add_bytes_s):
        # No machine is slower than a million a second, and no CPU faster than 10^15.
        assert 1e6 < rate < 1e15


def test_a_step_warms_up_and_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.roofline import step

    done: list[StepCase] = []

    def prepare(case: StepCase) -> Any:
        return lambda: done.append(case)

    monkeypatch.setattr(step, "prepare", prepare)
    case = case_of(parse(["--layers", "2"]))
    assert step.main([json.dumps({"case": dataclasses.asdict(case), "repeats": 3})]) == 0
    assert done == [case] * 5
    seconds = json.loads(capsys.readouterr().out)["seconds"]
    assert len(seconds) == 3
    assert min(seconds) >= 0
