from __future__ import annotations

import json
import math
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.model.compiled import portable
from src.model.heads import AlbertInference
from src.model.squad import FORBIDDEN_LOGIT, AlbertSquadModel, allowed_positions
from src.model.squad_beam import AlbertSquadBeamModel
from src.model.squad_losses import AlbertSquad
from tests.parity.cases import tiny_config

IDS = np.array([[2, 5, 6, 3, 7, 8, 9, 3], [2, 5, 3, 6, 7, 3, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0]], np.int32)
MASK = np.array([[1] * 8, [1] * 6 + [0] * 2, [1] + [0] * 7], np.int32)
SEGMENTS = np.array([[0] * 4 + [1] * 4, [0] * 3 + [1] * 3 + [0] * 2, [0] * 8], np.int32)
ALLOWED = np.array([[1, 0, 0, 0, 1, 1, 1, 0], [1, 0, 0, 1, 1, 0, 0, 0], [1] + [0] * 7], bool)
START, END = np.array([[4, 0, 0], [6, 0, 0]], np.int32)
IMPOSSIBLE = np.array([0, 1, 0], np.float32)
WEIGHT = np.array([1, 1, 0], np.float32)
HEADS = [AlbertSquadModel, AlbertSquadBeamModel]


def features(rows: slice = slice(None)) -> list[Tensor]:
    return [Tensor(item[rows]) for item in (IDS, MASK, SEGMENTS)]


def batch(weight: np.ndarray = WEIGHT, count: float = 2, rows: slice = slice(None)) -> list[Tensor]:
    labels = [Tensor(item[rows]) for item in (START, END, IMPOSSIBLE, weight)]
    return [*features(rows), *labels, Tensor([count], ms.float32)]


def with_random_weights(network: nn.Cell) -> nn.Cell:
    """Give weights that are the same in every run; fresh ones are so small that every score is about the same."""
    random = np.random.RandomState(3)
    for parameter in network.trainable_params():
        centre = 1.0 if parameter.name.endswith("gamma") else 0.0
        values = centre + 0.3 * random.standard_normal(parameter.shape)
        parameter.set_data(Tensor(values.astype(np.float32)))
    return network


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def test_allowed_are_the_first_position_and_the_window() -> None:
    found = allowed_positions(Tensor(MASK), Tensor(SEGMENTS))
    assert found.dtype == ms.bool_
    np.testing.assert_array_equal(found.asnumpy(), ALLOWED)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["squad_train_v2_128", "squad_dev_v2_384"])
def test_allowed_are_where_the_reference_has_no_p_mask(shared_data: Path, name: str) -> None:
    rows = json.loads((shared_data / f"golden/{name}.json").read_text(encoding="utf-8"))["features"]
    columns = ("input_mask", "segment_ids", "p_mask")
    mask, segments, p_mask = (np.array([row[name] for row in rows], np.int32) for name in columns)
    found = allowed_positions(Tensor(mask), Tensor(segments)).asnumpy()
    np.testing.assert_array_equal(found, p_mask == 0)


def test_logits_of_other_positions_are_low_and_finite() -> None:
    logits = AlbertInference(with_random_weights(AlbertSquadModel(tiny_config())))(*features())
    assert (logits.shape, logits.dtype) == ((3, 8, 2), ms.float32)
    assert (logits.asnumpy()[~ALLOWED] == FORBIDDEN_LOGIT).all()
    assert np.abs(logits.asnumpy()[ALLOWED]).max() < 100
    assert np.isfinite(logits.asnumpy().astype(np.float16)).all()


def test_parameters_have_the_names_of_the_model_zoo() -> None:
    names = {item.name: item.shape for item in AlbertSquad(AlbertSquadModel(tiny_config())).trainable_params()[25:]}
    assert names == {"albert.dense1.weight": (2, 8), "albert.dense1.bias": (2,)}


def test_parameters_of_the_beam_have_the_names_of_the_reference() -> None:
    names = {item.name: item.shape for item in AlbertSquad(AlbertSquadBeamModel(tiny_config())).trainable_params()[25:]}
    assert names == {
        "albert.start_logits.dense.weight": (1, 8),
        "albert.start_logits.dense.bias": (1,),
        "albert.end_logits.dense_0.weight": (8, 16),
        "albert.end_logits.dense_0.bias": (8,),
        "albert.end_logits.LayerNorm.gamma": (8,),
        "albert.end_logits.LayerNorm.beta": (8,),
        "albert.end_logits.dense_1.weight": (1, 8),
        "albert.end_logits.dense_1.bias": (1,),
        "albert.answer_class.dense_0.weight": (8, 16),
        "albert.answer_class.dense_0.bias": (8,),
        "albert.answer_class.dense_1.weight": (1, 8),
    }


@pytest.mark.parametrize("head", HEADS)
def test_names_do_not_depend_on_who_wraps_the_model(head: type) -> None:
    first, second = head(tiny_config()), head(tiny_config())
    AlbertInference(first)
    names = [item.name for item in AlbertSquad(first).trainable_params()]
    assert names == [item.name for item in AlbertSquad(second).trainable_params()]
    AlbertInference(second)
    assert names == [item.name for item in second.trainable_params()]


def test_loss_and_figures_are_those_of_the_rows_that_count() -> None:
    network = with_random_weights(AlbertSquad(AlbertSquadModel(tiny_config())))
    logits = network.albert(*features()).asnumpy()
    expected, right = [], []
    for row in range(2):
        places = np.flatnonzero(ALLOWED[row])
        for column, label in enumerate((START[row], END[row])):
            log_probability = log_softmax(logits[row, places, column])
            expected.append(-log_probability[list(places).index(label)])
            right.append(places[log_probability.argmax()] == label)
    loss, figures = network(*batch())
    assert network.figure_names == ("start_accuracy", "end_accuracy", "span_accuracy")
    assert float(loss) == pytest.approx(np.mean(expected), abs=5e-6)
    both = (right[0] and right[1]) + (right[2] and right[3])
    assert [float(item) for item in figures] == [(right[0] + right[2]) / 2, (right[1] + right[3]) / 2, both / 2]


def test_the_reference_spreads_probability_over_forbidden_positions() -> None:
    network = with_random_weights(AlbertSquad(AlbertSquadModel(tiny_config())))
    model = network.albert
    sequence, _ = model.albert(*(Tensor(item) for item in (IDS, SEGMENTS, MASK)))
    raw = model.dense1(sequence.reshape(-1, 8)).asnumpy().reshape(3, 8, 2)
    plain, lost = [], []
    for row in range(2):
        for column, label in enumerate((START[row], END[row])):
            log_probability = log_softmax(raw[row, :, column])
            plain.append(-log_probability[label])
            lost.append(-math.log(np.exp(log_probability)[ALLOWED[row]].sum()))
    loss = float(network(*batch())[0])
    assert np.mean(lost) > 0.1
    assert np.mean(plain) - loss == pytest.approx(np.mean(lost), abs=5e-6)


def test_loss_of_equal_scores_counts_allowed_positions_only() -> None:
    network = AlbertSquad(AlbertSquadModel(tiny_config()))
    network.albert.dense1.weight.set_data(Tensor(np.zeros((2, 8), np.float32)))
    loss, _ = network(*batch())
    assert float(loss) == pytest.approx((math.log(4) + math.log(3)) / 2, abs=5e-6)


@pytest.mark.parametrize("head", HEADS)
def test_a_batch_of_fillers_has_loss_0(head: type) -> None:
    network = with_random_weights(AlbertSquad(head(tiny_config())))
    inputs = batch(np.zeros(3, np.float32), 0)
    (loss, figures), gradients = ms.value_and_grad(network, None, network.trainable_params(), has_aux=True)(*inputs)
    assert len(figures) == len(network.figure_names)
    assert [float(item) for item in (loss, *figures)] == [0] * (1 + len(figures))
    assert not any(gradient.asnumpy().any() for gradient in gradients)


@pytest.mark.parametrize("head", HEADS)
def test_parts_of_a_batch_add_up_to_the_whole(head: type) -> None:
    network = with_random_weights(AlbertSquad(head(tiny_config())))
    sums = []
    for rows in (slice(None), slice(0, 1), slice(1, 3)):
        loss, figures = network(*batch(rows=rows))
        sums.append(np.array([float(item) for item in (loss, *figures)]))
    np.testing.assert_allclose(sums[1] + sums[2], sums[0], atol=5e-6)


def test_figures_of_the_beam() -> None:
    network = with_random_weights(AlbertSquad(AlbertSquadBeamModel(tiny_config())))
    start, end, impossible = (item.asnumpy() for item in network.albert.log_probabilities(*batch()[:4]))
    loss, figures = network(*batch())
    named = {name: float(value) for name, value in zip(network.figure_names, figures, strict=True)}
    span = -(start[[0, 1], START[:2]] + end[[0, 1], END[:2]]).mean() / 2
    probability = 1 / (1 + np.exp(-impossible[:2].astype(np.float64)))
    answer = -np.log(np.where(IMPOSSIBLE[:2] == 1, probability, 1 - probability)).mean()
    right = ((probability > 0.5) == (IMPOSSIBLE[:2] == 1)).mean()
    assert named["span_loss"] == pytest.approx(span, abs=5e-6)
    assert named["answerability_loss"] == pytest.approx(answer, abs=5e-6)
    assert named["answerability_accuracy"] == right
    assert named["start_accuracy"] == (start.argmax(-1) == START)[:2].mean()
    assert named["span_accuracy"] <= min(named["start_accuracy"], named["end_accuracy"])
    assert float(loss) == pytest.approx(span + 0.5 * answer, abs=5e-6)


def test_the_beam_lists_ends_start_by_start() -> None:
    model = with_random_weights(AlbertSquadBeamModel(tiny_config(), start_n_top=3, end_n_top=2))
    start_top, start_index, end_top, end_index, impossible = (item.asnumpy() for item in model(*features()))
    assert (start_index.dtype, end_index.dtype, impossible.shape) == (np.int32, np.int32, (3,))
    start, _, _ = model.log_probabilities(*batch()[:4])
    rows = np.arange(3)
    np.testing.assert_array_equal(start_index[:2], np.argsort(-start.asnumpy()[:2])[:, :3])
    for number in range(3):
        place = start_index[:, number]
        np.testing.assert_allclose(start_top[:, number], start.asnumpy()[rows, place], atol=1e-5)
        _, end, expected_impossible = model.log_probabilities(*features(), Tensor(place))
        order = np.argsort(-end.asnumpy(), kind="stable")[:, :2]
        group = slice(2 * number, 2 * number + 2)
        np.testing.assert_array_equal(end_index[:2, group], order[:2])
        np.testing.assert_allclose(end_top[:, group], np.take_along_axis(end.asnumpy(), order, 1), atol=1e-5)
        np.testing.assert_allclose(impossible, expected_impossible.asnumpy(), atol=1e-6)


def test_a_beam_wider_than_the_window_is_finite() -> None:
    start_top, start_index, end_top, _, impossible = AlbertSquadBeamModel(tiny_config())(*features())
    assert all(np.isfinite(item.asnumpy()).all() for item in (start_top, end_top, impossible))
    assert sorted(start_index.asnumpy()[1, :3]) == [0, 3, 4]
    assert (start_top.asnumpy()[1, :3] > -10).all()
    assert (start_top.asnumpy()[1, 3:] < -9000).all()
    assert start_top.asnumpy()[2, 0] == pytest.approx(0)


@pytest.mark.parametrize("head", HEADS)
def test_half_precision_is_close_to_single(head: type) -> None:
    results = []
    for compute_type in ("float32", "float16"):
        network = with_random_weights(AlbertSquad(head(tiny_config(compute_type=compute_type))))
        loss, _ = network(*batch())
        results.append(float(loss))
        assert loss.dtype == ms.float32
    assert results[0] != results[1]
    assert results[1] == pytest.approx(results[0], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("compute_type", ["float32", "float16"])
@pytest.mark.parametrize("head", HEADS)
def test_one_model_trains_with_dropout_and_answers_without(head: type, compute_type: str) -> None:
    ms.set_context(mode=ms.GRAPH_MODE)
    config = tiny_config(hidden_dropout_prob=0.2, classifier_dropout_prob=0.5, compute_type=compute_type)
    network = with_random_weights(AlbertSquad(head(config)))
    inference = AlbertInference(network.albert)
    step = ms.value_and_grad(network, None, network.trainable_params(), has_aux=True)

    def answers() -> np.ndarray:
        inference.set_train(False)
        outputs = inference(*features())
        return np.concatenate(
            [item.asnumpy().reshape(-1) for item in (outputs if isinstance(outputs, tuple) else [outputs])]
        )

    def losses() -> list[float]:
        network.set_train(True)
        return [float(step(*batch())[0][0]) for _ in range(3)]

    before = losses()
    first = answers()
    between = losses()
    np.testing.assert_array_equal(answers(), first)
    assert len({*before, *between}) == 6
    assert np.isfinite(before).all()


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_a_graph_for_any_shape_gives_the_same(head: type) -> None:
    with portable():
        model = with_random_weights(head(tiny_config()))
    expected = [model(*features()), model(*(item[:2, :7] for item in features()))]
    ms.set_context(mode=ms.GRAPH_MODE)
    inference = AlbertInference(model)
    inference.set_inputs(*[Tensor(shape=[None, None], dtype=ms.int32)] * 3)
    found = [inference(*features()), inference(*(item[:2, :7] for item in features()))]
    for ours, theirs in zip(found, expected, strict=True):
        pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
        for value, wanted in pairs:
            np.testing.assert_allclose(value.asnumpy(), wanted.asnumpy(), atol=1e-5)
