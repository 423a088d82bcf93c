"""What the manifest of SQuAD records tells beside the columns and files: where they come from and what became of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.common.errors import DataError
from src.data.manifest import Manifest
from src.data.squad import SquadFile, version_of
from src.data.squad_features import SquadFeatures


class _Part(BaseModel):
    """Unknown keys and wrong types are refused, values cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SourceInfo(_Part):
    """Name (without folder) and checksum of the json file."""

    file: str
    sha256: str


class SquadInfo(_Part):
    """The entry ``settings`` of the manifest of SQuAD records.

    Attributes:
        version: ``1.1`` or ``2.0``, see ``version_of``.
        max_query_length: Most tokens of a question.
        doc_stride: Tokens from the begin of a window to that of the next.
        source: The json file.
        questions: Questions of the file.
        skipped_questions: Those that no record was made of.
        impossible_questions: Used questions that the file marks as without answer.
        cut_answers: Used questions with an answer that no window holds whole.
        windows: Records.
        impossible_windows: Records without an answer: those of impossible questions, and those of other questions that
            do not hold the answer.
    """

    version: str
    max_query_length: int = Field(ge=1)
    doc_stride: int = Field(ge=1)
    source: SourceInfo
    questions: int = Field(ge=1)
    skipped_questions: int = Field(ge=0)
    impossible_questions: int = Field(ge=0)
    cut_answers: int = Field(ge=0)
    windows: int = Field(ge=1)
    impossible_windows: int = Field(ge=0)


def describe_features(data: SquadFile, features: SquadFeatures) -> SquadInfo:
    """Return what the manifest tells of training features."""
    impossible = np.array([question.is_impossible for question in data.questions])
    used = np.zeros(len(impossible), bool)
    used[features.question] = True
    answered = np.zeros(len(impossible), bool)
    answered[features.question[~features.is_impossible]] = True
    return SquadInfo(
        version=version_of(data),
        max_query_length=features.settings.max_query_length,
        doc_stride=features.settings.doc_stride,
        source=SourceInfo(file=data.source.name, sha256=data.sha256),
        questions=len(data.questions),
        skipped_questions=len(features.skipped),
        impossible_questions=int((used & impossible).sum()),
        cut_answers=int((used & ~impossible & ~answered).sum()),
        windows=features.rows,
        impossible_windows=int(features.is_impossible.sum()),
    )


def info_of(manifest: Manifest, where: str) -> SquadInfo:
    """Return the entry ``settings`` of a manifest of SQuAD records; raise ``DataError`` when it is not valid."""
    try:
        return SquadInfo.model_validate(manifest.settings)
    except ValidationError as error:
        problem: Any = error.errors()[0]
        what = f"the manifest is not valid: settings.{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        raise DataError(what, where, "convert the data again, or restore the manifest") from error
