"""Make shards in several processes that cannot be lost without notice."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import src.common.errors as errors
from src.common.errors import AlbertError, OutputError
from src.common.files import output_error
from src.data.pretraining.documents import Block
from src.data.pretraining.manifest import ShardInfo
from src.data.pretraining.shard import ShardMaker, ShardPlan

_STOP_S = 5.0


def make_shards(plan: ShardPlan, blocks: Iterable[Block], workers: int) -> Iterator[tuple[Block, ShardInfo]]:
    """Make the shards of some blocks and yield each as soon as it is finished, in any order.

    At most one block a worker is in memory, so memory does not depend on the length of the corpus. A shard's content
    depends on its block and the plan alone.

    Args:
        plan: What to make.
        blocks: The blocks; they are read on as workers get free. The blocks yielded have lost their text.
        workers: Processes; 1 works in this process.

    Raises:
        AlbertError: What a worker met, or that it was killed.
    """
    if workers == 1:
        maker = ShardMaker(plan)
        for block in blocks:
            yield block, maker.make(block)
        return
    team = _Team(plan, workers)
    try:
        yield from team.run(blocks)
    finally:
        team.stop()


class _Team:
    """Worker processes, each with a pipe of its own: so the death of one is seen, and no lock can be left shut.

    They are spawned, not forked: they start without the threads, locks and open files of this process, and MindSpore,
    which the MindRecord writer loads, does not survive a fork.
    """

    def __init__(self, plan: ShardPlan, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes: dict[Connection, SpawnProcess] = {}
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(plan, theirs), daemon=True)
            process.start()
            theirs.close()
            self._processes[ours] = process

    def run(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, ShardInfo]]:
        """Deal out the blocks and yield what comes back."""
        source = iter(blocks)
        busy: dict[Connection, Block] = {}
        for connection in self._processes:
            self._give_next(connection, source, busy)
        while busy:
            for ready in wait(list(busy)):
                connection = next(item for item in busy if item is ready)
                answer = self._answer(connection)
                block = busy.pop(connection)
                self._give_next(connection, source, busy)
                yield block, ShardInfo.model_validate(answer)

    def _give_next(self, connection: Connection, source: Iterator[Block], busy: dict[Connection, Block]) -> None:
        block = next(source, None)
        if block is None:
            return
        try:
            connection.send(block)
        except OSError:
            self._answer(connection)
        block.documents = []
        busy[connection] = block

    def _answer(self, connection: Connection) -> dict[str, Any]:
        """Return a worker's result, or raise what went wrong."""
        try:
            kind, content = connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost(connection) from error
        if kind == "shard":
            return dict(content)
        if kind == "failed":
            raise RuntimeError(f"a worker failed:\n{content}")
        raise getattr(errors, kind)(*content)

    def _lost(self, connection: Connection) -> OutputError:
        process = self._processes[connection]
        process.join(_STOP_S)
        status = process.exitcode
        how = f"by signal {-status}" if status is not None and status < 0 else f"with status {status}"
        fix = "use fewer --num_workers or smaller --block_mb if memory was short, then --resume true"
        return OutputError(f"a worker process ended {how}", "", fix)

    def stop(self) -> None:
        """End all workers: idle ones by closing their pipe, busy ones by a signal."""
        for connection in self._processes:
            connection.close()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.join(_STOP_S)
            if process.is_alive():
                process.kill()
                process.join()


def _work(plan: ShardPlan, connection: Connection) -> None:
    """Make shards until the pipe is closed: the main loop of a worker."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    try:
        with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
            connection.send(_result(plan, connection))
    finally:
        # The process ends by itself now: a signal would only break into what Python clears away, with a traceback.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _leave(number: int, frame: Any) -> None:
    """Unwind, so that temporary files are removed; a second signal must not break into that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _result(plan: ShardPlan, connection: Connection) -> tuple[str, Any]:
    """Send shard after shard; return the error that ended it."""
    try:
        maker = ShardMaker(plan)
        while True:
            block = connection.recv()
            connection.send(("shard", maker.make(block).model_dump()))
            del block
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except AlbertError as error:
        return type(error).__name__, (error.what, error.where, error.fix)
    except MemoryError:
        return "OutputError", ("there is not enough memory", "", "use fewer --num_workers or smaller --block_mb")
    except OSError as error:
        failed = output_error(error, plan.folder)
        return type(failed).__name__, (failed.what, failed.where, failed.fix)
    except Exception:
        return "failed", traceback.format_exc()
