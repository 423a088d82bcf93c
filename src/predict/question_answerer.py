"""Answer raw questions about raw passages with a fine-tuned network, as the evaluation of its run answers them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.data.squad import SquadFile, SquadQuestion
from src.data.squad_features import SquadSettings, build_features
from src.data.squad_table import table_of_features
from src.data.tokenization import Tokenizer
from src.evaluate.squad_answers import Candidate, QuestionAnswers
from src.model.heads import AlbertInference
from src.model.weights import load_weights
from src.predict.question_texts import GivenQuestion
from src.tasks.assets import AnswerSettings, TaskDescription
from src.tasks.inference import evaluation_plan
from src.tasks.squad_answering import BEAM, run_answers, squad_model
from src.tasks.squad_data import QuestionSet

# [CLS], two [SEP] and at least one token of the passage.
_PLACES_BESIDE_QUESTION = 4
# exp of more is infinite.
_LARGEST_EXPONENT = 700.0


class QuestionAnswerer:
    """A question answering network with its tokenizer.

    Args:
        description: What the run was trained on.
        tokenizer: The one that made its records.
        checkpoint: The weights.
        settings: How questions are answered: those of the description, perhaps with another limit or threshold.
            Probabilities are shared among ``n_best_size`` answers, as in the run's evaluation.

    Attributes:
        cut_questions: Questions that lost tokens because they have more than ``max_query_length``.

    Raises:
        CheckpointError: The checkpoint does not cover the network.
    """

    def __init__(
        self,
        description: TaskDescription,
        tokenizer: Tokenizer,
        checkpoint: Path,
        settings: AnswerSettings,
    ) -> None:
        self._description = description
        self._tokenizer = tokenizer
        self._settings = settings
        self._network = AlbertInference(squad_model(description.network_config(), settings))
        load_weights(self._network, checkpoint, what="all")
        self.cut_questions = 0

    def predict(self, questions: Sequence[GivenQuestion], batch_size: int, top_n: int) -> Iterator[dict[str, Any]]:
        """Yield one record a question.

        It holds ``id`` where the question has one, ``question``, ``answer``, its characters ``start`` to ``end``
        (exclusive) of the passage, ``probability``, and ``answers``: the ``top_n`` best, the given one first. Without
        an answer the text is empty and the place ``None``. By v2.0 also ``null_odds``, which is compared with the
        threshold, and ``no_answer``.

        Probabilities are those among the run's ``n_best_size`` best answers, or among ``top_n`` where these are more.
        "No answer" is one of them with the head "span". With the head "beam" its probability is the logistic function
        of ``null_odds``, and the others are shared as if there were an answer.

        Args:
            questions: The questions; passages that are equal are tokenized once.
            batch_size: Most windows of a batch.
            top_n: Answers to each question.

        Raises:
            DataError: A question leaves no room for its passage.
        """
        data = _file_of(questions)
        self._check_lengths(questions)
        description = self._description
        settings = replace(self._settings, n_best_size=max(self._settings.n_best_size, top_n))
        cut = SquadSettings(description.length, settings.max_query_length, settings.doc_stride)
        features = build_features(data, self._tokenizer, cut, training=False)
        table = table_of_features(features, data)
        plan = evaluation_plan(table, batch_size, description.buckets)
        # A power of two, for the network is compiled once for each shape.
        size = min(batch_size, 1 << (max(len(micro.indices) for micro in plan) - 1).bit_length())
        asked = QuestionSet(data, features, table)
        answers = run_answers(self._network, asked, plan, size, settings, "answer")
        for question, found in zip(questions, answers, strict=True):
            yield self._record(question, found, top_n)

    def _check_lengths(self, questions: Sequence[GivenQuestion]) -> None:
        """Count the questions that are cut, and refuse those that fill the network."""
        most, length = self._settings.max_query_length, self._description.length
        for question in questions:
            tokens = len(self._tokenizer.encode(question.question))
            self.cut_questions += tokens > most
            if min(tokens, most) + _PLACES_BESIDE_QUESTION > length:
                what = f"the question has {tokens} tokens, and the network sees {length} with those of the passage"
                fix = f"shorten it to {length - _PLACES_BESIDE_QUESTION} tokens or less"
                raise DataError(what, question.where, fix)

    def _record(self, question: GivenQuestion, found: QuestionAnswers, top_n: int) -> dict[str, Any]:
        """Return the record of one question."""
        given = self._given_answer(found)
        ranked = [given, *(candidate for candidate in found.best if candidate is not given)]
        answers = [_entry(candidate) for candidate in ranked[:top_n]]
        first = answers[0]
        record: dict[str, Any] = {} if question.id is None else {"id": question.id}
        record |= {"question": question.question, "answer": first["text"]}
        record |= {key: first[key] for key in ("start", "end", "probability")} | {"answers": answers}
        if found.null_odds is not None:
            record |= {"null_odds": found.null_odds, "no_answer": not first["text"]}
        return record

    def _given_answer(self, found: QuestionAnswers) -> Candidate:
        """Return the answer that counts: "no answer" where its odds are above the threshold."""
        odds = found.null_odds
        if odds is None or odds <= self._settings.null_score_diff_threshold:
            return found.answer
        if self._settings.head == BEAM:
            return Candidate("", 1 / (1 + math.exp(min(-odds, _LARGEST_EXPONENT))), odds, 0.0, 0, 0)
        return next(candidate for candidate in found.best if not candidate.text)


def _entry(candidate: Candidate) -> dict[str, Any]:
    """Return an answer and its place; one that is no part of the passage has neither."""
    inside = candidate.end > candidate.start
    return {
        "text": candidate.text if inside else "",
        "start": candidate.start if inside else None,
        "end": candidate.end if inside else None,
        "probability": candidate.probability,
    }


def _file_of(questions: Sequence[GivenQuestion]) -> SquadFile:
    """Return the questions as if they had been read from a file."""
    contexts: dict[str, int] = {}
    rows = tuple(
        SquadQuestion(
            id=str(number),
            question=row.question,
            context=contexts.setdefault(row.context, len(contexts)),
            answers=(),
            is_impossible=False,
        )
        for number, row in enumerate(questions)
    )
    return SquadFile(source=Path("questions"), sha256="", version="", contexts=tuple(contexts), questions=rows)
