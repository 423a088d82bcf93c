"""Send results in the background whenever a checkpoint was saved, and all of them at the end."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from src.cloud.results import Results
from src.cloud.secrets import without_secrets
from src.cloud.snapshot import manifests

logger = logging.getLogger(__name__)

POLL_S = 1.0
PAUSE_AFTER_FAILURE_S = 30.0


class Sender:
    """Watches the manifests of checkpoints below a folder and sends the results after each change.

    A thread does it, so that the training goes on meanwhile. A failure does not end the training: it is logged, and
    the next look tries again.

    Args:
        results: What sends.
        folder: The local folder of the results.
    """

    def __init__(self, results: Results, folder: Path) -> None:
        self._results = results
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="send results", daemon=True)
        self._sent = manifests(folder)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def finish(self) -> None:
        """Wait for a transfer that is under way, then send what is left.

        Raises:
            AlbertError: It could not be sent.
        """
        self._ended.set()
        self._thread.join()
        if self._folder.is_dir():
            self._results.end()

    def _watch(self) -> None:
        pause = POLL_S
        while not self._ended.wait(pause):
            found, pause = manifests(self._folder), POLL_S
            if found == self._sent:
                continue
            try:
                self._results.send()
                self._sent = found
            # Whatever it is, the next checkpoint should be sent all the same.
            except Exception as error:
                logger.warning("results could not be sent, the training goes on: %s", without_secrets(str(error)))
                pause = PAUSE_AFTER_FAILURE_S
