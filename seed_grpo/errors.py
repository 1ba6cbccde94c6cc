"""The errors of the program: one base class, one class per kind of failure.

Every message says what happened, the numbers, and what to change. All classes take one string, so that they
pickle across an actor boundary unchanged.
"""


class SeedGrpoError(Exception):
    """Base of all errors that the program raises on purpose; the command line prints them in one line."""


class ConfigError(SeedGrpoError):
    """The configuration is wrong: unknown key, impossible batch, missing file."""


class PlacementError(SeedGrpoError):
    """The workers that were asked for do not fit the machines that are there."""


class DataError(SeedGrpoError):
    """A data set is missing, or a record is malformed; names file, line and field."""


class ModelError(SeedGrpoError):
    """A model or tokenizer cannot be found or used."""


class RolloutError(SeedGrpoError):
    """A rollout worker or its engine failed."""


class VerifierError(SeedGrpoError):
    """A verifier worker failed (a failed judgement is a verdict, not this)."""


class TrainerError(SeedGrpoError):
    """A trainer worker failed, or a step gave a result that is not finite."""


class TrainerLostError(TrainerError):
    """A trainer rank died or hangs: the ranks have to be started anew, from the last checkpoint."""


class WeightSyncError(SeedGrpoError):
    """Weights did not arrive, or the canary shows that they are not the trainer's."""


class CheckpointError(SeedGrpoError):
    """A checkpoint cannot be written, read, or does not belong to this run."""


class DeadlineError(SeedGrpoError):
    """Something was waited for in vain; the message names it and its deadline."""
