"""Put finished shards into their place together with manifest and ``schema.json``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.common.files import output_error, write_json_atomic
from src.data.file_set import publish
from src.data.manifest import describe_file
from src.data.pretraining.manifest import (
    SCHEMA_NAME,
    PretrainManifest,
    ShardFile,
    ShardInfo,
    describe_columns,
    find_manifests,
    read_pretrain_manifest,
)
from src.data.pretraining.records import schema_json
from src.data.pretraining.shard import ShardPlan
from src.data.pretraining.statistics import PretrainStatistics
from src.data.pretraining.unfinished import UnfinishedRun
from src.data.tfrecord import TFRecordWriter, read_tfrecord


def publish_shards(
    run: UnfinishedRun,
    plan: ShardPlan,
    shards: Sequence[ShardInfo],
    content: Mapping[str, Any],
    output_files: Sequence[str],
    old: Sequence[str],
) -> PretrainManifest:
    """Move the shards of a run into the output folder, and return the manifest that goes with them.

    Args:
        run: The run; its folder is empty afterwards.
        plan: How the shards were made.
        shards: All of them, in order.
        content: What decided the content: format, settings, tokenizer, sources, number of the part.
        output_files: Names to deal the records to; empty to keep the shards as they are.
        old: Names in the output folder that are replaced.

    Raises:
        OutputError: The output cannot be written; what was there before is still there.
    """
    try:
        files = [file for shard in shards for file in shard.files]
        if output_files:
            files = _dealt_out(run.folder, files, output_files)
        manifest = _manifest(plan, shards, content, files)
        write_json_atomic(run.folder / run.manifest_path.name, manifest.model_dump())
        publish(run.folder, run.output_dir, [*(file.name for file in files), run.manifest_path.name], old)
        if plan.file_format == "tfrecord":
            rows = sum(read_pretrain_manifest(path).rows for path in find_manifests(run.output_dir))
            write_json_atomic(run.output_dir / SCHEMA_NAME, schema_json(plan.columns, rows))
        run.remove_leftovers()
    except OSError as error:
        raise output_error(error, run.output_dir) from error
    return manifest


def _manifest(
    plan: ShardPlan, shards: Sequence[ShardInfo], content: Mapping[str, Any], files: Sequence[ShardFile]
) -> PretrainManifest:
    """Return the manifest of the finished files."""
    statistics = PretrainStatistics()
    for shard in shards:
        statistics.add(PretrainStatistics.from_dict(shard.statistics))
    return PretrainManifest.model_validate(
        {
            **content,
            "rows": statistics.instances,
            "columns": describe_columns(plan.columns),
            "max_seq_length": plan.settings.max_seq_length,
            "max_predictions_per_seq": plan.settings.max_predictions_per_seq,
            "files": [file.model_dump() for file in files],
            "statistics": statistics.as_dict(),
        }
    )


def _dealt_out(folder: Path, shards: Sequence[ShardFile], names: Sequence[str]) -> list[ShardFile]:
    """Deal the records of all shards to files in turn, as the reference does."""
    rows = sum(shard.rows for shard in shards)
    if rows < len(names):
        raise DataError(f"{rows} records do not fill {len(names)} files", "--output_file", "name fewer files")
    number = 0
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(TFRecordWriter(folder / name)) for name in names]
        for shard in shards:
            for record in read_tfrecord(folder / shard.name):
                writers[number % len(writers)].write(record)
                number += 1
    share, more = divmod(rows, len(names))
    return [
        ShardFile(**describe_file(folder / name).model_dump(), rows=share + (index < more))
        for index, name in enumerate(names)
    ]
