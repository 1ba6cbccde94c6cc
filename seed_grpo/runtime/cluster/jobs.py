"""Ray jobs on a running cluster: submitted, polled and stopped through its dashboard.

Consumes command lines; produces jobs. A job's files and models have to be where the cluster finds them under the same
paths.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from seed_grpo.errors import PlacementError


class RayJobs:
    """Client of one cluster."""

    def __init__(self, address: str) -> None:
        """Connects to the dashboard.

        Raises:
            PlacementError: none answers there.
        """
        from ray.job_submission import JobSubmissionClient  # takes seconds, which a local experiment need not wait

        try:
            self._client: Any = JobSubmissionClient(address)
        except (ConnectionError, RuntimeError) as error:
            raise PlacementError(
                f"no Ray dashboard answers at --address {address}: {error}; give that of the cluster's head, such as "
                "http://head:8265"
            ) from error

    def submit(self, command: Sequence[str], name: str) -> RayJob:
        """Submits a command line; the dashboard shows `name` as the job's run."""
        return RayJob(self._client, self._client.submit_job(entrypoint=shlex.join(command), metadata={"run": name}))


class RayJob:
    """One submitted job."""

    def __init__(self, client: Any, job_id: str) -> None:
        self._client = client
        self._id = job_id

    def poll(self) -> int | None:
        """Exit status, 0 or 1; None while the job is at work."""
        status = self._client.get_job_status(self._id)
        if not status.is_terminal():
            return None
        return 0 if status == "SUCCEEDED" else 1

    def said(self) -> str:
        """The job's output so far."""
        return self._client.get_job_logs(self._id)

    def stop(self) -> None:
        """Stops the job."""
        self._client.stop_job(self._id)
