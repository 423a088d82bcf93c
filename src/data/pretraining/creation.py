"""Make a data set, or one machine's part of it: look before the work, make what is missing, publish, report."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from src.common.errors import DataError, OutputError
from src.common.interrupts import interrupted_by_sigterm
from src.common.wording import counted
from src.data.file_set import output_folder
from src.data.pretraining.documents import Block, TextFormat, detect_format, read_blocks
from src.data.pretraining.encoding import is_ideograph
from src.data.pretraining.manifest import (
    SCHEMA_NAME,
    PretrainManifest,
    ShardInfo,
    describe_columns,
    find_manifests,
    read_pretrain_manifest,
    verify_shard_files,
)
from src.data.pretraining.options import PretrainDataOptions
from src.data.pretraining.progress import Progress
from src.data.pretraining.publication import publish_shards
from src.data.pretraining.settings import needed_predictions
from src.data.pretraining.shard import ShardPlan
from src.data.pretraining.sources import find_text_files, size_of
from src.data.pretraining.statistics import PretrainStatistics
from src.data.pretraining.unfinished import UnfinishedRun
from src.data.pretraining.workers import make_shards
from src.data.tokenization import Tokenizer

_CHINESE_VOCABULARY = 1000
_CorpusFile = tuple[Path, TextFormat]


def create(options: PretrainDataOptions, tokenizer: Tokenizer) -> None:
    """Make the records that the options describe, and print what they hold.

    Raises:
        AlbertError: An input or an output is wrong; nothing that was there before is changed.
    """
    arguments = options.arguments
    run = UnfinishedRun(options.output_dir, arguments.name, arguments.shard_index, arguments.num_shards)
    files = _with_formats(find_text_files(options.inputs), arguments.input_format)
    plan = _plan(options, run.folder)
    content = _content(options, tokenizer, files)
    if _is_complete(run, content, options, plan):
        return
    _warn(options, tokenizer)
    progress = Progress(sum(size_of(path) for path, _ in files))
    with interrupted_by_sigterm(), output_folder(options.output_dir), run.locked():
        resumed = run.begin(content, resume=arguments.resume, overwrite=arguments.overwrite)
        shards = _make(options, plan, run, files, progress, resumed)
        old = run.existing(options.output_files)
        if old and not (resumed or arguments.overwrite):
            raise OutputError("the output appeared during the work", str(options.output_dir / old[0]))
        manifest = publish_shards(run, plan, shards, content, options.output_files, old)
    _report(manifest, options, progress)


def _with_formats(files: Sequence[Path], text_format: str) -> list[_CorpusFile]:
    """Return the files with their forms, and tell what was found where that was left to us."""
    if text_format != "auto":
        return [(path, cast(TextFormat, text_format)) for path in files]
    found = [(path, detect_format(path)) for path in files]
    for kind in dict.fromkeys(kind for _, kind in found):
        members = [path for path, each in found if each == kind]
        more = f" and {len(members) - 1} more" if len(members) > 1 else ""
        print(f"read as {kind}: {members[0]}{more}", file=sys.stderr, flush=True)
    return found


def _plan(options: PretrainDataOptions, folder: Path) -> ShardPlan:
    arguments = options.arguments
    return ShardPlan(
        vocab_file=arguments.vocab_file,
        spm_model_file=arguments.spm_model_file,
        do_lower_case=arguments.do_lower_case,
        segmenter=arguments.segmenter,
        settings=options.settings,
        seed=arguments.random_seed,
        token_boundary=arguments.write_token_boundary,
        file_format=arguments.file_format,
        name=arguments.name,
        folder=folder,
    )


def _content(options: PretrainDataOptions, tokenizer: Tokenizer, files: Sequence[_CorpusFile]) -> dict[str, Any]:
    """Return everything that decides the content of the result; the number of workers is not among it."""
    arguments = options.arguments
    settings = {
        **dataclasses.asdict(options.settings),
        "random_seed": arguments.random_seed,
        "block_bytes": options.block_bytes,
        "segmenter": arguments.segmenter,
        "write_token_boundary": arguments.write_token_boundary,
        "output_files": list(options.output_files),
    }
    return {
        "file_format": arguments.file_format,
        "settings": settings,
        "tokenizer": tokenizer.fingerprint(),
        "shard_index": arguments.shard_index,
        "num_shards": arguments.num_shards,
        "sources": [{"file": path.name, "bytes": size_of(path), "format": kind} for path, kind in files],
    }


def _is_complete(run: UnfinishedRun, content: dict[str, Any], options: PretrainDataOptions, plan: ShardPlan) -> bool:
    """Tell whether --resume finds everything done; refuse to replace what is there unless that is asked for.

    Raises:
        OutputError: There is output that would be replaced, or with which the new one does not fit.
        DataError: The finished output is damaged.
    """
    arguments = options.arguments
    if arguments.overwrite or (arguments.resume and run.is_resumable()):
        return False
    if arguments.resume and (manifest := run.finished()) is not None:
        same = {key: manifest.model_dump()[key] == value for key, value in content.items()}
        if all(same.values()):
            verify_shard_files(run.output_dir, manifest.files)
            print(f"{run.output_dir}: complete already, {manifest.rows:,} records")
            return True
        differing = ", ".join(key for key, equal in same.items() if not equal)
        fix = "choose another --output_dir or --name, or --overwrite true"
        raise OutputError(f"finished output is there, with other {differing}", str(run.manifest_path), fix)
    if old := run.existing(options.output_files):
        fix = "choose another --output_dir or --name, or --overwrite true"
        raise OutputError("the output exists already", str(run.output_dir / old[0]), fix)
    _check_neighbours(run, plan)
    return False


def _check_neighbours(run: UnfinishedRun, plan: ShardPlan) -> None:
    """Refuse a folder whose records have other columns, or whose ``schema.json`` is not ours."""
    others = find_manifests(run.output_dir)
    for path in others:
        columns = {name: column.model_dump() for name, column in read_pretrain_manifest(path).columns.items()}
        if columns != describe_columns(plan.columns):
            what = "the records of this folder have other lengths or columns"
            raise OutputError(what, str(path), "choose another --output_dir, or the same lengths")
    schema = run.output_dir / SCHEMA_NAME
    if schema.exists() and not others:
        raise OutputError("the file exists already", str(schema), "choose another --output_dir, or --overwrite true")


def _warn(options: PretrainDataOptions, tokenizer: Tokenizer) -> None:
    """Tell what is allowed but hardly meant."""
    settings = options.settings
    needed = needed_predictions(settings.max_seq_length, settings.masked_lm_prob)
    length, slots = settings.max_seq_length, settings.max_predictions_per_seq
    if settings.budget_of(length) < round(length * settings.masked_lm_prob):
        print(
            f"warning: --max_predictions_per_seq {slots} masks at most {100 * slots / length:.1f} % of {length} "
            f"tokens; --masked_lm_prob {settings.masked_lm_prob:g} needs {needed}",
            file=sys.stderr,
        )
    if settings.do_whole_word_mask and tokenizer.kind == "wordpiece" and options.arguments.segmenter == "none":
        pieces = tokenizer.ids_to_tokens(range(tokenizer.vocab_size))
        if sum(map(is_ideograph, pieces)) > _CHINESE_VOCABULARY:
            text = "warning: without --segmenter every Chinese character counts as a word of its own"
            print(text, file=sys.stderr)


def _make(
    options: PretrainDataOptions,
    plan: ShardPlan,
    run: UnfinishedRun,
    files: Sequence[_CorpusFile],
    progress: Progress,
    resumed: bool,
) -> list[ShardInfo]:
    """Make the shards that are missing; return all of this machine's shards in order."""
    shards: list[ShardInfo] = []

    def missing() -> Iterator[Block]:
        for block in read_blocks(files, options.block_bytes):
            if block.number % options.arguments.num_shards != options.arguments.shard_index:
                continue
            info = run.finished_shard(plan.info_path(block.number), block.digest()) if resumed else None
            if info is None:
                yield block
                continue
            shards.append(info)
            progress.skip(block.position)

    try:
        for block, info in make_shards(plan, missing(), options.arguments.num_workers):
            shards.append(info)
            progress.update(block.position, info.statistics["instances"], info.statistics["tokens"])
    finally:
        progress.finish()
    if resumed and progress.skipped_shards:
        done = counted(progress.skipped_shards, "shard was", "shards were")
        print(f"{done} finished already", file=sys.stderr, flush=True)
    if not any(shard.files for shard in shards):
        machine = f" for machine {options.arguments.shard_index}" if options.arguments.num_shards > 1 else ""
        raise DataError(
            f"the text gives no records{machine}", str(files[0][0]), "give more text, or smaller --block_mb"
        )
    return sorted(shards, key=lambda shard: shard.number)


def _report(manifest: PretrainManifest, options: PretrainDataOptions, progress: Progress) -> None:
    """Print what was made."""
    statistics = PretrainStatistics.from_dict(manifest.statistics)
    size = sum(file.bytes for file in manifest.files)
    records = f"{manifest.rows:,} {'record' if manifest.rows == 1 else 'records'}"
    records += f" in {counted(len(manifest.record_files), 'file')}"
    speed = f"{progress.tokens / progress.elapsed_s:,.0f} tokens/s" if progress.tokens else "all shards were there"
    print(f"{options.output_dir}: {records}, {size / 1e6:.1f} MB, {progress.elapsed_s:.1f} s, {speed}")
    print("\n".join(statistics.lines(manifest.max_seq_length)))
