"""A file is told by what it starts or holds; one that cannot be imported is refused with what it is."""

from pathlib import Path

import pytest

from seed_grpo.errors import ConfigError
from seed_grpo.importing.reading import MOST_BYTES, read

VERL = "python3 -m verl.trainer.main_ppo trainer.nnodes=2"
TRL = "num_generations: 4\nuse_vllm: true\n"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


@pytest.mark.parametrize(
    ("script", "peer"),
    [
        (VERL, "verl"),
        ("PYTHONUNBUFFERED=1 torchrun -m verl.trainer.main_ppo a=1", "verl"),
        ("python -m recipe.dapo.main_dapo a=1", "verl"),
        ("ray job submit --address=x -- python3 -m openrlhf.cli.train_ppo_ray --train.seed 1", "OpenRLHF"),
        ("deepspeed --module openrlhf.cli.train_ppo --seed 1", "OpenRLHF"),
        ("python -m oat.experiment.run_math_rl --gpus 1", "oat"),
        ("cd x && python dir/train_zero_math.py --gpus 1", "oat"),
        ("trl grpo --num_generations 4", "TRL"),
        ("accelerate launch --config_file z3.yaml src/open_r1/grpo.py --num_generations 4", "TRL"),
    ],
)
def test_a_script_is_told_by_what_it_starts(script: str, peer: str, tmp_path: Path) -> None:
    found = read(written(tmp_path, "run.sh", script), None)
    assert found.peer.name == peer and found.given and not found.strays


def test_yaml_is_trls_under_any_name(tmp_path: Path) -> None:
    for name in ("a.yaml", "a.yml", "a.txt"):
        found = read(written(tmp_path, name, TRL + "learning_rate: 1e-6\n"), None)
        assert (found.peer.name, found.given["learning_rate"]) == ("TRL", 1e-6)


def test_a_file_for_an_earlier_trl_is_told(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.yaml", TRL + "torch_dtype: auto\nwarmup_ratio: 0.1\n"), None)
    (remark,) = found.remarks
    assert remark.startswith("CHECK algo.loss: torch_dtype, warmup_ratio tell a file for a TRL before 1.16")
    assert {"dtype": "auto", "warmup_steps": 0.1}.items() <= found.given.items()


def test_a_value_that_only_a_shell_could_know_is_told(tmp_path: Path) -> None:
    script = f"{VERL} a=$A b='x $ y' c=$((D * 2)) d=\"['$E/f', 'g']\" e=`date` f=$HOME/g g=1"
    found = read(written(tmp_path, "run.sh", script), None)
    assert found.unresolved == {"a", "c", "d", "e"}
    assert found.given["f"] == "~/g"
    text = 'system_prompt: "Put $x$ in `<answer>`, ${LIKE} this."\n'  # no shell reads a YAML file
    assert read(written(tmp_path, "a.yaml", TRL + text), None).unresolved == frozenset()


def test_one_of_several_trainings_is_chosen(tmp_path: Path) -> None:
    file = written(tmp_path, "run.sh", f"{VERL}\n\necho\n{VERL} trainer.nnodes=3\n")
    with pytest.raises(ConfigError, match=r"starts 2 trainings \(1: line 1, 2: line 4\); choose one with --command N"):
        read(file, None)
    assert [read(file, number).given["trainer.nnodes"] for number in (1, 2)] == [2, 3]
    for number in (0, 3):
        with pytest.raises(ConfigError, match=f"starts 2 trainings, and --command is {number}"):
            read(file, number)


def test_a_comment_that_ends_a_command_is_remarked_on(tmp_path: Path) -> None:
    found = read(written(tmp_path, "run.sh", f"{VERL} \\\n  # trainer.nnodes=4 \\\n  trainer.nnodes=5\n"), None)
    assert found.given == {"trainer.nnodes": 2}
    assert "line 2 ends the command, as in a shell" in found.remarks[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.sh", "", "is empty; name a YAML file of TRL"),
        ("a.sh", " \n\t\n", "is empty"),
        ("a.sh", b"\x89PNG\r\n\x1a\n\xff", r"is no text in UTF-8 \(byte 0\)"),
        ("a.sh", b"a\0b", "is no text: it holds a byte of 0"),
        ("a.sh", "x" * (MOST_BYTES + 1), "has 100,001 bytes, and settings at most 100,000"),
        ("a.sh", "python train.py --lr 1\n", "is of no kind that can be imported: a YAML file of TRL, or a script"),
        ("a.sh", f"{VERL} a='b", "line 1: a quote ' is not closed"),
        ("a.sh", "trl grpo --config grpo.yaml", r"starts TRL with the settings of grpo\.yaml; name that file"),
        ("a.sh", "[" * 200, "is of no kind"),
        ("a.yaml", "a: [b", "is not YAML: "),
        ("a.yaml", "[" * 200, "has brackets more than 50 deep"),
        ("a.yaml", "- a\n", "holds list, not settings by name"),
        ("a.yaml", "a: 1\nnum_generations: 3\n", "is of no kind"),
        ("a.yaml", f"a: &x [1]\nb: *x\n{TRL}", "has aliases"),
        ("a.yaml", f"{TRL}a: !!python/object/apply:os.getcwd []\n", "is not YAML: could not determine a constructor"),
        ("a.yaml", "actor_rollout_ref: {}\n", "is a tree of verl's settings; name the script"),
        ("a.yaml", "run: {}\nmodel: {}\ndata: {}\n", "is a configuration of seed_grpo already"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(written(tmp_path, name, content), None)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.sh", tmp_path):
        with pytest.raises(ConfigError, match=f"cannot read {path}"):
            read(path, None)
