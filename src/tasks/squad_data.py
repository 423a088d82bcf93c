"""Read what a run on SQuAD needs: training records, and the questions of an evaluation with their features."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import ConfigError, DataError
from src.config.sections import NetworkConfig
from src.config.squad import SquadConfig
from src.data.manifest import Manifest
from src.data.squad import SquadFile, read_squad
from src.data.squad_cache import check_cache, features_of
from src.data.squad_features import SquadFeatures, SquadSettings, overlap_notice
from src.data.squad_manifest import info_of
from src.data.squad_table import SquadTable, read_squad_table, table_of_features
from src.data.tokenization import Tokenizer
from src.tasks.assets import TaskDescription, load_task_tokenizer

logger = logging.getLogger(__name__)


def name_of(path: Path) -> str:
    """Return the name of a json file without its endings, for folders and reports."""
    return path.name.removesuffix(".gz").removesuffix(".json") or "evaluation"


@dataclass(frozen=True)
class QuestionSet:
    """The questions of one json file.

    Attributes:
        data: The file.
        features: Their windows.
        table: The windows as rows of batches.
    """

    data: SquadFile
    features: SquadFeatures
    table: SquadTable

    @property
    def name(self) -> str:
        """Name of the file without its endings, for folders and reports."""
        return name_of(self.data.source)

    def summary(self) -> str:
        """Return the numbers of questions and windows."""
        return f"{len(self.data.questions):,} in {self.features.rows:,} windows of {self.data.source}"


@dataclass(frozen=True)
class SquadData:
    """What a run needs; ``None`` for what it does not.

    Attributes:
        tokenizer: The configured one; ``None`` where a training without evaluation has none.
        tokenizer_sha256: Checksum of the vocabulary; empty when unknown.
    """

    train: SquadTable | None
    evaluation: QuestionSet | None
    test: QuestionSet | None
    tokenizer: Tokenizer | None
    tokenizer_sha256: str


def load_squad_data(
    config: SquadConfig, network: NetworkConfig, trained: TaskDescription | None = None, *, keep_features: bool = True
) -> SquadData:
    """Read the parts that the run needs.

    Args:
        config: The configuration.
        network: Shape of the network.
        trained: The run that is gone on with, or whose checkpoint is evaluated: its questions were lower-cased, or
            not, as others must be.
        keep_features: Whether this process takes features from the cache and keeps them there.

    Raises:
        ConfigError: There is nothing to do, or keys contradict the data.
        DataError: A file is damaged, does not fit the network, or the parts do not belong together.
    """
    if not (config.do_train or config.do_eval or config.do_predict):
        raise ConfigError("there is nothing to do", "do_train, do_eval, do_predict", "set one of them to true")
    if config.do_eval and config.do_predict:
        _check_two_files(Path(config.eval_json_path), Path(config.test_json_path), config.predict_feature_left_file)
    cache = Path(config.predict_feature_left_file) if config.predict_feature_left_file else None
    if cache is not None and cache.is_file():
        # Before the records are read, which may take long.
        check_cache(cache)
    train = _read_train(config, network) if config.do_train else None
    made_with = train.manifests[0].tokenizer if train and train.manifests else None
    tokenizer = load_task_tokenizer(config, made_with, trained.do_lower_case if trained else None)
    known = str(tokenizer.fingerprint()["sha256"]) if tokenizer else ""

    def read(path: str, *, scored: bool) -> QuestionSet:
        return read_questions(path, config, network, tokenizer, cache if keep_features else None, scored=scored)

    return SquadData(
        train,
        read(config.eval_json_path, scored=True) if config.do_eval else None,
        read(config.test_json_path, scored=False) if config.do_predict else None,
        tokenizer,
        made_with.sha256 if made_with else known,
    )


def _check_two_files(evaluation: Path, test: Path, cache: str) -> None:
    """Refuse two json files of which one would replace what the other leaves."""
    if evaluation.resolve() == test.resolve():
        return
    if cache and not Path(cache).is_dir():
        what = f"the features of {evaluation} and of {test} cannot be kept in one file ({cache})"
        raise ConfigError(what, "predict_feature_left_file", "name an existing folder, or leave it empty")
    if name_of(evaluation) == name_of(test):
        what = f"{evaluation} and {test} have one name, and so have the folders of their answers"
        raise ConfigError(what, "test_json_path", "give one of the files another name")


def _read_train(config: SquadConfig, network: NetworkConfig) -> SquadTable:
    """Read the training records and compare their making with the configuration."""
    path = config.train_data_file_path
    if path.endswith((".json", ".json.gz")):
        fix = f"convert it: python create_squad_data.py --train_file {path} ..."
        raise DataError("training takes record files, and this is a json file", path, fix)
    table = read_squad_table(path, vocab_size=network.vocab_size, max_length=network.seq_length)
    for manifest in table.manifests:
        _compare(manifest, path, config, network)
    return table


def _compare(manifest: Manifest, path: str, config: SquadConfig, network: NetworkConfig) -> None:
    """Warn where training records were made with other settings than the questions that are answered."""
    info = info_of(manifest, path)
    if (info.version == "2.0") != config.version_2_with_negative:
        logger.warning(
            "%s was made from SQuAD v%s, and version_2_with_negative is %s",
            path,
            info.version,
            str(config.version_2_with_negative).lower(),
        )
    for key, made, evaluated in (
        ("max_seq_length", manifest.max_seq_length, network.seq_length),
        ("max_query_length", info.max_query_length, config.max_query_length),
        ("doc_stride", info.doc_stride, config.doc_stride),
    ):
        if made != evaluated and (config.do_eval or config.do_predict):
            logger.warning("%s was made with %s %d, questions are answered with %d", path, key, made, evaluated)


def read_questions(
    path: str,
    config: SquadConfig,
    network: NetworkConfig,
    tokenizer: Tokenizer | None,
    cache: Path | None,
    *,
    scored: bool,
) -> QuestionSet:
    """Read questions and make their features, or take these from the cache.

    Args:
        path: The json file.
        config: How windows are cut.
        network: Gives their length.
        tokenizer: The vocabulary.
        cache: File or folder that keeps the features; ``None`` keeps none.
        scored: Whether the answers to the questions are needed.

    Raises:
        ConfigError: There is no tokenizer, questions without answer are not expected, or one fills the network.
        DataError: The file is wrong, or its vocabulary is larger than the network's.
    """
    if tokenizer is None:
        raise ConfigError("questions cannot be read without a vocabulary", "spm_model_file", "set spm_model_file")
    if tokenizer.vocab_size > network.vocab_size:
        raise DataError(
            f"the vocabulary has {tokenizer.vocab_size} entries, the network's vocab_size is {network.vocab_size}",
            config.spm_model_file or config.vocab_file_path,
            "give the vocabulary of the checkpoint",
        )
    data = read_squad(Path(path))
    if scored:
        _check_answers(data, config.version_2_with_negative)
    settings = SquadSettings(network.seq_length, config.max_query_length, config.doc_stride)
    features = _features(data, tokenizer, settings, cache)
    notice = overlap_notice(features)
    if notice:
        logger.warning("%s: %s", path, notice)
    return QuestionSet(data, features, table_of_features(features, data))


def _features(data: SquadFile, tokenizer: Tokenizer, settings: SquadSettings, cache: Path | None) -> SquadFeatures:
    """Make features or take them from the cache; errors name the key of the network, not the converter's option."""
    try:
        return features_of(data, tokenizer, settings, cache)
    except ConfigError as error:
        fix = error.fix.replace("max_seq_length", "albert_net_cfg.seq_length")
        raise ConfigError(error.what.replace("max_seq_length", "seq_length"), error.where, fix) from error


def _check_answers(data: SquadFile, version_2: bool) -> None:
    """Make sure that the questions can be scored by the rules of the version."""
    impossible = sum(question.is_impossible for question in data.questions)
    if impossible and not version_2:
        raise ConfigError(
            f"{impossible} questions of {data.source} have no answer, as in SQuAD v2.0",
            "version_2_with_negative",
            "set it to true",
        )
    bare = next((q.id for q in data.questions if not (q.answers or q.is_impossible)), None)
    if bare is not None:
        what, fix = f"question {bare} has no answer to compare with", "give the file as test_json_path"
        raise DataError(what, str(data.source), fix)
