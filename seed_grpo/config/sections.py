"""Sections of the configuration: one typed tree. The file is one thing: a table.

`seed_grpo.config.loading` reads it from YAML. Each section belongs to one folder of the package. It imports no torch,
touches no device and opens no file; what needs the machine (cores, data, models) is checked by
`seed_grpo.commands.doctor`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, JsonValue, field_validator, model_validator
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from seed_grpo.config.secrets import secret_names
from seed_grpo.extensions import is_import_path

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Seconds = Annotated[float, Field(gt=0)]
MOST_PAUSE_SECONDS = 8.0
"""pause at most before a request to a reward server is made again"""

TEMPLATE_NAMES = ("qwen_math", "r1", "none", "chat")
JINJA_SUFFIXES = (".jinja", ".jinja2", ".j2")
"""ends of the names of Jinja files, which `data.template` may be"""


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


RELATION_NAMES = ("math", "exact", "code", "text")
EXTRACTION_NAMES = ("boxed", "answer_tag", "phrase", "last_number", "auto", "code_block")
UNUSED_BY_TRACKER = {
    "tensorboard": ("project", "entity", "name", "tags"),
    "mlflow": ("entity",),
    "trackio": ("entity", "tags"),
}
"""settings that a tracker has no use for"""
REWARD_NAMES = OneOf("correct", "format", "length", "truncated", "agreement", "majority")


class Section(BaseModel):
    """Base of all sections: unknown keys fail, nothing edits a value after it was built."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TrackerConfig(Section):
    """One tracker. API keys come from the library's own login or environment variables, not from here."""

    use: Literal["tensorboard", "wandb", "mlflow", "trackio", "swanlab"]
    """the package: TensorBoard, Weights & Biases, MLflow, trackio or SwanLab; only the first is installed"""
    project: str = "seed_grpo"
    """project; of MLflow the experiment"""
    entity: str | None = None
    """team of W&B, workspace of SwanLab"""
    name: str | None = None
    """name of the run; None takes that of the run directory"""
    tags: tuple[str, ...] = ()
    """labels of the run"""
    completions: NonNegative = 0
    """completions of each step, drawn at random, that are sent as a table"""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """further keyword arguments of the library's own start: `wandb.init`, `mlflow.MlflowClient`, `trackio.init`,
    `swanlab.init`; with {mode: offline}, W&B and SwanLab keep to the run directory"""

    @model_validator(mode="after")
    def _is_of_use(self) -> TrackerConfig:
        for name in UNUSED_BY_TRACKER.get(self.use, ()):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{self.use} has no {name}; leave it out")
        if names := secret_names(self.settings):
            raise ValueError(
                f"settings of {self.use}: {', '.join(names)} may be a secret, which would be written into the run "
                "directory; log in with the library's own command, or set its environment variable"
            )
        return self


class RunConfig(Section):
    """The run as a whole."""

    directory: Path
    """run directory; a run that is started again with the same directory goes on from its last checkpoint"""
    seed: NonNegative = 0
    steps: Positive
    """optimiser steps; each trains on the groups of `rollout.prompts_per_step` prompts and makes a new weight
    version"""
    max_staleness: NonNegative = 0
    """weight versions that a group may be behind the policy that it trains; 0: sampling and training take turns"""
    code: tuple[Path, ...] = ()
    """Python files and packages of the user's own, for import paths; workers get them, the run keeps a copy"""
    deterministic: bool = False
    """deterministic algorithms everywhere; with the CPU engines, runs are then equal to the bit"""
    checkpoint_every: Positive = 20
    """steps between checkpoints; the last step always makes one"""
    keep_checkpoints: Positive = 2
    trackers: tuple[TrackerConfig, ...] = (TrackerConfig(use="tensorboard"),)
    """trackers that get the run's numbers besides its files; one that is missing or fails does not end the run"""

    @field_validator("trackers")
    @classmethod
    def _each_tracker_comes_once(cls, trackers: tuple[TrackerConfig, ...]) -> tuple[TrackerConfig, ...]:
        uses = [each.use for each in trackers]
        for use in uses:
            if uses.count(use) > 1:
                raise ValueError(f"{use} is there {uses.count(use)} times; give each tracker once")
        return trackers


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
    """permission to run code that comes with the model"""
    lora: LoraConfig | None = None
    """adapters that are trained while the model is frozen; engines and exports get them merged, rounded to `dtype`"""


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
    token_variable: str | None = None
    """environment variable of the verifiers' machines, and of this one, that holds a server's bearer token; records
    have its name alone"""
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
        if self.is_server:  # the beginning of an answer, after as many requests as may be, and then the rest of it
            return (1 + self.retries) * self.timeout + self.retries * MOST_PAUSE_SECONDS + 2 * self.timeout
        return 0.0 if self.use in REWARD_NAMES.names else self.timeout

    @model_validator(mode="after")
    def _is_known(self) -> RewardConfig:
        if not self.is_server:
            REWARD_NAMES.check(self.use)
        if self.is_server and "@" in self.use.split("/")[2]:
            raise ValueError(
                "the address of a reward server has a user in it, which records would show; give a token "
                "by token_variable"
            )
        if self.token_variable is not None and not self.is_server:
            raise ValueError(f"the reward {self.use} is no server, and has no use for token_variable; leave it out")
        if not re.fullmatch(r"\w[\w.-]*", self.label):
            raise ValueError(f"the reward {self.use} needs a name of letters, digits, _, - and ., not {self.label!r}")
        if self.weight == 0:
            raise ValueError(f"the reward {self.label} has weight 0; leave it out, or give it another weight")
        return self


class ColumnsConfig(Section):
    """Columns of a record's fields: names, or paths such as `reward_model.ground_truth` and `messages.0.content`."""

    problem: str = "problem"
    """column with a text, or a conversation of chat messages that ends in the problem"""
    answer: str | None = "answer"
    """column with an answer, a list of which any one counts, or a solution that marks its answer; see
    `data.references`. None: the set has no answers, and is trained on by rewards that need none, such as `agreement`"""
    id: str | None = "id"
    """column with the id; None, or one that a record lacks: the id is `<source>-<record number>`"""
    alternatives: str | None = "alt_answers"
    """column with a list of further right answers; a record need not have it"""
    verbatim: bool = False
    """true if answers are the texts as they are, be they lists, sentences or solutions: for
    `verifier.relation=exact`"""


class ExamplesConfig(Section):
    """Solved problems that stand before every problem in its prompt."""

    source: str
    """file of records, as `data.source`"""
    columns: ColumnsConfig | None = None
    """column names; None recognises them as those of `data.source`. The answer column's text is shown as it is written,
    be it an answer or a worked solution"""
    limit: Positive | None = None
    """problems taken from the beginning of the file; None: all"""

    @model_validator(mode="after")
    def _they_have_answers(self) -> ExamplesConfig:
        if self.columns is not None and self.columns.answer is None:
            raise ValueError("columns.answer=null: examples are problems with their answers; name the answers' column")
        return self


class DataConfig(Section):
    """The prompts."""

    source: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """a named set; a .jsonl, .json, .csv, .tsv, .parquet or .arrow file (also .gz), a folder of `save_to_disk`, a hub
    data set id, or a local folder laid out as one; or several of these, as a list or a pattern: `data/*.parquet`"""
    format: Literal["auto", "plain", "verl", "skyrl", "open_instruct", "trl", "openrlhf", "oat", "nemo_rl"] = "auto"
    """library whose columns the records have; `auto` recognises it"""
    split: str = "train"
    """split of a hub data set or a folder of `save_to_disk`; `train` or `test` of the generated task"""
    directory: Path | None = None
    """folder in which named sets are looked up before the hub; None: the environment variable SEED_GRPO_DATA"""
    columns: ColumnsConfig | None = None
    """column names; None takes those of the named set, or of the format"""
    template: str = "qwen_math"
    """text around a problem: `r1` asks for the answer in a tag, `qwen_math` and `chat` in a box; `verifier.extraction`
    has to fit. `none` is the problem alone, `chat` the tokenizer's chat template. Or the path of a Jinja file (.jinja,
    .jinja2, .j2), or `module:name` of a function of the user's own"""
    system_prompt: str | None = None
    """system turn of `chat` and of a Jinja file, in place of one that a record has"""
    instruction: str | None = None
    """request behind the problem, with `qwen_math` in its system turn; "": none. None: that of the template, and none
    with a Jinja file or a conversation of the record's own"""
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    """variables of `chat`, such as {enable_thinking: false}"""
    examples: ExamplesConfig | None = None
    """few-shot examples"""
    max_prompt_tokens: Positive = 1024
    """longest prompt; longer ones are left out and counted"""
    on_bad_record: Literal["fail", "skip"] = "fail"
    limit: Positive | None = None
    """problems taken from the beginning of the set; malformed records do not count; None: all"""
    shuffle: bool = True
    """order of the problems: a new one each epoch, by `run.seed`"""

    @field_validator("template")
    @classmethod
    def _template_is_known(cls, template: str) -> str:
        if template in TEMPLATE_NAMES or template.endswith(JINJA_SUFFIXES) or is_import_path(template):
            return template
        raise ValueError(
            f"template={template} is none of {', '.join(TEMPLATE_NAMES)}, nor the path of a Jinja file "
            f"({', '.join(JINJA_SUFFIXES)}), nor an import path module:name; set one of these"
        )

    @property
    def source_name(self) -> str:
        """The source or sources, for messages."""
        return self.source if isinstance(self.source, str) else ", ".join(self.source)

    @model_validator(mode="after")
    def _columns_are_said_once(self) -> DataConfig:
        if self.columns is not None and self.format != "auto":
            raise ValueError(f"format={self.format} says which columns count, and so does columns; set one of the two")
        return self


class SourceConfig(DataConfig):
    """One of several data sets of a run."""

    name: str | None = None
    """name in ids, metrics and tables; None takes that of the file or set"""
    ratio: Annotated[float, Field(gt=0)] | None = None
    """share of the prompts, in proportion to those of the other sets; None, for all sets: the number of its problems"""
    relation: Annotated[str, OneOf(*RELATION_NAMES)] | None = None
    """relation of its answers; None, as for the next two: that of `verifier`"""
    extraction: Annotated[str, OneOf(*EXTRACTION_NAMES)] | None = None
    rewards: Annotated[tuple[RewardConfig, ...], Field(min_length=1)] | None = None

    @property
    def label(self) -> str:
        """The name in ids, metrics and tables."""
        first = self.source if isinstance(self.source, str) else self.source[0]
        return self.name or Path(first).name.partition(".")[0]


class MixtureConfig(DataConfig):
    """The prompts of a run: those of one data set, or of several."""

    source: str | tuple[str, ...] = ""
    sources: tuple[SourceConfig, ...] = ()
    """data sets in place of `source`; what one does not say otherwise is as it is said here"""

    @property
    def sets(self) -> tuple[SourceConfig, ...]:
        """All data sets, at least one."""
        own = {name: getattr(self, name) for name in DataConfig.model_fields}
        return self.sources or (SourceConfig(**own),)

    @model_validator(mode="before")
    @classmethod
    def _sources_are_as_the_rest_says(cls, tree: Any) -> Any:
        if not isinstance(tree, Mapping) or not isinstance(tree.get("sources"), list | tuple):
            return tree
        common = {name: value for name, value in tree.items() if name not in ("source", "sources")}
        sources = [{**common, **each} if isinstance(each, Mapping) else each for each in tree["sources"]]
        return {**tree, "sources": sources}

    @model_validator(mode="after")
    def _one_set_or_several(self) -> MixtureConfig:
        if bool(self.source) == bool(self.sources):
            raise ValueError("data needs either source, a data set, or sources, several: give one of the two")
        labels = [each.label for each in self.sources]
        for label in labels:
            if not re.fullmatch(r"\w[\w.-]*", label):
                raise ValueError(f"the data set {label!r} needs a `name` of letters, digits, _, - and .")
            if labels.count(label) > 1:
                raise ValueError(f"{labels.count(label)} data sets are named {label}; give all but one another `name`")
        without = [each.label for each in self.sources if each.ratio is None]
        if 0 < len(without) < len(self.sources):
            raise ValueError(
                f"{len(without)} of {len(self.sources)} data sets ({', '.join(without)}) have no ratio and would count "
                "by their problems beside the ratios of the others; give a ratio to all sets, or to none"
            )
        return self


class AutoscaleConfig(Section):
    """A policy that adds rollout workers while the trainer waits for groups, and drains them while they are idle."""

    min_workers: Positive = 1
    max_workers: Positive
    every: Seconds = 60.0
    """seconds between two decisions, each of one worker at most"""

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> AutoscaleConfig:
        if self.min_workers > self.max_workers:
            raise ValueError(f"min_workers={self.min_workers} exceeds max_workers={self.max_workers}; lower the first")
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
    """completions of a prompt, G"""
    temperature: Annotated[float, Field(ge=0.01, le=2)] = 1.0
    """temperature T of the policy softmax(logits / T), which is sampled, trained, and compared in ratios, KL and token
    entropy; the bounds are vLLM's, which samples at 0.01 below it"""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """nucleus that is sampled from, for `evaluate` and `answer` alone; a run refuses values below 1, since it would
    train another policy than the one sampled"""
    max_completion_tokens: Positive = 3000
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """strings that end a completion, besides the end-of-sequence token; they stay in its text"""
    request_timeout: Seconds = 600.0
    """seconds until a completion is aborted"""
    max_concurrent_sequences: Positive = 256
    """sequences in progress on one engine"""
    memory_fraction: Annotated[float, Field(gt=0, le=1)] = 0.85
    """share of a GPU's memory for weights and cache"""
    cpu_cache_gib: Positive = 1
    """GiB for the key-value cache of one engine on CPU"""
    enforce_eager: bool = False
    """eager execution: no compilation, no CUDA graphs"""
    prefix_caching: bool = True
    start_timeout: Seconds = 600.0
    """seconds for an engine to come up"""
    autoscale: AutoscaleConfig | None = None
    engine_args: dict[str, JsonValue] = Field(default_factory=dict)
    """further arguments of vLLM's `AsyncEngineArgs`, such as `speculative_config` or `quantization`; those that other
    settings decide are refused"""


class VerifierConfig(Section):
    """Judging, partitioning and rewards."""

    num_workers: Positive = 1
    cpus_per_worker: Annotated[float, Field(gt=0)] = 1.0
    relation: Annotated[str, OneOf(*RELATION_NAMES)] = "math"
    """relation that tells whether two answers mean the same. `code` runs the policy's programs in a sandbox; `text`
    asks a language model"""
    extraction: Annotated[str, OneOf(*EXTRACTION_NAMES)] = "boxed"
    """place of the final answer in a completion"""
    no_answer: Literal["one_class", "one_each", "none"] = "one_class"
    """treatment of completions without an answer: they form one meaning class, one each, or are left out of the
    partition"""
    decimal_digits: Positive = 12
    """least number of significant digits with which a decimal means every number that begins with them: at 4, 0.3333 is
    1/3"""
    relative_tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """fraction by which numbers that count as the same may differ; 0.01 for Minerva's benchmark"""
    code_inputs: tuple[str, ...] = ()
    """standard inputs for `code`; programs that print alike and exit alike on each mean the same"""
    text_model: str | None = None
    """language model for `text`: a local folder of a Hugging Face model, or its hub id"""
    text_method: Literal["embedding", "entailment"] = "entailment"
    """similarity of texts: cosine of mean embeddings, or entailment in both directions"""
    text_threshold: Annotated[float, Field(gt=0, le=1)] = 0.9
    """least cosine, or probability of entailment, of texts that mean the same"""
    rewards: Annotated[tuple[RewardConfig, ...], Field(min_length=1)] = (RewardConfig(use="correct"),)
    """rewards whose weighted sum is the reward of a completion"""
    judge_timeout: Seconds = 0.8
    """seconds that the comparisons of one verdict, or a program on one input, may take until it is `timed_out`"""
    memory_mib: Positive = 1024
    """MiB of address space for one comparison in the bounded process, or for one process of a program"""
    group_timeout: Seconds = 60.0
    """seconds for judging a whole group"""

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
                raise ValueError(f"relation={self.relation} {verb} {name}; change one of the two")
        return self


class SemanticEntropyConfig(Section):
    """Estimator of the semantic entropy. `paper` over `likelihood` by mean is the closest sound form of Eq. 5."""

    mass: Literal["likelihood", "counts"] = "likelihood"
    likelihood: Literal["mean", "sum"] = "mean"
    """mean or sum of a completion's log-probabilities; `sum` collapses on long completions: one sample takes all the
    mass"""
    functional: Annotated[str, OneOf("paper", "shannon")] = "paper"
    granularity: Literal["answer", "step"] = "answer"
    """entropy of the final answers, or with `step` the mean of the entropies of the intermediate results, position by
    position, and of the final answers"""


class ScaleConfig(Section):
    """The factor that semantic entropy puts on the advantage, with x = alpha * SE / SE_max."""

    kind: Annotated[str, OneOf("linear", "exponential", "focal", "reciprocal", "none")] = "linear"
    alpha: Annotated[float, Field(ge=0)] = 0.02
    gamma: Annotated[float, Field(ge=0)] = 1.0
    """exponent of `focal`"""
    control: Literal["none", "mean_matched", "shuffled"] = "none"
    """control experiment: `mean_matched` gives every prompt the batch mean, `shuffled` permutes the scales over the
    prompts"""

    @model_validator(mode="after")
    def _scale_stays_in_unit_interval(self) -> ScaleConfig:
        if self.kind in ("linear", "focal") and self.alpha > 1:
            raise ValueError(f"alpha={self.alpha} lets the {self.kind} scale leave [0, 1]; its bound is alpha <= 1")
        return self


class LossConfig(Section):
    """The clipped surrogate and its denominators. Dr.GRPO by default; DAPO is `per_token` with `clip_high` 0.28; GSPO
    is `ratio=sequence`, `per_completion`, with `clip_low` 3e-4 and `clip_high` 4e-4."""

    aggregation: Literal["constant", "per_completion", "per_token"] = "constant"
    """denominator of the loss: the completion tokens allowed (Dr.GRPO), each completion's own (GRPO), or all tokens
    (DAPO)"""
    ratio: Literal["token", "sequence"] = "token"
    """ratio to the policy that `clip_against` names: of each token, or the geometric mean over a completion (GSPO)"""
    clip_low: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """lower clip of the ratio, at 1 - `clip_low`; nothing is clipped with `clip_against=trainer` and one update a step,
    where the ratio is 1"""
    clip_high: Annotated[float, Field(ge=0)] = 0.2
    clip_against: Literal["trainer", "rollout"] = "trainer"
    """policy in the denominator of the ratio. `trainer`: the one before the step, whose gap to the sampling one
    `importance_correction` closes (decoupled clipping, for stale groups). `rollout`: the one that sampled, with no
    further correction"""
    kl_coefficient: Annotated[float, Field(ge=0)] = 0.0
    """weight of the KL divergence to the frozen initial policy, of which every rank then holds a copy"""
    entropy_coefficient: Annotated[float, Field(ge=0)] = 0.0
    """weight of the token entropy that is added to the objective"""
    importance_correction: Literal["none", "truncated", "masked"] = "truncated"
    """correction of the gap between the engine's and the trainer's log-probabilities"""
    importance_level: Literal["token", "sequence"] = "token"
    """gap that is corrected: of each token, or the product over its completion"""
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
    """kind of advantage: Dr.GRPO, GRPO, RLOO"""
    overlong_tokens: NonNegative = 0
    """completion tokens below the limit in which the reward falls, in equal steps down to -1 at the limit (DAPO); 0:
    none"""
    dynamic_sampling_rounds: NonNegative = 0
    """rounds of further prompts that a step may sample in place of groups that are all right or all wrong (DAPO)"""
    loss: LossConfig = LossConfig()


class TrainerConfig(Section):
    """The DeepSpeed trainer."""

    num_workers: Positive = 1
    """trainer ranks, one DeepSpeed process each"""
    cpus_per_worker: Annotated[float, Field(gt=0)] = 1.0
    threads: Positive = 1
    """compute threads of one rank on CPU"""
    zero_stage: Literal[0, 1, 2, 3] = 2
    """ZeRO stage; in bfloat16, 0 runs as 1"""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    schedule: Literal["constant", "linear"] = "constant"
    """schedule of the learning rate; `linear` falls to 0 at the last step"""
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
    """state kept in the CPU's memory; `optimizer_and_parameters` needs ZeRO-3"""
    sequence_parallel_size: Positive = 1
    """ranks that share the tokens of each micro-batch (Ulysses)"""
    start_timeout: Seconds = 600.0
    step_timeout: Seconds = 1800.0


class WeightSyncConfig(Section):
    """The transport of weights to the rollout workers, and its proof."""

    transport: Literal["auto", "nccl", "ipc", "gloo"] = "auto"
    """transport of the weights; `auto` is gloo on CPU and nccl on GPU"""
    bucket_mib: Positive = 256
    """largest bucket in which weights are gathered and sent, in MiB; a larger parameter is a bucket by itself"""
    timeout: Seconds = 300.0
    tolerance: Annotated[float, Field(gt=0)] | None = None
    """largest log-probability difference of the canary; None: 1e-3 in float32, 0.2 in bfloat16. A missed step of size
    3e-5 shows as 0.1; rounding, in float32, as 2e-5 at first and 1e-4 after hundreds of steps"""


class EvaluationConfig(Section):
    """Held-out accuracy before and after training."""

    data: MixtureConfig
    """the held-out problems; `template` with its settings, `max_prompt_tokens` and `directory` default to those of the
    run's `data`"""
    num_problems: Positive = 500
    """held-out problems that greedy accuracy is measured on"""
    entropy_problems: NonNegative = 100
    """held-out problems, the first ones, that mean semantic entropy over G samples is measured on"""
    every: Positive | None = None
    """steps between evaluations; None: only before and after"""


class ClusterConfig(Section):
    """The machines of the run."""

    device: Literal["cpu", "cuda"] = "cuda"
    address: str | None = None
    """address of a running Ray cluster; None starts one on this machine, or joins the one that a Ray job runs in"""
    node_groups: bool = False
    """true if each kind of worker goes only to machines with the Ray resource of its name: rollout, verifier,
    trainer"""
    autoscaled: bool = False
    """true if machines come when workers ask for them: workers that do not fit yet are waited for, not refused"""
    dashboard: bool = True
    peak_flops: Annotated[float, Field(gt=0)] | None = None
    """FLOP/s that a trainer's device (a GPU, or without one a CPU core) reaches at most, of which `mfu` is a share;
    None: by the name of the GPU in bfloat16, and no `mfu` otherwise"""
    queue_capacity: Positive = 512
    """judged groups that may wait for the trainer"""
    object_store_mib: Positive | None = None
    """object store of a Ray cluster that is started here, in MiB; None leaves it to Ray"""


class SupervisionConfig(Section):
    """Limits on workers' silence and on their replacement."""

    heartbeat_every: Seconds = 5.0
    """seconds between the heartbeats that each worker is asked for"""
    heartbeat_timeout: Seconds = 120.0
    """seconds of silence after which a worker counts as dead; after a third of it, it gets no new work"""
    max_restarts: NonNegative = 10
    """workers that may be restarted within `restart_window`; one more ends the run"""
    restart_window: Seconds = 3600.0
    """seconds over which restarts are counted"""


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
    data: MixtureConfig
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
    def verifiers(self) -> dict[str, VerifierConfig]:
        """Settings of the verifier by data set, for the sets that have some of their own."""
        sets = [*(self.evaluation.data.sets if self.evaluation is not None else ()), *self.data.sets]
        by_label = {each.label: self.verifier_of(each) for each in sets}
        return {label: verifier for label, verifier in by_label.items() if verifier != self.verifier}

    @property
    def verifying_seconds(self) -> float:
        """Seconds that a group of any data set may take to be judged and rewarded, at most."""
        return max(each.group_seconds for each in (self.verifier, *self.verifiers.values()))

    def verifier_of(self, source: SourceConfig) -> VerifierConfig:
        """Settings of the verifier for one data set."""
        own = {name: getattr(source, name) for name in ("relation", "extraction", "rewards")}
        return VerifierConfig(**{**dict(self.verifier), **{k: v for k, v in own.items() if v is not None}})

    @property
    def completions_per_step(self) -> int:
        """Rows of one optimiser step."""
        return self.rollout.prompts_per_step * self.rollout.completions_per_prompt
