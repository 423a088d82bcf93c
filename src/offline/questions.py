"""Questions of a SQuAD file as the Ascend 310 commands read them: to make batches of, and again to score answers."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from src.common.errors import ConfigError, DataError
from src.config.squad import SquadConfig
from src.data.squad import SquadFile, read_squad, version_of
from src.data.squad_cache import check_cache, features_of
from src.data.squad_features import SquadSettings, overlap_notice
from src.data.squad_table import table_of_features
from src.data.tokenization import Tokenizer
from src.offline.target_model import TargetModel
from src.offline.task_type import TaskType
from src.tasks.assets import AnswerSettings
from src.tasks.squad_answering import BEAM, configured_answers
from src.tasks.squad_data import QuestionSet

logger = logging.getLogger(__name__)

_JSON_NAMES = (".json", ".json.gz")
_OF_THE_NETWORK = ("squad_head", "start_n_top", "end_n_top")
_OF_THE_ANSWERS = ("max_query_length", "doc_stride", "n_best_size", "max_answer_length", "null_score_diff_threshold")


def question_files(data_file: str, json_file: str) -> tuple[Path, Path | None]:
    """Return the json file and the place of its features.

    The old command kept features in ``--eval_data_file_path``; the json file may be given there, too.

    Raises:
        ConfigError: There is no json file.
        DataError: The place of the features holds something else.
    """
    if not json_file and data_file.endswith(_JSON_NAMES):
        return Path(data_file), None
    if not json_file:
        raise ConfigError(
            "SQuAD is scored with its json file", "--eval_json_path", "give dev-v1.1.json or dev-v2.0.json"
        )
    if not data_file or Path(data_file).resolve() == Path(json_file).resolve():
        return Path(json_file), None
    cache = Path(data_file)
    if cache.is_file():
        check_cache(cache)
    return Path(json_file), cache


def answer_settings(
    options: argparse.Namespace, task: TaskType, model: TargetModel | None, data: SquadFile
) -> AnswerSettings:
    """Return how questions are answered: as in the evaluation of the model's run, unless options say otherwise.

    Raises:
        ConfigError: An option contradicts the network.
    """
    trained = model.task.answers if model is not None else None
    settings = trained if trained is not None else configured_answers(SquadConfig())
    if task.version:
        settings = replace(settings, version_2_with_negative=task.version == "2.0")
    elif trained is None:
        settings = replace(settings, version_2_with_negative=version_of(data) == "2.0")
    head = {"head": options.squad_head, "start_n_top": options.start_n_top, "end_n_top": options.end_n_top}
    given = {name: value for name, value in head.items() if value is not None}
    given |= {name: getattr(options, name) for name in _OF_THE_ANSWERS if getattr(options, name) is not None}
    for option, name in zip(_OF_THE_NETWORK, head, strict=True):
        value = given.get(name, getattr(settings, name))
        if trained is not None and value != getattr(trained, name):
            what = f"the model has {name} {getattr(trained, name)}, not {value}"
            raise ConfigError(what, f"--{option}", "leave it out")
    settings = replace(settings, **given)
    if settings.head == BEAM and not settings.version_2_with_negative:
        raise ConfigError(
            "the head beam is for SQuAD v2.0", "--task_type", "use squadv2, or a model with the head span"
        )
    return settings


def check_version(data: SquadFile, settings: AnswerSettings) -> None:
    """Refuse questions without an answer where the rules of v1.1 hold.

    Raises:
        ConfigError: There are some.
    """
    impossible = sum(question.is_impossible for question in data.questions)
    if impossible and not settings.version_2_with_negative:
        what = f"{impossible} questions of {data.source} have no answer, as in SQuAD v2.0"
        raise ConfigError(what, "--task_type", "use squadv2")


def unanswered(data: SquadFile) -> int:
    """Return how many questions have nothing to compare an answer with."""
    return sum(not (question.answers or question.is_impossible) for question in data.questions)


def question_set(
    data: SquadFile, tokenizer: Tokenizer, settings: AnswerSettings, length: int, cache: Path | None = None
) -> QuestionSet:
    """Return the windows of questions.

    Args:
        data: The questions.
        tokenizer: The vocabulary.
        settings: How windows are cut.
        length: Tokens of a window.
        cache: File or folder that keeps the features.

    Raises:
        ConfigError: The settings leave no room for a passage.
    """
    cut = SquadSettings(length, settings.max_query_length, settings.doc_stride)
    features = features_of(data, tokenizer, cut, cache)
    notice = overlap_notice(features)
    if notice:
        logger.warning("%s: %s", data.source, notice)
    return QuestionSet(data, features, table_of_features(features, data))


def read_again(path: Path, sha256: str) -> SquadFile:
    """Return a json file that was read before.

    Raises:
        DataError: It is missing, or another one than before.
    """
    data = read_squad(path)
    if data.sha256 != sha256:
        what = "this is not the file that the batches were made of: its checksum differs"
        raise DataError(what, str(path), "give that file as --eval_json_path, or run preprocess.py again")
    return data
