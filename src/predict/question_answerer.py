"""Answer raw questions about raw passages with a fine-tuned network, as the evaluation of its run answers them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.data.squad import SquadFile, SquadQuestion
from src.data.squad_features import SquadSettings, build_features
from src.data.squad_table import table_of_features
from src.evaluate.squad_answers import Candidate, QuestionAnswers
from src.predict.base import Predictor
from src.predict.model import LoadedModel
from src.predict.options import QUESTIONS
from src.predict.question_texts import GivenQuestion, question_record
from src.predict.records import named
from src.tasks.assets import AnswerSettings
from src.tasks.inference import evaluation_plan
from src.tasks.squad_answering import BEAM, run_answers
from src.tasks.squad_data import QuestionSet

# [CLS], two [SEP] and at least one token of the passage.
_PLACES_BESIDE_QUESTION = 4
# exp of more is infinite.
_LARGEST_EXPONENT = 700.0


class QuestionAnswerer(Predictor[GivenQuestion]):
    """A question answering network with its tokenizer.

    Args:
        model: The network.
        settings: How questions are answered: those of the description, perhaps with another limit or threshold.
            Probabilities are shared among ``n_best_size`` answers, as in the run's evaluation.
        top_n: Answers to each question.
    """

    command = QUESTIONS

    def __init__(self, model: LoadedModel, settings: AnswerSettings, top_n: int = 1) -> None:
        super().__init__(model)
        self._settings = settings
        self._top_n = top_n
        self._cut_questions = 0

    def parse(self, record: Mapping[str, object], where: str) -> GivenQuestion:
        """Return the question and the passage of a record, see ``question_record``."""
        question = question_record(record, where)
        self._check_length(question)
        return question

    def predict(self, items: Sequence[GivenQuestion], batch_size: int) -> Iterator[dict[str, Any]]:
        """Yield one record a question.

        It holds ``id`` where the question has one, ``question``, ``answer``, its characters ``start`` to ``end``
        (exclusive) of the passage, ``probability``, and ``answers``: the ``top_n`` best, the given one first. Without
        an answer the text is empty and the place ``None``. By v2.0 also ``null_odds``, which is compared with the
        threshold, and ``no_answer``.

        Probabilities are those among the run's ``n_best_size`` best answers, or among ``top_n`` where these are more.
        "No answer" is one of them with the head "span". With the head "beam" its probability is the logistic function
        of ``null_odds``, and the others are shared as if there were an answer.

        Args:
            items: The questions; passages that are equal are tokenized once.
            batch_size: Most windows of a batch.

        Raises:
            DataError: A question leaves no room for its passage.
        """
        if not items:
            return
        for item in items:
            self._cut_questions += self._check_length(item) > self._settings.max_query_length
        data, top_n = _file_of(items), self._top_n
        description, tokenizer = self.model.description, self.model.tokenizer
        settings = replace(self._settings, n_best_size=max(self._settings.n_best_size, top_n))
        cut = SquadSettings(description.length, settings.max_query_length, settings.doc_stride)
        features = build_features(data, tokenizer, cut, training=False)
        table = table_of_features(features, data)
        plan = evaluation_plan(table, self.model.rows or batch_size, description.buckets)
        size = self.model.batch_rows(batch_size, max(len(micro.indices) for micro in plan))
        asked = QuestionSet(data, features, table)
        answers = run_answers(self.model.network, asked, plan, size, settings, "answer")
        for item, found in zip(items, answers, strict=True):
            yield self._record(item, found, top_n)

    def notes(self) -> list[str]:
        """Return how many questions were cut."""
        cut, most = self._cut_questions, self._settings.max_query_length
        return [f"{cut} questions were cut to their first {most} tokens"] if cut else []

    def _check_length(self, question: GivenQuestion) -> int:
        """Return the tokens of a question; refuse one that fills the network."""
        most, length = self._settings.max_query_length, self.model.description.length
        tokens = len(self.model.tokenizer.encode(question.question))
        if min(tokens, most) + _PLACES_BESIDE_QUESTION > length:
            what = f"the question has {tokens} tokens, and the network sees {length} with those of the passage"
            fix = f"shorten it to {length - _PLACES_BESIDE_QUESTION} tokens or less"
            raise DataError(what, question.where, fix)
        return tokens

    def _record(self, question: GivenQuestion, found: QuestionAnswers, top_n: int) -> dict[str, Any]:
        """Return the record of one question."""
        given = self._given_answer(found)
        ranked = [given, *(candidate for candidate in found.best if candidate is not given)]
        answers = [_entry(candidate) for candidate in ranked[:top_n]]
        first = answers[0]
        record: dict[str, Any] = named(question.id, {"question": question.question, "answer": first["text"]})
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
