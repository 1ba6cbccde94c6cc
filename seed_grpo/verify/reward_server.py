"""A reward server: groups posted as JSON to an address, and the rewards that come back.

    POST {"problem": {...}, "completions": [...], "settings": {...}}    the fields of `rewards.RewardGroup`
    200  {"rewards": [0.5, null, ...]}                                  a number, or null for not valid, each

Consumes groups; produces their rewards, or a `RewardFaultError`: a server that fails says nothing of a completion, so
it earns no 0. Answers of 429 and 5xx, and connections that break, are tried again with growing pauses. Redirections are
not followed: they are a fault. Where a server asks for a token, it is read from the environment, and sent as
`Authorization: Bearer`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

import urllib3

from seed_grpo.config.sections import MOST_PAUSE_SECONDS, RewardConfig
from seed_grpo.errors import VerifierError
from seed_grpo.verify.rewards import RewardFaultError, RewardGroup, numbers_of

RETRIED = (429, 500, 502, 503, 504)
"""HTTP statuses that a later request may not meet"""
PAUSE_SECONDS = 0.5
"""the first pause before a request is made again; each further one is twice as long"""
MAX_REPLY_BYTES = 2**20
PIECE_BYTES = 2**16
"""read at a time"""
HEADERS = {"Content-Type": "application/json"}
SHOWN_CHARS = 200
"""characters of a reply in a message"""


class RewardServer:
    """Client of one reward server; usable from `concurrency` threads at a time."""

    def __init__(self, config: RewardConfig) -> None:
        """Connects to nothing yet.

        Raises:
            VerifierError: this machine has no token for it.
        """
        self._config = config
        self._headers = {**HEADERS, **_authorization(config)}
        retries = urllib3.Retry(
            total=config.retries,
            status_forcelist=RETRIED,
            allowed_methods=None,  # a reward may be asked for twice
            backoff_factor=PAUSE_SECONDS,
            backoff_max=MOST_PAUSE_SECONDS,
            respect_retry_after_header=False,  # it may ask for hours
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
        body = json.dumps({**group.as_json(), "settings": self._config.settings})  # in ASCII, whatever the texts are
        try:
            reply = self._pool.request(
                "POST", self._config.use, body=body, headers=self._headers, redirect=False, preload_content=False
            )
            try:
                text = self._read(reply)
            finally:
                reply.close()
                reply.release_conn()  # else the pool would wait for it
        except urllib3.exceptions.HTTPError as error:
            raise RewardFaultError(f"no answer from {self._config.use} ({_said(error)})") from error
        if reply.status != 200:
            raise RewardFaultError(f"{self._config.use} answered {reply.status}: {text[:SHOWN_CHARS]!r}")
        return _rewards(text, len(group.completions))

    def _read(self, reply: urllib3.BaseHTTPResponse) -> bytes:
        """The body, or a little more of it than it may have; it takes two timeouts at most."""
        deadline = time.monotonic() + self._config.timeout
        text = b""
        while len(text) <= MAX_REPLY_BYTES and (piece := reply.read1(PIECE_BYTES, decode_content=True)):
            text += piece
            if time.monotonic() > deadline:
                raise urllib3.exceptions.TimeoutError(f"its answer took over {self._config.timeout:g} s")
        return text

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


def _authorization(config: RewardConfig) -> dict[str, str]:
    """The header with the token of a server; none where it asks for none."""
    if config.token_variable is None:
        return {}
    token = os.environ.get(config.token_variable, "").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise VerifierError(
            f"the reward {config.label} needs a token in the environment variable {config.token_variable}, which is "
            "empty here or no line of ASCII; set it where the program and its verifier workers run"
        )
    return {"Authorization": f"Bearer {token}"}


def _said(error: Exception) -> str:
    """The words of an error, those of its cause where requests were made again."""
    return " ".join(str(getattr(error, "reason", None) or error).split())[:SHOWN_CHARS]
