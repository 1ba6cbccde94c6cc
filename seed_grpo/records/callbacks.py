"""A caller's own functions, called with what a run has recorded: each step, each evaluation.

Consumes metrics as they are put on record; calls `on_step` and `on_evaluation`, which are somebody else's code. What
such a function raises does not end the step that is at work: the run stops as at a Ctrl-C, with a checkpoint, and then
`train` raises it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Callback = Callable[[int, Mapping[str, float]], None]
"""function of a step's number and of metrics by name"""


class Callbacks:
    """Calls each function at most once a step, in the order of the steps.

    Where a lost trainer takes a run back to its last checkpoint, the steps since are made and recorded anew, and are
    not told a second time.
    """

    def __init__(self, on_step: Callback | None, on_evaluation: Callback | None, log: Callable[[str], None]) -> None:
        """Calls nothing yet."""
        self._functions = {"on_step": on_step, "on_evaluation": on_evaluation}
        self._told = dict.fromkeys(self._functions, -1)
        self._log = log
        self.stop: Callable[[], None] = lambda: None
        """function that ends the run with a checkpoint; set by the owner of the loop"""
        self.error: Exception | None = None
        """first exception of a function; none is called after it"""

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tells of an optimiser step that is on record."""
        self._call("on_step", step, metrics)

    def evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tells of an evaluation that is on record."""
        self._call("on_evaluation", step, metrics)

    def _call(self, name: str, step: int, metrics: Mapping[str, float]) -> None:
        function = self._functions[name]
        if function is None or self.error is not None or step <= self._told[name]:
            return
        self._told[name] = step
        try:
            function(step, {metric: float(value) for metric, value in metrics.items()})
        except Exception as error:  # whatever the caller's code raises
            self.error = error
            error.add_note(
                f"raised by {name} at step {step}; the run stopped with a checkpoint, and the same call goes on from it"
            )
            self._log(f"{name} failed at step {step} with {type(error).__name__}: {error}; stopping with a checkpoint")
            self.stop()

    def check(self) -> None:
        """Raises what a function raised, once the run has ended."""
        if self.error is not None:
            raise self.error
