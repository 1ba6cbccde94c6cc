"""Extension of vLLM's worker class, in each process of an engine; vLLM adds this class to its bases.

Consumes the name of a method of the worker; produces an error's text in place of the error. vLLM 0.32 reads no answer
after the first that is an error, and takes those that are left for answers to the next call (its pull request 57846).
An engine of several processes could not be used after a weight sync that failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)


class EngineProcess:
    """Mixed into vLLM's worker class."""

    _weight_update_active: bool
    start_weight_update: Callable[[], None]
    finish_weight_update: Callable[[], None]
    """method that vLLM's worker has"""

    def error_of(self, method: str, arguments: dict[str, Any]) -> str:
        """Calls a method; returns an empty text where it succeeds, else the error's."""
        try:
            getattr(self, method)(**arguments)
        except Exception as error:
            logger.exception("%s failed", method)
            return f"{type(error).__name__}: {error}"
        return ""

    def begin_weight_update(self) -> None:
        """Starts a weight update, after ending one that was broken off, whose weights are a mixture until now."""
        if self._weight_update_active:
            self.finish_weight_update()
        self.start_weight_update()
