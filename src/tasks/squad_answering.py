"""Answer questions about passages with a network: windows through the network, candidates, answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mindspore import nn

from src.config.sections import NetworkConfig
from src.config.squad import SquadConfig
from src.data.batching import MicroBatch
from src.evaluate.squad_answers import AnswerRule, QuestionAnswers, answer_questions
from src.evaluate.squad_candidates import WindowScores, beam_candidates, top_candidates
from src.evaluate.squad_files import write_answers, write_wrong_answers, wrong_answers
from src.evaluate.squad_report import squad_report
from src.model.squad import AlbertSquadModel
from src.model.squad_beam import AlbertSquadBeamModel
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks.assets import AnswerSettings
from src.tasks.base import Score
from src.tasks.inference import Condense, Outputs, run_with_progress
from src.tasks.squad_data import QuestionSet

BEAM = "beam"
# Of the wrong answers that are listed for people to look at.
WRONG_ANSWERS = 100


def configured_answers(config: SquadConfig) -> AnswerSettings:
    """Return how a configuration wants questions answered."""
    return AnswerSettings(
        head=config.squad_head,
        version_2_with_negative=config.version_2_with_negative,
        max_query_length=config.max_query_length,
        doc_stride=config.doc_stride,
        max_answer_length=config.max_answer_length,
        null_score_diff_threshold=config.null_score_diff_threshold,
        start_n_top=config.start_n_top,
        end_n_top=config.end_n_top,
        n_best_size=config.n_best_size,
    )


def squad_model(network: NetworkConfig, settings: AnswerSettings) -> AlbertSquadModel | AlbertSquadBeamModel:
    """Build the backbone with the head that the settings name."""
    if settings.head == BEAM:
        return AlbertSquadBeamModel(network, settings.start_n_top, settings.end_n_top)
    return AlbertSquadModel(network)


def answer_rule(settings: AnswerSettings) -> AnswerRule:
    """Return how candidates become answers."""
    if not settings.version_2_with_negative:
        return AnswerRule.V1
    return AnswerRule.V2_BEAM if settings.head == BEAM else AnswerRule.V2_NULL


def run_answers(
    inference: nn.Cell,
    questions: QuestionSet,
    plan: list[MicroBatch],
    batch_size: int,
    settings: AnswerSettings,
    title: str,
    group: ProcessGroup = ONE_PROCESS,
) -> list[QuestionAnswers]:
    """Return the answers to all questions; several processes share the windows, and each gets all answers.

    Args:
        inference: ``AlbertInference`` of the model that ``squad_model`` built.
        questions: The questions.
        plan: Batches of windows; windows that are in none have no candidates.
        batch_size: Rows of every batch.
        settings: How questions are answered; for the head "span", ``n_best_size`` is the number of starts and ends of
            each window, too.
        title: Name of what is going on.
        group: The processes; all of them must call.
    """
    condense = packed_candidates(questions, settings)
    outputs = run_with_progress(inference, questions.table, plan, batch_size, title, group, condense)
    return answers_of(questions, outputs, settings)


def packed_candidates(questions: QuestionSet, settings: AnswerSettings) -> Condense:
    """Return what makes of a batch's outputs, wherever they were computed, the packed candidates of each window."""
    return _beam_rows(questions) if settings.head == BEAM else _span_rows(questions, settings.n_best_size)


def answers_of(questions: QuestionSet, outputs: Outputs, settings: AnswerSettings) -> list[QuestionAnswers]:
    """Return the answers to all questions.

    Args:
        questions: The questions.
        outputs: Candidates of windows, packed by ``packed_candidates``; windows that are missing have none.
        settings: Those of the packing.
    """
    n_best_size = settings.n_best_size
    starts, lists, ends = n_best_size, 1, n_best_size
    if settings.head == BEAM:
        starts, lists, ends = settings.start_n_top, settings.start_n_top, settings.end_n_top
    packed = np.zeros((questions.features.rows, 2 * (starts + lists * ends) + 1), np.float32)
    # Windows that were not run say nothing about "no answer".
    packed[:, -1] = np.inf
    packed[outputs.rows] = np.stack(outputs.values)
    return answer_questions(
        questions.data,
        questions.features,
        WindowScores.unpack(packed, starts, lists, ends),
        rule=answer_rule(settings),
        n_best_size=n_best_size,
        max_answer_length=settings.max_answer_length,
    )


def score_answers(questions: QuestionSet, answers: list[QuestionAnswers], settings: AnswerSettings) -> Score:
    """Return exact match and F1 of the answers; F1 decides."""
    version_2, threshold = settings.version_2_with_negative, settings.null_score_diff_threshold
    result = squad_report(questions.data, answers, version_2=version_2, null_threshold=threshold)

    def write_files(directory: Path) -> list[Path]:
        wrong = wrong_answers(
            questions.data, answers, version_2=version_2, limit=WRONG_ANSWERS, null_threshold=threshold
        )
        files = write_answers(directory, answers, null_threshold=threshold, metrics=result.report)
        return [*files, write_wrong_answers(directory, wrong)]

    return Score("f1", result.figures["f1"], result.figures, result.report, result.lines, write_files)


def _span_rows(questions: QuestionSet, n_best_size: int) -> Condense:
    """Return what makes packed candidates of the logits [B, T, 2] of a batch."""

    def condense(outputs: Sequence[np.ndarray], rows: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        (logits_BT2,) = outputs
        windows = [logits_BT2[place, :length] for place, length in enumerate(lengths)]
        return list(
            top_candidates(windows, n_best_size, lambda place: questions.table.place_of(int(rows[place]))).packed()
        )

    return condense


def _beam_rows(questions: QuestionSet) -> Condense:
    """Return what makes packed candidates of what ``AlbertSquadBeamModel`` returns for a batch."""

    def condense(outputs: Sequence[np.ndarray], rows: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        start_score, start_index, end_score, end_index, null_score = (item[: len(lengths)] for item in outputs)
        scores = beam_candidates(
            start_score,
            start_index,
            end_score,
            end_index,
            null_score,
            lambda place: questions.table.place_of(int(rows[place])),
        )
        return list(scores.packed())

    return condense
