"""Ray actors that behave as told, in a pool and a stage, for tests of how workers are watched."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray

from seed_grpo.config.sections import SupervisionConfig
from seed_grpo.errors import SeedGrpoError, VerifierError
from seed_grpo.messages import GroupTask, Problem, Sampling
from seed_grpo.runtime.cluster.connection import spawn
from seed_grpo.runtime.cluster.placement import Pool
from seed_grpo.runtime.supervision.events import Events
from seed_grpo.runtime.supervision.hang_report import HangReport
from seed_grpo.runtime.supervision.heartbeats import RestartBudget
from seed_grpo.runtime.supervision.prometheus import Monitor
from seed_grpo.runtime.supervision.supervise import Supervision
from seed_grpo.runtime.workers.dispatch import CallSpec, Dispatcher, Job
from seed_grpo.runtime.workers.pool import Kind, Worker, WorkerPool
from seed_grpo.runtime.workers.probes import GROUP

PATIENCE = 120.0
"""seconds for what a busy machine does at last"""


def start_ray() -> None:
    """A cluster of two cores, whose workers find the modules of the tests."""
    path = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[1])}}  # where the workers find this module
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1",
        runtime_env=path,
    )  # fmt: skip


class Obedient:
    """Does with each group what the text of its problem says: `name: order` is for that actor alone, and `order` for
    all."""

    def __init__(self, name: str) -> None:
        self.name = name

    def work(self, *tasks: GroupTask) -> tuple[Any, ...]:
        for task in tasks:
            for line in task.problem.text.splitlines():
                name, _, order = line.rpartition(": ")
                if name in ("", self.name):
                    self.obey(order)
        return [self.name] * len(tasks), *(task.group_id for task in tasks)

    def obey(self, order: str) -> None:
        if order == "die":
            os._exit(1)
        elif order == "hang":
            self.hang_here()
        elif order == "fail":
            raise ValueError("this group cannot be done")
        else:
            time.sleep(float(order))

    def hang_here(self) -> None:
        while True:
            time.sleep(1)


class FakeSink:
    """Fate of groups: who did them, and why they were given up."""

    def __init__(self) -> None:
        self.done: dict[int, str] = {}
        self.given_up: dict[int, str] = {}

    def running(self, group_id: int) -> None: ...

    def ready(self, group: Any) -> None: ...

    def lost(self, task: GroupTask, cause: str) -> None: ...


class Crew:
    """A pool of `Obedient` workers and a stage that gives them work."""

    def __init__(self, directory: Path, size: int, one_call: bool = False, seconds: float = 600.0, **limits: Any):
        """Starts a pool.

        Args:
            seconds: limit of a group.
            limits: of `SupervisionConfig`; heartbeats are many a second.
        """
        self.directory = directory
        self.said: list[str] = []
        config = SupervisionConfig(**{"heartbeat_every": 0.2, "heartbeat_timeout": 60.0} | limits)
        monitor = Monitor("test")
        events, hang_report = Events(directory, self.said.append, monitor), HangReport(directory)
        self.supervision = Supervision(config, RestartBudget(config), events, hang_report, monitor)
        self.needs_weights = False
        self.pool = WorkerPool(self._kind(), size, self.supervision)
        self.done: dict[int, str] = {}
        """actors by the groups that they did"""
        self.given_up: dict[int, SeedGrpoError] = {}
        work = CallSpec("judging", self._start, one_call=one_call, seconds=seconds, error=VerifierError)
        self.stage = Dispatcher(work, self.pool, self._give_up)
        hang_report.workers.append(self.pool.actors)
        hang_report.facts.append(lambda: {"being judged": self.stage.num_running})

    def _kind(self) -> Kind:
        def make(_name: str, actor_name: str) -> Any:
            return spawn(Obedient, Pool("verifier", 1, 0.0, 0.0, {}), f"{self.directory.name}-{actor_name}", actor_name)

        def pulse(actor: Any) -> ray.ObjectRef:
            return actor.pulse.options(concurrency_group=GROUP).remote()

        return Kind("verifier", make, pulse, pulse, needs_weights=False, start_timeout=PATIENCE, error=VerifierError)

    def submit(self, *orders: str) -> None:
        """Groups by their place, from 0, in the first submission."""
        sampling = Sampling(1, 1.0, 1.0, 1, 0)
        self.stage.waiting += [
            Job(GroupTask(i, Problem(f"p{i}", order, ("1",)), (1,), sampling), FakeSink())
            for i, order in enumerate(orders)
        ]

    def turn(self) -> None:
        """Does what one pump of the pipeline does."""
        self.pool.poll()
        self.stage.requeue_lost()
        calls = list(self.stage.running)
        done = ray.wait(calls, num_returns=1, timeout=0.05, fetch_local=False)[0] if calls else []
        for job, name, _ in self.stage.collect(done):
            assert job.task.group_id not in self.done
            self.done[job.task.group_id] = name
        self.stage.dispatch()

    def until(self, what: Callable[[], bool], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not what():
            assert time.monotonic() < deadline, f"in vain; said: {self.said}"
            self.turn()
            time.sleep(0.02)

    def all_serve(self) -> bool:
        return len(self.pool.serving) == self.pool.size

    def worker(self, index: int) -> Worker:
        return self.pool.workers[f"verifier-{index}"]

    def pid(self, index: int) -> int:
        pulse = self.worker(index).actor.pulse.options(concurrency_group=GROUP).remote()
        return ray.get(pulse, timeout=PATIENCE)[1]

    def events(self) -> list[dict[str, Any]]:
        path = self.directory / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def kinds(self) -> list[tuple[str, str]]:
        """Events, and whom they are of."""
        return [(event["event"], event["worker"]) for event in self.events()]

    def states(self) -> dict[str, str]:
        return json.loads((self.directory / "workers.json").read_text())

    def close(self) -> None:
        for worker in self.pool.workers.values():
            ray.kill(worker.actor)

    def _start(self, worker: Worker, jobs: list[Job]) -> list[ray.ObjectRef]:
        return worker.actor.work.options(num_returns=1 + len(jobs)).remote(*(job.task for job in jobs))

    def _give_up(self, job: Job, error: SeedGrpoError) -> None:
        self.given_up[job.task.group_id] = error


MakeCrew = Callable[..., Crew]
