"""A reward of the user's own, in a process of its own: one that hangs, dies or raises costs the group it was called on.

Consumes groups; produces their rewards, or a `RewardFaultError` that says what became of the call. The process starts
with its owner and stays, so that the reward may keep what it has loaded; where a call takes too long or the process
dies, the next one is started, and imports the reward's module anew.

The other end is `seed_grpo.verify.isolation.own_reward_main`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence

from seed_grpo.config.sections import RewardConfig
from seed_grpo.errors import VerifierError
from seed_grpo.verify.isolation.process import AnsweringProcess
from seed_grpo.verify.rewards import RewardFaultError, RewardGroup


class OwnReward:
    """One reward's process, and its replacement should it die."""

    def __init__(self, config: RewardConfig) -> None:
        """Starts the process and does not wait for it."""
        self._config = config
        main = "seed_grpo.verify.isolation.own_reward_main"
        command = [sys.executable, "-m", main, config.use, json.dumps(config.settings), str(config.memory_mib)]
        self._process = AnsweringProcess(command, f"process of the reward {config.label}")

    @property
    def pid(self) -> int | None:
        """Process id; None after `close`."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Waits until the reward is imported.

        Raises:
            VerifierError: it cannot be, or its signature is that of no reward.
        """
        self._process.wait_ready(math.inf)

    def __call__(self, group: RewardGroup) -> Sequence[float | None]:
        """Rewards of one group [G].

        Raises:
            RewardFaultError: the call took too long, raised, ended the process, or returned no G finite numbers; or
                the process that was to replace another did not start.
        """
        limit = self._config.timeout
        try:
            self.wait_ready()
            reply = self._process.ask(group.as_json(), limit)
        except TimeoutError:
            raise RewardFaultError(f"took over {limit:g} s; raise its `timeout` if that is too short") from None
        except VerifierError as error:
            killed = " (killed, as the system does where memory is short)" if str(error).endswith("status -9") else ""
            raise RewardFaultError(f"{error}{killed}") from error
        if "error" in reply:
            memory = f" (its `memory_mib` is {self._config.memory_mib})" if "MemoryError" in reply["error"] else ""
            raise RewardFaultError(f"{reply['error']}{memory}", reply["traceback"])
        return reply["rewards"]

    def close(self) -> None:
        """Ends the process."""
        self._process.close()
