"""A reward server: groups posted as JSON to an address, and the rewards that come back.

    POST {"problem": {...}, "completions": [...], "settings": {...}}    the fields of `rewards.RewardGroup`
    200  {"rewards": [0.5, null, ...]}                                  a number, or null for not valid, each

Consumes groups; produces their rewards, or a `RewardFaultError`: a server that fails says nothing of a completion, so
it earns no 0. Answers of 429 and 5xx, and connections that break, are tried again with growing pauses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import urllib3

from seed_grpo.config.sections import RewardConfig
from seed_grpo.verify.rewards import RewardFaultError, RewardGroup, numbers_of

RETRIED = (429, 500, 502, 503, 504)
"""HTTP statuses that a later request may not meet"""
PAUSE_SECONDS = 0.5
"""the first pause before a request is made again; each further one is twice as long"""
MAX_REPLY_BYTES = 2**20
SHOWN_CHARS = 200
"""characters of a reply in a message"""


class RewardServer:
    """Client of one reward server; usable from `concurrency` threads at a time."""

    def __init__(self, config: RewardConfig) -> None:
        self._config = config
        retries = urllib3.Retry(
            total=config.retries,
            status_forcelist=RETRIED,
            allowed_methods=None,  # a reward may be asked for twice
            backoff_factor=PAUSE_SECONDS,
            raise_on_status=False,
        )
        self._pool = urllib3.PoolManager(
            maxsize=config.concurrency, block=True, retries=retries, timeout=urllib3.Timeout(config.timeout)
        )

    def __call__(self, group: RewardGroup) -> Sequence[float | None]:
        """Rewards of one group [G].

        Raises:
            RewardFaultError: the server gave none.
        """
        body = {**group.as_json(), "settings": self._config.settings}
        try:
            reply = self._pool.request("POST", self._config.use, json=body, preload_content=False)
            with reply:
                text = reply.read(MAX_REPLY_BYTES + 1, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise RewardFaultError(f"no answer from {self._config.use} ({_said(error)})") from error
        if reply.status != 200:
            raise RewardFaultError(f"{self._config.use} answered {reply.status}: {text[:SHOWN_CHARS]!r}")
        return _rewards(text, len(group.completions))

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()


def _rewards(text: bytes, count: int) -> list[float | None]:
    if len(text) > MAX_REPLY_BYTES:
        raise RewardFaultError(f"answered over {MAX_REPLY_BYTES} bytes, of which {count} rewards need few")
    try:
        reply: Any = json.loads(text)
        return numbers_of(reply["rewards"], count)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RewardFaultError(
            f'answered {text[:SHOWN_CHARS]!r} ({type(error).__name__}: {error}), not {{"rewards": [{count} numbers]}}'
        ) from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:SHOWN_CHARS]
