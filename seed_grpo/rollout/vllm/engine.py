"""The vLLM engine, an implementation of `rollout.engine.RolloutEngine`.

Consumes `GroupTask`s and weight updates; produces `Group`s, and log-probabilities of given tokens. The engine runs in
processes of its own, which this module starts and ends. It judges nothing and imports no Ray.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import numpy as np
from vllm import SamplingParams
from vllm.inputs.engine import tokens_input
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM

from seed_grpo.config import Config
from seed_grpo.errors import RolloutError
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, Sampling
from seed_grpo.pretrained.fit import check_weights
from seed_grpo.rollout.engine import ReceivingEnd
from seed_grpo.rollout.texts import CompletionTexts
from seed_grpo.rollout.vllm.forked_process import forked_process
from seed_grpo.rollout.vllm.startup import engine_args, environment
from seed_grpo.rollout.vllm.worker_extension import EngineProcess

T = TypeVar("T")

FIRST = -1
"""priority of the proof of a sync, for which everything waits; all other requests have 0, and go in their order"""
DEATH_SECONDS = 0.2
"""seconds between two looks whether the engine's processes live"""
FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH, "abort": FinishReason.TIMEOUT}
"""vLLM's finish reasons; a request is aborted at its deadline, or when nobody waits for it any more"""


class VllmEngine:
    """One engine. `start` must be awaited first; all methods belong to the event loop that it ran on."""

    def __init__(self, config: Config, name: str, receiving: ReceivingEnd) -> None:
        """Keeps the configuration; starts nothing.

        Args:
            name: name of the rollout worker in groups and errors.
            receiving: this engine's end of the weight transport.
        """
        self._config = config
        self.request_timeout = config.rollout.request_timeout
        """seconds after which a request returns what it has"""
        self._name = name
        self._receiving = receiving
        self._requests = itertools.count()
        self._running: set[str] = set()
        self._engine: AsyncLLM
        self._texts: CompletionTexts
        self._death: asyncio.Task[None]
        """task that ends when the engine's processes do"""

    async def start(self) -> None:
        """Starts the engine's processes, which blocks the event loop, and loads the model as weight version 0.

        Raises:
            RolloutError: the model does not load or is not whole, or the engine is not up within
                `rollout.start_timeout`.
        """
        os.environ.update(environment(self._config, self._receiving))
        with self._named("starting the engine"):
            # vLLM goes on with whatever is in memory where weights are missing
            was_here = check_weights(self._config.model, trains=False)
            with forked_process() if self._config.cluster.device == "cpu" else nullcontext():
                self._engine = AsyncLLM.from_engine_args(engine_args(self._config, self._receiving))
            self._death = asyncio.create_task(self._await_death())
            starting = self._engine.update_weight_version("0")
            await asyncio.wait_for(self._unless_dead(starting), self._config.rollout.start_timeout)
            if was_here is None:
                check_weights(self._config.model, trains=False)
            self._texts = _completion_texts(self._engine, self._config.rollout.stop)

    async def generate(self, task: GroupTask) -> Group:
        """Samples a group; see the interface."""
        started = time.monotonic()
        requests = [asyncio.create_task(self._complete(task, i)) for i in range(task.sampling.num_completions)]
        try:
            completions = await asyncio.gather(*requests)
        finally:
            for request in requests:
                request.cancel()  # those that are left when one of them failed
        return Group(task, tuple(completions), self._name, time.monotonic() - started)

    async def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Scores tokens; see the interface. Waits while the engine is paused, up to `rollout.request_timeout`.

        The tokens and one more must fit `data.max_prompt_tokens` + `rollout.max_completion_tokens`.

        Raises:
            RolloutError: the engine is dead, or gave no answer in time.
        """
        # vLLM neither reads the prefix cache nor returns the last chunk alone where prompt log-probabilities are asked
        # for, so they are of the present weights, and whole.
        parameters = SamplingParams(
            max_tokens=1,
            temperature=0.0,
            prompt_logprobs=0,
            flat_logprobs=True,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        with self._named("scoring"):
            output = await self._unless_dead(self._run(token_ids_T.tolist(), parameters, "score", FIRST))
        flat: Any = output.prompt_logprobs
        if flat is None or output.outputs[0].finish_reason == "abort":
            raise RolloutError(
                f"rollout worker {self._name}: scoring {len(token_ids_T)} tokens took more than "
                f"{self.request_timeout:g} s (rollout.request_timeout); raise it"
            )
        return _sampled(flat)[1:]

    async def pause(self) -> None:
        """Holds all requests; see the interface."""
        await self._pause("pausing", clear_cache=False)

    async def resume(self) -> None:
        """Ends `pause`."""
        await self._control("resuming", self._engine.resume_generation())

    async def connect(self, init_info: dict[str, Any]) -> None:
        """Joins the transport, in every process of the engine."""
        await self._in_processes("joining the weight transport", "init_weight_transfer_engine", init_info=init_info)

    async def start_receiving(self) -> None:
        """Pauses generation and drops all cached keys and values.

        Prefixes must not outlive their weights. A running request is computed anew up to its present token, so that
        each further token is of one version only.
        """
        await self._pause("pausing for new weights", clear_cache=True)
        await self._in_processes("starting to receive weights", EngineProcess.begin_weight_update.__name__)

    async def receive(self, update_info: dict[str, Any]) -> None:
        """Receives weights, in every process of the engine."""
        await self._in_processes("receiving weights", "update_weights", update_info=update_info)

    async def finish_receiving(self, version: int) -> None:
        """Takes the received weights into use as `version` and resumes generation."""
        await self._in_processes("finishing to receive weights", "finish_weight_update")
        await self._control("taking a weight version", self._engine.update_weight_version(str(version)))
        await self.resume()

    async def heartbeat(self) -> None:
        """Returns as soon as the engine's own process has answered."""
        # Whatever it answers, the engine's loop is alive; how long it may take, the caller knows.
        with self._named("answering a heartbeat"):
            await self._unless_dead(self._engine.is_sleeping())

    async def abort_all(self) -> None:
        """Aborts all requests; see the interface."""
        await self._engine.abort(list(self._running))

    async def shutdown(self) -> None:
        """Ends the engine's processes."""
        # vLLM's workers do not end by themselves, whatever time they are given; then they are killed.
        self._engine.shutdown(timeout=1.0)

    async def _complete(self, task: GroupTask, index: int) -> Completion:
        output = await self._run(
            list(task.prompt_ids),
            sampling_params(task.sampling, index, self._config.rollout.stop, self._texts.stop_ids),
            f"group {task.group_id} completion {index}",
        )
        return _completion(output.outputs[0], self._texts)

    async def _run(
        self, prompt_ids: list[int], parameters: SamplingParams, what: str, priority: int = 0
    ) -> RequestOutput:
        """Runs one request to its end or its deadline; at the deadline vLLM returns what there is, as aborted."""
        request_id = f"{next(self._requests)} ({what})"
        deadline = asyncio.create_task(self._abort_at_deadline(request_id))
        self._running.add(request_id)
        with self._named(f"request {what} of {len(prompt_ids)} prompt tokens"):
            try:
                stream = self._engine.generate(tokens_input(prompt_ids), parameters, request_id, priority=priority)
                (output,) = [output async for output in stream]
                return output
            finally:
                deadline.cancel()
                self._running.remove(request_id)

    async def _abort_at_deadline(self, request_id: str) -> None:
        await asyncio.sleep(self.request_timeout)
        await self._engine.abort(request_id)

    async def _pause(self, doing: str, clear_cache: bool) -> None:
        """Pauses generation without the 20 ms that vLLM's `pause_generation` waits.

        vLLM waits for outputs that are on their way to the caller; nothing here counts on their order.
        """
        await self._control(doing, self._engine.engine_core.pause_scheduler_async("keep", clear_cache))

    async def _control(self, doing: str, call: Coroutine[Any, Any, T]) -> T:
        limit = self._config.weight_sync.timeout
        with self._named(doing, f"no answer in {limit} s (weight_sync.timeout)"):
            return await asyncio.wait_for(self._unless_dead(call), limit)

    async def _in_processes(self, doing: str, method: str, **arguments: Any) -> None:
        """Calls a method of vLLM's worker class in every process of the engine, and waits for all.

        Raises:
            RolloutError: it failed in one of them.
        """
        answering = self._engine.collective_rpc(EngineProcess.error_of.__name__, args=(method, arguments))
        errors: list[str] = await self._control(doing, answering)
        if any(errors):
            raise self._failure(doing, "; ".join(dict.fromkeys(filter(None, errors))))

    async def _unless_dead(self, call: Coroutine[Any, Any, T]) -> T:
        """The answer of a call, or an error as soon as the engine is dead; vLLM would leave the call unanswered."""
        answer = asyncio.create_task(call)
        try:
            await asyncio.wait((answer, self._death), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise self._engine.dead_error
            return await answer
        finally:
            answer.cancel()

    async def _await_death(self) -> None:
        while not self._engine.errored:
            await asyncio.sleep(DEATH_SECONDS)

    @contextmanager
    def _named(self, doing: str, on_timeout: str = "time is up") -> Iterator[None]:
        """Turns an error into a `RolloutError` that names the worker.

        vLLM raises a bare Exception for an error inside its processes, so no narrower class would do.
        """
        try:
            yield
        except RolloutError:
            raise
        except Exception as error:
            why = on_timeout if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            raise self._failure(doing, why) from error

    def _failure(self, doing: str, why: str) -> RolloutError:
        return RolloutError(f"rollout worker {self._name}: {doing} failed: {why}")


def _completion_texts(engine: AsyncLLM, stop: tuple[str, ...]) -> CompletionTexts:
    """The decoder of completions; its end tokens are the tokenizer's and those of the generation settings."""
    tokenizer: Any = engine.get_tokenizer()
    ends = engine.model_config.try_get_generation_config().get("eos_token_id")
    ends = [tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])]
    return CompletionTexts(tokenizer, stop, ends, engine.model_config.get_vocab_size())


def sampling_params(sampling: Sampling, index: int, stop: tuple[str, ...], stop_ids: list[int]) -> SamplingParams:
    """Settings with which vLLM samples completion `index` of a group, its seed among them."""
    (seed,) = np.random.SeedSequence((sampling.seed, index)).generate_state(1, np.uint64)
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=int(seed >> np.uint64(1)),  # vLLM's seeds are signed
        stop=list(stop),
        stop_token_ids=stop_ids,
        detokenize=bool(stop),  # token by token, which is half of what this process does
        # as `CompletionTexts` decodes, so that a stop is found where it is seen: in special tokens, and across them
        skip_special_tokens=False,
        spaces_between_special_tokens=False,
        include_stop_str_in_output=True,
        logprobs=0,  # of the sampled token alone
        flat_logprobs=True,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _completion(output: CompletionOutput, texts: CompletionTexts) -> Completion:
    versions_T = np.full(len(output.token_ids), -1, dtype=np.int32)
    for span in output.weight_versions or ():
        versions_T[span.start : span.end] = int(span.version)
    assert (versions_T >= 0).all(), "vLLM labels every token with a weight version"
    assert output.finish_reason is not None
    return Completion(
        text=texts.text(output.token_ids, output.finish_reason == "stop", output.stop_reason),
        token_ids_T=np.array(output.token_ids, dtype=np.int32),
        logprobs_T=_sampled(output.logprobs),
        versions_T=versions_T,
        finish_reason=FINISH_REASONS[output.finish_reason],
    )


def _sampled(flat: Any) -> np.ndarray:
    """Log-probability of the token itself at each position of vLLM's FlatLogprobs.

    A position may have none, as the first of a prompt, and then gets nan.
    """
    logprobs = np.array([*flat.logprobs, np.nan], dtype=np.float32)
    starts, ends = np.array(flat.start_indices, dtype=int), np.array(flat.end_indices, dtype=int)
    return np.where(starts < ends, logprobs[starts], np.float32(np.nan))
