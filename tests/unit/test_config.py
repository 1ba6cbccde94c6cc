"""Configuration: every fault is found when it is built, and named with what to change."""

from pathlib import Path

import pytest

from seed_grpo.config import Config
from seed_grpo.config.loading import dump_config, load_config
from seed_grpo.config.sections import EvaluationConfig, MixtureConfig, ModelConfig, RunConfig, ScaleConfig
from seed_grpo.errors import ConfigError

MINIMAL = "run: {directory: runs/x, steps: 3}\nmodel: {path: m}\ndata: {source: gsm8k_train}\n"


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    file = tmp_path / "minimal.yaml"
    file.write_text(MINIMAL)
    return file


def test_overrides_reach_their_leaf_and_read_numbers_as_people_write_them(minimal: Path) -> None:
    config = load_config(minimal, ["trainer.learning_rate=3e-5", "rollout.num_workers=4", "algo.scale.kind=focal"])
    assert config.trainer.learning_rate == 3e-5
    assert config.rollout.num_workers == 4
    assert config.algo.scale.kind == "focal"


def test_a_dumped_configuration_reads_back_equal(minimal: Path, tmp_path: Path) -> None:
    config = load_config(minimal, ["algo.scale.alpha=0.5", "cluster.device=cpu"])
    file = tmp_path / "dumped.yaml"
    file.write_text(dump_config(config))
    assert load_config(file) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "rollout.engine_args={max_num_seqs: 4}",
            r"rollout\.engine_args\.max_num_seqs is decided by rollout\.max_concurrent_sequences; leave it out",
        ),
        (
            "rollout={temperature: 0.7, engine_args: {speculative_config: {method: ngram}}}",
            r"speculative_config needs rollout\.temperature=1 and top_p=1, not 0\.7 and 1",
        ),
        ("rollout.num_wrokers=4", r"unknown key 'rollout\.num_wrokers'"),
        ("nonsense.key=1", r"unknown key 'nonsense'"),
        ("rollout.num_workers=0", r"rollout\.num_workers: .*greater than or equal to 1 \(got 0\)"),
        ("trainer.mini_batches=7", r"prompts_per_step=128 is not a multiple of trainer\.mini_batches=7"),
        ("trainer.sequence_parallel_size=2", r"num_workers=1 is not a multiple of .*size=2"),
        ("trainer.offload=optimizer_and_parameters", r"offload=optimizer_and_parameters needs .*zero_stage>=3, not 2"),
        ("algo.overlong_tokens=3000", r"overlong_tokens=3000 must be less than .*max_completion_tokens=3000"),
        ("algo.loss.clip_against=rollout", r"set importance_correction=none, or clip_against=trainer"),
        ("trainer.tokens_per_micro_batch=100", r"cannot hold one completion of .* = 4024 tokens; raise it to 4024"),
        ("cluster.queue_capacity=10", r"queue_capacity=10 is less .* rollout\.prompts_per_step=128 x .* = 128"),
        ("weight_sync.transport=gloo", r"gloo needs cluster\.device=cpu"),
        ("run.trackers=[{use: mlflow, entity: team}]", r"mlflow has no entity; leave it out"),
        ("run.trackers=[{use: wandb}, {use: wandb, project: b}]", r"wandb is there 2 times; give each tracker once"),
        (
            "run.trackers=[{use: wandb, settings: {api_key: x}}]",
            r"wandb: api_key may be a secret.*environment variable",
        ),
        ("algo.scale.alpha=.inf", r"algo\.scale\.alpha: .*finite"),
        ("trainer.adam_betas=[0.9, 1.5]", r"trainer\.adam_betas\.1: .*less than 1"),
        ("evaluation={data: {source: math500, max_prompt_tokens: 5000}}", r"max_prompt_tokens=5000 exceeds .*=1024"),
        ("algo.scale.alpha=1.5", r"alpha=1\.5 lets the linear scale leave \[0, 1\]; its bound is alpha <= 1"),
        ("rollout.temperature=hot", r"rollout\.temperature: .*number"),
        ("rollout.temperature=0.001", r"rollout\.temperature: .*greater than or equal to 0\.01"),
        ("rollout.temperature=2.5", r"rollout\.temperature: .*less than or equal to 2"),
        ("rollout.stop=['']", r"rollout\.stop\.0: .*at least 1 character"),
        ("verifier.rewards=[{use: 'http://me:pw@judge/x'}]", r"has a user in it, .* by token_variable"),
        (
            "verifier.rewards=[{use: correct, token_variable: X}]",
            r"the reward correct is no server, and has no use for",
        ),
        ("evaluation.data={sources: [{source: a, ratio: 2}]}", r"evaluation\.data\.sources\.a\.ratio has no effect"),
        (
            "evaluation.data={sources: [{source: a, rewards: [{use: agreement}]}]}",
            r"evaluation\.data\.sources\.a\.rewards has no effect: evaluations ask no reward; leave it out",
        ),
        ("verifier.rewards=[{use: correct, weight: 0}]", r"the reward correct has weight 0; .* another weight$"),
        ("run.code=my.py", r"run\.code is to be a list, such as \[my\.py\] \(got 'my\.py'\)$"),
        ("rollout", r"not of the form section\.key=value"),
        ("run.steps.more=1", r"goes into 'steps', which is a value"),
    ],
)
def test_a_nonsense_setting_is_one_clear_line(minimal: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(minimal, [override])
    assert "\n" not in str(caught.value)


def test_all_faults_are_named_at_once(minimal: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(minimal, ["foo=1", "rollout.num_workers=-1", "trainer.zero_stage=9"])
    assert all(word in str(caught.value) for word in ("foo", "rollout.num_workers", "trainer.zero_stage"))


@pytest.mark.parametrize("text", ["[1, 2", "just text", "- a\n- b\n"])
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_reciprocal_and_exponential_scales_have_no_upper_bound_on_alpha() -> None:
    # 1/(1+x) and exp(-x) lie in [0, 1] for every x >= 0
    assert ScaleConfig(kind="reciprocal", alpha=40.0).alpha == 40.0
    assert ScaleConfig(kind="exponential", alpha=40.0).alpha == 40.0


EVALUATION = "evaluation={data: {source: math500}}"


def test_held_out_prompts_are_made_as_those_of_training(minimal: Path) -> None:
    made = ["data.template=none", "data.max_prompt_tokens=16", "data.directory=sets"]
    config = load_config(minimal, [*made, "data.split=test", "data.limit=3", "data.shuffle=false", EVALUATION])
    assert config.evaluation is not None
    held_out = config.evaluation.data
    # before: qwen_math, and 1024 tokens, which 16 refused
    assert (held_out.template, held_out.max_prompt_tokens, held_out.directory) == ("none", 16, Path("sets"))
    # which problems they are is the set's own business
    assert (held_out.source, held_out.split, held_out.limit, held_out.shuffle) == ("math500", "train", None, True)


def test_held_out_prompts_may_be_made_otherwise(minimal: Path, tmp_path: Path) -> None:
    own = ["evaluation.data.template=qwen_math", "evaluation.data.max_prompt_tokens=9"]
    config = load_config(minimal, ["data.template=none", "data.max_prompt_tokens=16", EVALUATION, *own])
    assert config.evaluation is not None
    assert (config.evaluation.data.template, config.evaluation.data.max_prompt_tokens) == ("qwen_math", 9)
    file = tmp_path / "dumped.yaml"
    file.write_text(dump_config(config))
    assert load_config(file) == config


def test_sections_that_are_built_already_follow_too() -> None:
    config = Config(
        run=RunConfig(directory=Path("x"), steps=1),
        model=ModelConfig(path="m"),
        data=MixtureConfig(source="a", template="chat"),
        evaluation=EvaluationConfig(data=MixtureConfig(source="b"), num_problems=7),
    )
    assert config.evaluation is not None
    assert (config.evaluation.data.template, config.evaluation.num_problems) == ("chat", 7)


def test_settings_of_a_template_follow_it(minimal: Path) -> None:
    made = ["data.template=chat", "data.system_prompt=S", "data.instruction=I", "data.chat_template_kwargs={a: 1}"]
    made.append("data.examples={source: shots.jsonl, limit: 2}")
    held_out = load_config(minimal, [*made, EVALUATION]).evaluation
    assert held_out is not None and held_out.data.examples is not None
    assert (held_out.data.template, held_out.data.system_prompt, held_out.data.instruction) == ("chat", "S", "I")
    assert (held_out.data.chat_template_kwargs, held_out.data.examples.limit) == ({"a": 1}, 2)
    own = load_config(minimal, [*made, EVALUATION, "evaluation.data.instruction=J"]).evaluation
    assert own is not None and (own.data.instruction, own.data.system_prompt) == ("J", "S")
    # another template has no place for them, perhaps
    other = load_config(minimal, [*made, EVALUATION, "evaluation.data.template=none"]).evaluation
    assert other is not None and (other.data.system_prompt, other.data.examples) == (None, None)


NO_PLACE = {
    "qwen_math": ["system_prompt=S", "chat_template_kwargs={a: 1}"],
    "r1": ["system_prompt=S", "instruction=I", "chat_template_kwargs={a: 1}", "examples={source: s.jsonl}"],
    "none": ["system_prompt=S", "chat_template_kwargs={a: 1}"],
    "my.jinja": ["chat_template_kwargs={a: 1}"],
    "chat": [],
}
SETTINGS = ["system_prompt=S", "instruction=I", "chat_template_kwargs={a: 1}", "examples={source: s.jsonl}"]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("template", NO_PLACE)
def test_a_template_has_a_place_for_its_settings(minimal: Path, template: str, setting: str) -> None:
    overrides = [EVALUATION, f"data.template={template}", f"data.{setting}", "verifier.extraction=auto"]
    overrides.append("rollout.stop=['</answer>']")
    if setting not in NO_PLACE[template]:
        assert load_config(minimal, overrides).data.template == template
        return
    name = setting.partition("=")[0]
    told = rf"data.{name} is for data.template=chat" if template == "my.jinja" else rf"no place for data.{name}; "
    with pytest.raises(ConfigError, match=told) as caught:
        load_config(minimal, overrides)
    assert str(caught.value).count(f"data.{name}") == 1  # not once more for the evaluation, which follows


def test_a_template_that_is_none_is_named(minimal: Path) -> None:
    with pytest.raises(ConfigError, match=r"template=chatml is none of qwen_math, r1, none, chat, nor the path of a"):
        load_config(minimal, ["data.template=chatml"])
    assert load_config(minimal, ["data.template=a/b.j2"]).data.template == "a/b.j2"


def test_what_the_program_passes_to_a_chat_template_is_its_own(minimal: Path) -> None:
    kwargs = "data.chat_template_kwargs={tokenize: true, messages: [], tools: []}"
    with pytest.raises(ConfigError, match=r"data.chat_template_kwargs may not set messages, tokenize, which the progr"):
        load_config(minimal, ["data.template=chat", kwargs])


@pytest.mark.parametrize("own", [["data.instruction=In a tag."], ["data.instruction=''"], ["data.template=my.jinja"]])
def test_of_a_request_of_the_users_own_nothing_is_known(minimal: Path, own: list[str]) -> None:
    tag = ["data.template=chat", "verifier.extraction=answer_tag"]
    with pytest.raises(ConfigError, match=r"set verifier.extraction=boxed, or another template, or say with data.ins"):
        load_config(minimal, tag)
    assert load_config(minimal, [*tag, *own]).verifier.extraction == "answer_tag"


BOXED, TAGGED = ("qwen_math", "chat", "none"), ("r1", "none")
ANYWHERE = ("phrase", "last_number", "auto", "code_block")
"""extractions that search a completion for more than the mark that one template asks for"""


@pytest.mark.parametrize("extraction", ["boxed", "answer_tag", *ANYWHERE])
@pytest.mark.parametrize("template", ["qwen_math", "chat", "r1", "none"])
@pytest.mark.parametrize("stop", ["[]", "['</answer>']"])
@pytest.mark.parametrize("where", ["data", "evaluation.data"])
def test_the_answer_is_looked_for_where_it_is_asked_for(
    minimal: Path, template: str, extraction: str, stop: str, where: str
) -> None:
    overrides = [EVALUATION, "data.template=none", f"verifier.extraction={extraction}", f"rollout.stop={stop}"]
    overrides.append(f"{where}.template={template}")
    fits = extraction in ANYWHERE or template in (BOXED if extraction == "boxed" else TAGGED)
    ends = template != "r1" or stop != "[]"
    if fits and ends:
        assert load_config(minimal, overrides).verifier.extraction == extraction
        return
    with pytest.raises(ConfigError) as caught:
        load_config(minimal, overrides)
    message = str(caught.value)
    assert message.count(f"{where}.template={template}") == (not fits) + (not ends)
    assert (f"set verifier.extraction={'answer_tag' if template == 'r1' else 'boxed'}" in message) == (not fits)
    assert ('set rollout.stop=["</answer>"]' in message) == (not ends)


@pytest.mark.parametrize("job", sorted((Path(__file__).parents[2] / "jobs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_job_file_is_a_valid_configuration(job: Path) -> None:
    assert isinstance(load_config(job), Config)


def test_nothing_edits_a_configuration(minimal: Path) -> None:
    config = load_config(minimal)
    with pytest.raises(ValueError, match="frozen"):
        config.run.steps = 5  # type: ignore[misc]


def test_sets_without_answers_are_for_rewards_that_need_none(minimal: Path) -> None:
    none = "data.columns={problem: question, answer: null}"
    with pytest.raises(ConfigError, match=r"data\.columns\.answer=null gives no answers, and the reward correct comp"):
        load_config(minimal, [none])
    made = load_config(minimal, [none, "verifier.rewards=[{use: agreement}]"])
    assert made.data.sets[0].columns is not None and made.data.sets[0].columns.answer is None
    held_out = "evaluation.data={source: x, columns: {answer: null}}"
    with pytest.raises(ConfigError, match=r"evaluation\.data\.columns\.answer=null gives no answers to measure"):
        load_config(minimal, ["verifier.rewards=[{use: agreement}]", held_out])


def test_a_held_out_set_of_a_training_sets_name_leaves_its_rewards(minimal: Path) -> None:
    sets = ["data={sources: [{source: a, rewards: [{use: agreement}]}]}", "evaluation.data={sources: [{source: a}]}"]
    made = load_config(minimal, sets)
    assert [reward.use for reward in made.verifiers["a"].rewards] == ["agreement"]
