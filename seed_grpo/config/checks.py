"""Checks between the sections of a configuration, and what they take from one another; `Config` runs them.

Consumes `Sections`; produces a line for each fault, with its numbers and the setting to change. Of settings that are
not checked yet, it produces those of `evaluation.data` that follow `data`. What only training asks for is refused by
`check_sampling`, which `evaluate` and `answer` do not call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from seed_grpo.config.engine_args import OWNED, OWNED_ON_CPU
from seed_grpo.config.sections import DataConfig, MixtureConfig, Sections, SourceConfig
from seed_grpo.errors import ConfigError

FOLLOWED = ("max_prompt_tokens", "directory")
"""settings of `data` that are those of `evaluation.data` too, where it has none of its own"""
OF_TEMPLATE = ("template", "system_prompt", "instruction", "chat_template_kwargs", "examples")
"""others, unless `evaluation.data` has another template"""
ASKS_FOR = {"qwen_math": "boxed", "chat": "boxed", "r1": "answer_tag"}
"""the extraction that looks where a template asks for the answer, by template; `none` asks for nothing"""
HAS_PLACE = {
    "qwen_math": ("instruction", "examples"),
    "r1": (),
    "none": ("instruction", "examples"),
    "chat": ("system_prompt", "instruction", "chat_template_kwargs", "examples"),
}
"""settings that a template renders, by template; a Jinja file is given all but `chat_template_kwargs`"""
NOT_FOR_TEMPLATES = frozenset((
    "conversation", "conversations", "messages", "chat_template", "add_generation_prompt", "continue_final_message",
    "tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask",
    "tokenizer_kwargs", "strftime_now",
))  # fmt: skip
"""arguments of Transformers' `apply_chat_template` that are set here, or are no variables of a template"""
PLACES = {"boxed": "in \\boxed{}", "answer_tag": "between <answer> and </answer>"}
"""place of the answer for messages, by extraction"""


def with_followed(tree: Any) -> Any:
    """The settings of a run as given, with those that `evaluation.data` takes over from `data`."""
    training, evaluation = (_given(_given(tree).get(name)) for name in ("data", "evaluation"))
    held_out = _given(evaluation.get("data"))
    if not held_out:
        return tree
    default = DataConfig.model_fields["template"].default
    template = training.get("template", default)
    names = (*FOLLOWED, *OF_TEMPLATE) if held_out.get("template", template) == template else FOLLOWED
    followed = {name: training[name] for name in names if name in training}
    return {**_given(tree), "evaluation": {**evaluation, "data": {**followed, **held_out}}}


def _given(section: Any) -> Mapping[str, Any]:
    """The settings that a section was given, checked or not yet; none where it is no section."""
    if isinstance(section, BaseModel):
        return {name: getattr(section, name) for name in section.model_fields_set}
    return section if isinstance(section, Mapping) else {}


def faults_between(config: Sections) -> list[str]:
    """All faults, none where the sections fit together."""
    checks = (
        _batch_faults, _length_faults, _staleness_faults, _schedule_faults, _transport_faults, _relation_faults,
        _template_faults, _source_faults, _engine_args_faults,
    )  # fmt: skip
    return [fault for check in checks for fault in check(config)]


def check_sampling(config: Sections) -> str:
    """Checks that a run trains the policy that it samples from. Returns what that is.

    vLLM 0.32 can name the tokens that top-p leaves (`return_sampling_mask`), for a trainer to renormalise over. It does
    so only where every request of the engine has a top-k and a temperature above 0, and with Triton, which CPU engines
    lack. The proof of a weight sync and the evaluations of a run are greedy requests to the same engines.

    Raises:
        ConfigError: `rollout.top_p` is below 1.
    """
    rollout = config.rollout
    if rollout.top_p < 1:
        raise ConfigError(
            f"rollout.top_p={rollout.top_p:g} samples from the likeliest tokens alone, and the trainer's "
            "log-probabilities are of all: what is sampled would not be what is trained. Set rollout.top_p=1, and a "
            f"rollout.temperature below {rollout.temperature:g} for likelier tokens, which the trainer follows; "
            "`seed-grpo evaluate` and `answer` take any top_p"
        )
    return f"trained as sampled, at temperature {rollout.temperature:g}"


def _batch_faults(config: Sections) -> list[str]:
    trainer, rollout = config.trainer, config.rollout
    faults = []
    if rollout.prompts_per_step % trainer.mini_batches:
        faults.append(
            f"rollout.prompts_per_step={rollout.prompts_per_step} is not a multiple of "
            f"trainer.mini_batches={trainer.mini_batches}; change one of the two"
        )
    if trainer.num_workers % trainer.sequence_parallel_size:
        faults.append(
            f"trainer.num_workers={trainer.num_workers} is not a multiple of "
            f"trainer.sequence_parallel_size={trainer.sequence_parallel_size}; change one of the two"
        )
    needed = {"none": 0, "optimizer": 1, "optimizer_and_parameters": 3}[trainer.offload]
    if trainer.zero_stage < needed:
        faults.append(f"trainer.offload={trainer.offload} needs trainer.zero_stage>={needed}, not {trainer.zero_stage}")
    return faults


def _length_faults(config: Sections) -> list[str]:
    trainer, rollout = config.trainer, config.rollout
    faults = []
    if config.algo.overlong_tokens >= rollout.max_completion_tokens:
        faults.append(
            f"algo.overlong_tokens={config.algo.overlong_tokens} must be less than "
            f"rollout.max_completion_tokens={rollout.max_completion_tokens}; lower it"
        )
    longest = config.data.max_prompt_tokens + rollout.max_completion_tokens
    if trainer.tokens_per_micro_batch < longest:
        faults.append(
            f"trainer.tokens_per_micro_batch={trainer.tokens_per_micro_batch} cannot hold one completion of "
            f"data.max_prompt_tokens + rollout.max_completion_tokens = {longest} tokens; raise it to {longest}"
        )
    held_out = config.evaluation.data.max_prompt_tokens if config.evaluation is not None else 0
    if held_out > config.data.max_prompt_tokens:
        faults.append(
            f"evaluation.data.max_prompt_tokens={held_out} exceeds data.max_prompt_tokens="
            f"{config.data.max_prompt_tokens}, for which the engines are sized; lower the first or raise the second"
        )
    return faults


def _staleness_faults(config: Sections) -> list[str]:
    staleness, rollout, loss = config.run.max_staleness, config.rollout, config.algo.loss
    faults = []
    rounds = config.algo.dynamic_sampling_rounds
    most = rollout.prompts_per_step * (1 + staleness + rounds)
    if config.cluster.queue_capacity < most:
        faults.append(
            f"cluster.queue_capacity={config.cluster.queue_capacity} is less than the groups that may be ready at "
            f"once: rollout.prompts_per_step={rollout.prompts_per_step} x (1 + run.max_staleness={staleness} + "
            f"algo.dynamic_sampling_rounds={rounds}) = {most}; raise it to at least that"
        )
    if staleness and config.run.deterministic:
        faults.append(
            f"run.deterministic=true needs run.max_staleness=0, not {staleness}: with staleness, timing decides which "
            "weights sample a token; change one of the two"
        )
    if staleness > 1 and loss.clip_against == "trainer" and loss.importance_correction == "none":
        faults.append(
            f"run.max_staleness={staleness} with algo.loss.importance_correction=none trains stale groups as if the "
            "present policy had sampled them; set importance_correction=truncated or masked"
        )
    return faults


def _schedule_faults(config: Sections) -> list[str]:
    trainer = config.trainer
    if trainer.schedule == "linear" and trainer.warmup_steps >= config.run.steps:
        return [
            f"trainer.warmup_steps={trainer.warmup_steps} leaves no step of run.steps={config.run.steps} "
            "for the linear schedule; lower it"
        ]
    return []


def _relation_faults(config: Sections) -> list[str]:
    if config.verifier.relation == "code" and config.algo.semantic_entropy.granularity == "step":
        return [
            "algo.semantic_entropy.granularity=step compares intermediate results, which verifier.relation=code would "
            "run as programs; set granularity=answer or another relation"
        ]
    return []


def _template_faults(config: Sections) -> list[str]:
    """Checks that a template has a place for its settings, and that the answer is looked for where it is asked for.
    Extraction that searches the whole text goes with all templates."""
    faults: dict[str, None] = {}
    seen = []
    for section, data in _sets(config).items():
        judged = [*(getattr(data, name) for name in OF_TEMPLATE), config.verifier_of(data).extraction]
        if judged not in seen:  # each fault once
            seen.append(judged)
            faults |= dict.fromkeys([*_place_faults(section, data), *_extraction_faults(section, data, config)])
    return list(faults)


def _sets(config: Sections) -> dict[str, SourceConfig]:
    """All data sets, by the section that names each."""
    sections = {"data": config.data}
    if config.evaluation is not None:
        sections["evaluation.data"] = config.evaluation.data
    return {_section_of(name, data, each): each for name, data in sections.items() for each in data.sets}


def _section_of(name: str, data: MixtureConfig, each: SourceConfig) -> str:
    return f"{name}.sources.{each.label}" if data.sources else name


def _place_faults(section: str, data: DataConfig) -> list[str]:
    faults = []
    for name in OF_TEMPLATE[1:]:
        given = getattr(data, name)
        if given is None or given == {} or name in HAS_PLACE.get(data.template, HAS_PLACE["chat"]):
            continue
        faults.append(
            f"{section}.template={data.template} has no place for {section}.{name}; leave it out, or set "
            f"{section}.template to chat or a Jinja file"
        )
    if data.chat_template_kwargs and data.template not in HAS_PLACE:
        faults.append(
            f"{section}.chat_template_kwargs is for {section}.template=chat; set variables of {data.template} at its "
            "head, such as {% set enable_thinking = false %}"
        )
    if taken := sorted(NOT_FOR_TEMPLATES & set(data.chat_template_kwargs)):
        faults.append(f"{section}.chat_template_kwargs may not set {', '.join(taken)}, which the program sets itself")
    return faults


def _extraction_faults(section: str, data: SourceConfig, config: Sections) -> list[str]:
    extraction, faults = config.verifier_of(data).extraction, []
    asked = ASKS_FOR.get(data.template, extraction) if data.instruction is None else extraction
    if extraction in PLACES and extraction != asked:
        instead = ", or say with data.instruction what is asked for" if data.template != "r1" else ""
        faults.append(
            f"{section}.template={data.template} asks for the answer {PLACES[asked]}, and verifier.extraction="
            f"{extraction} looks for it {PLACES[extraction]}; set verifier.extraction={asked}, or another "
            f"template{instead}"
        )
    if data.template == "r1" and not config.rollout.stop:
        faults.append(
            f"{section}.template=r1 with rollout.stop=[] lets completions go on behind their answer, with other "
            'questions; set rollout.stop=["</answer>"]'
        )
    return faults


def _source_faults(config: Sections) -> list[str]:
    """Checks that sets of one name are judged alike, and that the engines are made for the longest prompts."""
    held_out = config.evaluation.data.sets if config.evaluation is not None else ()
    names = {each.label for each in config.data.sets} & {each.label for each in held_out}
    faults = [
        f"data and evaluation.data each have a set {name}, and they are judged differently; give one another name"
        for name in sorted(names)
        if len({repr(config.verifier_of(each)) for each in (*config.data.sets, *held_out) if each.label == name}) > 1
    ]
    most = config.data.max_prompt_tokens
    return faults + [
        f"max_prompt_tokens={each.max_prompt_tokens} of the data set {each.label} exceeds data.max_prompt_tokens="
        f"{most}, which the engines are made for; lower the one or raise the other"
        for each in config.data.sources
        if each.max_prompt_tokens > most
    ]


def _transport_faults(config: Sections) -> list[str]:
    trainer, rollout, transport = config.trainer, config.rollout, config.weight_sync.transport
    on_cpu = config.cluster.device == "cpu"
    faults = []
    if on_cpu and transport in ("nccl", "ipc"):
        faults.append(f"weight_sync.transport={transport} needs cluster.device=cuda; use auto or gloo on CPU")
    if not on_cpu and transport == "gloo":
        faults.append("weight_sync.transport=gloo needs cluster.device=cpu; use auto, nccl or ipc on GPU")
    if transport == "ipc" and rollout.autoscale is not None:
        faults.append("rollout.autoscale needs weight_sync.transport=nccl: with ipc one rollout worker shares one GPU")
    sharers = (trainer.num_workers, rollout.num_workers, rollout.tensor_parallel_size)
    if transport == "ipc" and sharers != (1, 1, 1):
        faults.append(
            "weight_sync.transport=ipc shares one GPU between one trainer and one rollout worker, not between "
            f"trainer.num_workers={sharers[0]} and rollout.num_workers={sharers[1]} of "
            f"rollout.tensor_parallel_size={sharers[2]}; use nccl, or set all three to 1"
        )
    return faults


def _engine_args_faults(config: Sections) -> list[str]:
    owned = {**OWNED, **(OWNED_ON_CPU if config.cluster.device == "cpu" else {})}
    given = [name for name in config.rollout.engine_args if name in owned]
    return [f"rollout.engine_args.{name} is decided by {owned[name]}; leave it out" for name in given]
