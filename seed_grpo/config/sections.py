"""Sections of the configuration: one typed tree. The file is one thing: a table.

`seed_grpo.config.loading` reads it from YAML. Each section belongs to one folder of the package. It imports no torch,
touches no device and opens no file; what needs the machine (cores, data, models) is checked by
`seed_grpo.commands.doctor`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, JsonValue, model_validator
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from seed_grpo.extensions import is_import_path

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Seconds = Annotated[float, Field(gt=0)]
MOST_PAUSE_SECONDS = 8.0
"""pause at most before a request to a reward server is made again"""


class OneOf:
    """Values of a setting: built-in names, and import paths `module:name` of the user's own functions."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self.check, handler(source))

    def check(self, value: str) -> str:
        """The value, if it is one of them. Raises pydantic's error."""
        if value in self.names or is_import_path(value):
            return value
        raise PydanticCustomError(
            "one_of", "is none of {names}, and no import path module:name", {"names": ", ".join(self.names)}
        )


REWARD_NAMES = OneOf("correct", "format", "length", "truncated", "agreement", "majority")


class Section(BaseModel):
    """Base of all sections: unknown keys fail, nothing edits a value after it was built."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RunConfig(Section):
    """The run as a whole."""

    directory: Path
    """run directory; a run that is started again with the same directory goes on from its last checkpoint"""
    seed: NonNegative = 0
    steps: Positive
    """each trains on groups of `rollout.prompts_per_step` prompts, and makes a new version of the weights"""
    max_staleness: NonNegative = 0
    """weight versions that a group may be behind the policy that it trains; 0: sampling and training take turns"""
    code: tuple[Path, ...] = ()
    """Python files and packages of the user's own, for import paths; workers get them, the run keeps a copy"""
    deterministic: bool = False
    """deterministic algorithms everywhere; with the CPU engines, runs are then equal to the bit"""
    checkpoint_every: Positive = 20
    """steps between checkpoints; the last step always makes one"""
    keep_checkpoints: Positive = 2
    wandb_project: str | None = None
    """also log to Weights & Biases, if it is installed"""


class LoraConfig(Section):
    """Low-rank adapters in place of full training (LoRA, arXiv 2106.09685): W + alpha / rank * B A."""

    rank: Positive = 16
    alpha: Positive = 32
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """ends of module names; `all-linear` takes every linear layer but the output matrix"""


class ModelConfig(Section):
    """The policy."""

    path: str
    """local folder of a Hugging Face model, or its hub id"""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    trust_remote_code: bool = False
    """run code that comes with the model"""
    lora: LoraConfig | None = None
    """train adapters on the frozen model; engines and exports get them merged, rounded to `dtype`"""


class ColumnsConfig(Section):
    """Columns of a record's fields."""

    problem: str = "problem"
    answer: str = "answer"
    """an answer, a list of which any one counts, or a solution that marks its answer; see `data.references`"""
    id: str | None = "id"
    """None, or a column that a record lacks: `<source>-<record number>` is the id"""
    alternatives: str | None = "alt_answers"
    """list of further right answers, where a record has it"""
    verbatim: bool = False
    """answers are the texts as they are, be they lists, sentences or solutions: for `verifier.relation=exact`"""


class DataConfig(Section):
    """The prompts."""

    source: str
    """a named set, a .jsonl, .json, .csv, .tsv or .parquet file (also .gz), a hub data set id, or a local folder laid
    out as one"""
    split: str = "train"
    """of a hub data set; `train` or `test` of the generated task"""
    directory: Path | None = None
    """where named sets are looked for before the hub; else the environment variable SEED_GRPO_DATA"""
    columns: ColumnsConfig | None = None
    """column names; None takes those of the named set, or the defaults"""
    template: Literal["qwen_math", "r1", "none", "chat"] = "qwen_math"
    """`r1` asks for the answer in a tag, `qwen_math` and `chat` in a box: `verifier.extraction` has to fit"""
    max_prompt_tokens: Positive = 1024
    """longer prompts are left out, and counted"""
    on_bad_record: Literal["fail", "skip"] = "fail"
    limit: Positive | None = None
    """only the first so many problems; malformed records do not count"""
    shuffle: bool = True
    """a new order each epoch, by `run.seed`"""


class AutoscaleConfig(Section):
    """A policy that adds rollout workers while the trainer waits for groups, and drains them while they are idle."""

    min_workers: Positive = 1
    max_workers: Positive
    every: Seconds = 60.0
    """seconds between two decisions, each of one worker at most"""

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> AutoscaleConfig:
        if self.min_workers > self.max_workers:
            raise ValueError(f"min_workers={self.min_workers} exceeds max_workers={self.max_workers}; lower the one")
        return self


class RolloutConfig(Section):
    """Sampling, and the pool of vLLM engines."""

    num_workers: Positive = 1
    tensor_parallel_size: Positive = 1
    cpus_per_worker: Annotated[float, Field(gt=0)] = 1.0
    threads: Positive = 1
    """compute threads of one engine on CPU"""
    prompts_per_step: Positive = 128
    completions_per_prompt: Annotated[int, Field(ge=2)] = 8
    """G"""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """the loss is that of temperature 1 and no top-p: with other values, what is sampled is not what is trained"""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_completion_tokens: Positive = 3000
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """strings that end a completion, besides the end-of-sequence token; they stay in its text"""
    request_timeout: Seconds = 600.0
    """seconds until a completion is aborted"""
    max_concurrent_sequences: Positive = 256
    """per engine"""
    memory_fraction: Annotated[float, Field(gt=0, le=1)] = 0.85
    """of a GPU's memory, for weights and cache"""
    cpu_cache_gib: Positive = 1
    """key-value cache of one engine on CPU"""
    enforce_eager: bool = False
    """no compilation, no CUDA graphs"""
    prefix_caching: bool = True
    start_timeout: Seconds = 600.0
    """seconds for an engine to come up"""
    autoscale: AutoscaleConfig | None = None


class RewardConfig(Section):
    """One reward; the reward of a completion is the weighted sum of all."""

    use: str
    """`correct`, `format`, `length`, `truncated`, `agreement`, `majority`; `module:name` of a function of the user's
    own; or the http(s) address of a reward server"""
    name: str | None = None
    """name in metrics and tables; None takes that of the function, or the last part of the address"""
    weight: Annotated[float, Field(ge=-1e9, le=1e9)] = 1.0
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """keyword arguments of the function; a server gets them with each group"""
    timeout: Seconds = 30.0
    """seconds that a function of the user's own, or one request to a server, may take for a group"""
    memory_mib: Positive = 8192
    """memory that the process of a function of the user's own may allocate"""
    retries: NonNegative = 2
    """further requests for a group that a server did not answer"""
    concurrency: Positive = 8
    """requests at a time that one verifier worker has at a server"""

    @property
    def label(self) -> str:
        """The name in metrics and tables."""
        return self.name or re.split(r"[:/]", self.use.rstrip("/"))[-1]

    @property
    def is_server(self) -> bool:
        """Tells the address of a server from the name of a function."""
        return self.use.startswith(("http://", "https://"))

    @property
    def seconds(self) -> float:
        """Seconds that it may take for a group, at most."""
        if self.is_server:
            return self.timeout + self.retries * (self.timeout + MOST_PAUSE_SECONDS)
        return 0.0 if self.use in REWARD_NAMES.names else self.timeout

    @model_validator(mode="after")
    def _is_known(self) -> RewardConfig:
        if not self.is_server:
            REWARD_NAMES.check(self.use)
        if not re.fullmatch(r"\w[\w.-]*", self.label):
            raise ValueError(f"the reward {self.use} needs a name of letters, digits, _, - and ., not {self.label!r}")
        if self.weight == 0:
            raise ValueError(f"the reward {self.label} has weight 0; leave it out, or give it another weight")
        return self


class VerifierConfig(Section):
    """Judging, partitioning and rewards."""

    num_workers: Positive = 1
    cpus_per_worker: Annotated[float, Field(gt=0)] = 1.0
    relation: Annotated[str, OneOf("math", "exact", "code", "text")] = "math"
    """when two answers mean the same. `code` runs what the model wrote, in a sandbox; `text` asks a language model"""
    extraction: Annotated[str, OneOf("boxed", "answer_tag", "phrase", "last_number", "auto", "code_block")] = "boxed"
    """where the final answer stands in a completion"""
    no_answer: Literal["one_class", "one_each", "none"] = "one_class"
    """completions without an answer form one meaning class, one each, or are left out of the partition"""
    decimal_digits: Positive = 12
    """a decimal of at least so many significant digits means every number that begins with them: at 4, 0.3333 is 1/3"""
    relative_tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """numbers that differ by at most this fraction are the same; 0.01 for Minerva's benchmark"""
    code_inputs: tuple[str, ...] = ()
    """of `code`: standard inputs; programs that print alike and exit alike on each mean the same"""
    text_model: str | None = None
    """of `text`: local folder of a Hugging Face model, or its hub id"""
    text_method: Literal["embedding", "entailment"] = "entailment"
    """cosine of mean embeddings, or entailment in both directions"""
    text_threshold: Annotated[float, Field(gt=0, le=1)] = 0.9
    """least cosine, or probability of entailment, of texts that mean the same"""
    rewards: Annotated[tuple[RewardConfig, ...], Field(min_length=1)] = (RewardConfig(use="correct"),)
    """the reward of a completion is their weighted sum"""
    judge_timeout: Seconds = 0.8
    """seconds that the comparisons of one verdict, or a program on one input, may take until it is `timed_out`"""
    memory_mib: Positive = 1024
    """address space of one comparison in the bounded process, and of a process of a program"""
    group_timeout: Seconds = 60.0
    """seconds for a whole group"""

    @property
    def group_seconds(self) -> float:
        """Seconds that judging and rewarding one group may take, at most."""
        return self.group_timeout + sum(reward.seconds for reward in self.rewards)

    @model_validator(mode="after")
    def _rewards_have_names_of_their_own(self) -> VerifierConfig:
        labels = [reward.label for reward in self.rewards]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"{labels.count(label)} rewards are named {label}; give all but one another `name`")
        return self

    @model_validator(mode="after")
    def _relation_has_what_it_needs(self) -> VerifierConfig:
        needs = {"code": ("code_inputs", self.code_inputs), "text": ("text_model", self.text_model)}
        for relation, (name, given) in needs.items():
            if (self.relation == relation) != bool(given):
                verb = "needs" if self.relation == relation else "does not use"
                raise ValueError(f"relation={self.relation} {verb} {name}; set one of the two to fit the other")
        return self


class SemanticEntropyConfig(Section):
    """Estimator of the semantic entropy. `paper` over `likelihood` by mean is the closest sound form of Eq. 5."""

    mass: Literal["likelihood", "counts"] = "likelihood"
    likelihood: Literal["mean", "sum"] = "mean"
    """of a completion's log-probabilities; `sum` collapses on long completions: one sample takes all the mass"""
    functional: Annotated[str, OneOf("paper", "shannon")] = "paper"
    granularity: Literal["answer", "step"] = "answer"
    """`step`: the mean over intermediate results and the final answer, each compared with those at its position"""


class ScaleConfig(Section):
    """The factor that semantic entropy puts on the advantage, with x = alpha * SE / SE_max."""

    kind: Annotated[str, OneOf("linear", "exponential", "focal", "reciprocal", "none")] = "linear"
    alpha: Annotated[float, Field(ge=0)] = 0.02
    gamma: Annotated[float, Field(ge=0)] = 1.0
    """exponent of `focal`"""
    control: Literal["none", "mean_matched", "shuffled"] = "none"
    """`mean_matched`: every prompt gets the batch mean; `shuffled`: scales permuted over the prompts"""

    @model_validator(mode="after")
    def _scale_stays_in_unit_interval(self) -> ScaleConfig:
        if self.kind in ("linear", "focal") and self.alpha > 1:
            raise ValueError(f"alpha={self.alpha} lets the {self.kind} scale leave [0, 1]; its bound is alpha <= 1")
        return self


class LossConfig(Section):
    """The clipped surrogate and its denominators. Dr.GRPO by default; DAPO is `per_token` with `clip_high` 0.28; GSPO
    is `ratio=sequence`, `per_completion`, with `clip_low` 3e-4 and `clip_high` 4e-4."""

    aggregation: Literal["constant", "per_completion", "per_token"] = "constant"
    """Dr.GRPO (divide by the completion tokens allowed), GRPO, DAPO"""
    ratio: Literal["token", "sequence"] = "token"
    """to the policy it is clipped against: of each token, or the geometric mean over a completion (GSPO)"""
    clip_low: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """with `clip_against=trainer` and one update a step the ratio is 1, and nothing is clipped"""
    clip_high: Annotated[float, Field(ge=0)] = 0.2
    clip_against: Literal["trainer", "rollout"] = "trainer"
    """`trainer`: the policy before the step, whose gap to the sampling one `importance_correction` closes (decoupled
    clipping, for stale groups); `rollout`: the policy that sampled, with no correction besides"""
    kl_coefficient: Annotated[float, Field(ge=0)] = 0.0
    """weight of the KL divergence to the frozen initial policy, of which every rank then holds a copy"""
    entropy_coefficient: Annotated[float, Field(ge=0)] = 0.0
    """weight of the token entropy that is added to the objective"""
    importance_correction: Literal["none", "truncated", "masked"] = "truncated"
    """for the gap between the engine's and the trainer's log-probabilities"""
    importance_level: Literal["token", "sequence"] = "token"
    """the gap of each token, or the product over its completion"""
    importance_cap: Annotated[float, Field(ge=1)] = 2.0

    @model_validator(mode="after")
    def _one_correction(self) -> LossConfig:
        if self.clip_against == "rollout" and self.importance_correction != "none":
            raise ValueError(
                f"clip_against=rollout and importance_correction={self.importance_correction} both correct for the "
                "engine's log-probabilities; set importance_correction=none, or clip_against=trainer"
            )
        return self


class AlgoConfig(Section):
    """The algorithm that makes a gradient of judged groups."""

    semantic_entropy: SemanticEntropyConfig = SemanticEntropyConfig()
    scale: ScaleConfig = ScaleConfig()
    advantage: Annotated[str, OneOf("centered", "standardized", "leave_one_out")] = "centered"
    """Dr.GRPO, GRPO, RLOO"""
    overlong_tokens: NonNegative = 0
    """the last so many of the completion tokens allowed lower the reward, in equal steps down to -1 (DAPO); 0: none"""
    dynamic_sampling_rounds: NonNegative = 0
    """rounds of further prompts that a step may sample in place of groups that are all right or all wrong (DAPO)"""
    loss: LossConfig = LossConfig()


class TrainerConfig(Section):
    """The DeepSpeed trainer."""

    num_workers: Positive = 1
    """ranks"""
    cpus_per_worker: Annotated[float, Field(gt=0)] = 1.0
    threads: Positive = 1
    """compute threads of one rank on CPU"""
    zero_stage: Literal[0, 1, 2, 3] = 2
    """in bfloat16, 0 runs as 1"""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    schedule: Literal["constant", "linear"] = "constant"
    """`linear` falls to 0 at the last step"""
    warmup_steps: NonNegative = 0
    adam_betas: tuple[Beta, Beta] = (0.9, 0.95)
    adam_eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    epochs: Positive = 1
    """passes over the groups of a step"""
    mini_batches: Positive = 1
    """optimiser updates of a pass, each on as many of the step's prompts"""
    tokens_per_micro_batch: Positive = 16384
    """tokens that one forward pass may hold, packed"""
    gradient_checkpointing: bool = False
    offload: Literal["none", "optimizer", "optimizer_and_parameters"] = "none"
    """what waits in the memory of the CPU; the second needs ZeRO-3"""
    sequence_parallel_size: Positive = 1
    """ranks that share the tokens of each micro-batch (Ulysses)"""
    start_timeout: Seconds = 600.0
    step_timeout: Seconds = 1800.0


class WeightSyncConfig(Section):
    """The transport of weights to the rollout workers, and its proof."""

    transport: Literal["auto", "nccl", "ipc", "gloo"] = "auto"
    """auto: gloo on CPU, nccl on GPU"""
    bucket_mib: Positive = 256
    """weights are gathered and sent in buckets of at most this size (one parameter at the least)"""
    timeout: Seconds = 300.0
    tolerance: Annotated[float, Field(gt=0)] | None = None
    """largest log-probability difference of the canary; None: 1e-3 in float32, 0.2 in bfloat16. A missed step of size
    3e-5 shows as 0.1; rounding, in float32, as 2e-5 at first and 1e-4 after hundreds of steps"""


class EvaluationConfig(Section):
    """Held-out accuracy before and after training."""

    data: DataConfig
    """where it does not say otherwise, `template`, `max_prompt_tokens` and `directory` are those of the run's `data`"""
    num_problems: Positive = 500
    """greedy accuracy is measured on so many"""
    entropy_problems: NonNegative = 100
    """mean semantic entropy over G samples is measured on the first so many of them"""
    every: Positive | None = None
    """steps between evaluations; None: only before and after"""


class ClusterConfig(Section):
    """The machines of the run."""

    device: Literal["cpu", "cuda"] = "cuda"
    address: str | None = None
    """of a running Ray cluster; None starts one on this machine, or joins the one a Ray job runs in"""
    node_groups: bool = False
    """each kind of worker goes only to machines with the Ray resource of its name: rollout, verifier, trainer"""
    autoscaled: bool = False
    """machines come when workers ask for them: what does not fit yet is waited for instead of refused"""
    dashboard: bool = True
    queue_capacity: Positive = 512
    """judged groups that may wait for the trainer"""
    object_store_mib: Positive | None = None
    """of a Ray cluster that is started here; None leaves it to Ray"""


class SupervisionConfig(Section):
    """Limits on workers' silence and on their replacement."""

    heartbeat_every: Seconds = 5.0
    """seconds between the heartbeats that each worker is asked for"""
    heartbeat_timeout: Seconds = 120.0
    """seconds of silence after which a worker counts as dead; after a third of it, it gets no new work"""
    max_restarts: NonNegative = 10
    """of workers, within `restart_window`; one more ends the run"""
    restart_window: Seconds = 3600.0
    """seconds"""


class WarmStartConfig(Section):
    """The small model that `seed-grpo warm-start` makes for the generated task."""

    steps: Positive = 600
    batch_size: Positive = 64
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    hidden_size: Positive = 128
    layers: Positive = 3
    heads: Positive = 4
    tie_word_embeddings: bool = True
    seed: NonNegative = 0
    threads: Positive = 2
    right_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """share of demonstrations that are right; the others have a bad habit"""


class Sections(Section):
    """The settings of a run, each section checked by itself; `Config` also checks them against one another."""

    run: RunConfig
    model: ModelConfig
    data: DataConfig
    rollout: RolloutConfig = RolloutConfig()
    verifier: VerifierConfig = VerifierConfig()
    algo: AlgoConfig = AlgoConfig()
    trainer: TrainerConfig = TrainerConfig()
    weight_sync: WeightSyncConfig = WeightSyncConfig()
    evaluation: EvaluationConfig | None = None
    cluster: ClusterConfig = ClusterConfig()
    supervision: SupervisionConfig = SupervisionConfig()
    warm_start: WarmStartConfig | None = None

    @property
    def transport(self) -> str:
        """The transport of weights, `auto` resolved."""
        if self.weight_sync.transport != "auto":
            return self.weight_sync.transport
        return "gloo" if self.cluster.device == "cpu" else "nccl"

    @property
    def canary_tolerance(self) -> float:
        """Largest difference in nats between the trainer's and an engine's log-probabilities of the probe."""
        if self.weight_sync.tolerance is not None:
            return self.weight_sync.tolerance
        return 1e-3 if self.model.dtype == "float32" else 0.2

    @property
    def completions_per_step(self) -> int:
        """Rows of one optimiser step."""
        return self.rollout.prompts_per_step * self.rollout.completions_per_prompt
