"""The command line: `seed-grpo train | evaluate | answer | experiment | report | ...`; `seed-grpo --help` lists all.

It parses arguments, reads the configuration, and calls one function of `commands/`, which is imported no earlier than
then: help and a wrong setting take no seconds to load. An error ends a command with one line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from seed_grpo.config import Config
from seed_grpo.config.loading import load_config
from seed_grpo.config.sections import VerifierConfig
from seed_grpo.errors import SeedGrpoError

INTERRUPTED = 130
Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""function that adds a command: its name, its action, and its help"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        exit status: 0 done, 1 an error that the program names, 2 wrong usage, 130 stopped before the end.
    """
    parser = _parser()
    parsed, further = parser.parse_known_args(arguments)
    if further:  # settings that stand behind options, which argparse does not take for positional ones
        if any(each.startswith("-") or "=" not in each for each in further) or not hasattr(parsed, "overrides"):
            parser.error(f"unrecognized arguments: {' '.join(further)}")
        parsed.overrides += further
    try:
        return parsed.command(parsed)
    except SeedGrpoError as error:
        print(f"seed-grpo: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("seed-grpo: stopped; the same command goes on from what is on disk", file=sys.stderr)
        return INTERRUPTED


def _config(parsed: argparse.Namespace) -> Config:
    return load_config(parsed.config, parsed.overrides)


def _train(parsed: argparse.Namespace) -> int:
    config = _config(parsed)  # before what follows takes its seconds to load, as in the other commands
    from seed_grpo.commands.train import train

    return 0 if train(config).is_complete else INTERRUPTED


def _warm_start(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    from seed_grpo.commands.warm_start import make_model

    make_model(config)
    return 0


def _doctor(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    from seed_grpo.commands.console import Page
    from seed_grpo.commands.doctor import diagnose

    print(parsed.config)
    page = Page(print)
    diagnose(config, page)
    if parsed.live and page.well:
        from seed_grpo.commands.live_check import check_live

        check_live(config, page)
    return 0 if page.well else 1


def _plan(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    from seed_grpo.commands.plan.page import plan_page

    print(plan_page(config, parsed.gpus, parsed.gpu_memory, parsed.gpus_per_node, parsed.link))
    return 0


def _export(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    from seed_grpo.commands.train import export

    export(config, parsed.folder)
    return 0


def _scale(parsed: argparse.Namespace) -> int:
    from seed_grpo.commands.scale import scale

    scale(parsed.run, {"rollout": parsed.rollout, "verifier": parsed.verifier})
    return 0


def _evaluate(parsed: argparse.Namespace) -> int:
    from seed_grpo.commands.evaluate import evaluate

    evaluate(parsed.model, parsed.sets.split(","), parsed.samples, parsed.out, parsed.settings, parsed.overrides)
    return 0


def _answer(parsed: argparse.Namespace) -> int:
    from seed_grpo.commands.answer import answer_with_model

    sets = parsed.sets.split(",") if parsed.sets else []
    limits = (parsed.first, parsed.more, parsed.most, parsed.threshold)
    directory = parsed.out or Path("runs/answers") / Path(parsed.model).name
    answer_with_model(
        parsed.model, parsed.problem, sets, limits, parsed.confidence, directory, parsed.settings, parsed.overrides
    )
    return 0


def _experiment(parsed: argparse.Namespace) -> int:
    from seed_grpo.commands.experiment import run_file

    run_file(parsed.file, parsed.parallel, parsed.address)
    return 0


def _whatif(parsed: argparse.Namespace) -> int:
    from seed_grpo.commands.studies.whatif import print_whatif

    print_whatif(parsed.run, parsed.overrides)
    return 0


def _audit(parsed: argparse.Namespace) -> int:
    from seed_grpo.commands.studies.audit import print_audit

    print_audit(parsed.run, parsed.limit)
    return 0


def _report(parsed: argparse.Namespace) -> int:
    from seed_grpo.commands.studies.report import report

    report(parsed.run, parsed.out)
    return 0


def _import(parsed: argparse.Namespace) -> int:
    from seed_grpo.commands.import_file import import_file

    import_file(parsed.file, parsed.out, parsed.number, parsed.gpus, parsed.problems, parsed.overrides)
    return 0


def _judge(parsed: argparse.Namespace) -> int:
    config = VerifierConfig(
        relation=parsed.relation,
        decimal_digits=parsed.decimal_digits,
        relative_tolerance=parsed.relative_tolerance,
    )
    from seed_grpo.commands.judge import judge

    judge(parsed.prediction, parsed.reference, config)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seed-grpo", description="SEED-GRPO on Ray, vLLM and DeepSpeed")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    _add_commands_of_a_config(add)
    _add_commands_of_a_model(add)
    _add_commands_of_a_run(add)
    experiment = add("experiment", _experiment, "run configurations x seeds, and compare them")
    experiment.add_argument("file", type=Path, help="YAML file, such as those in jobs/experiments/")
    experiment.add_argument("--parallel", type=int, default=1, metavar="N", help="runs at a time (1)")
    experiment.add_argument("--address", help="of a Ray dashboard: each run becomes a job of that cluster")
    imported = add("import", _import, "write the settings of a TRL, OpenRLHF, oat or verl file as ours")
    imported.add_argument("file", type=Path, help="YAML file of TRL, or a script that starts a training")
    imported.add_argument("overrides", nargs="*", help="settings to change: section.key=value")
    imported.add_argument("-o", "--out", type=Path, metavar="FILE", help="file to write; printed if not given")
    imported.add_argument("--command", type=int, dest="number", metavar="N", help="of several trainings of a script")
    imported.add_argument("--gpus", type=int, metavar="N", help="GPUs of the run there, if its file does not say")
    imported.add_argument("--problems", type=int, metavar="N", help="of its data set, to turn passes into steps")
    judge = add("judge", _judge, "say whether two answers mean the same, and why")
    judge.add_argument("prediction", help="an answer as a model writes it, such as '\\frac12'")
    judge.add_argument("reference", help="the answer to compare with")
    defaults = VerifierConfig()
    judge.add_argument("--relation", choices=("math", "exact"), default=defaults.relation)
    judge.add_argument("--decimal-digits", type=int, default=defaults.decimal_digits, help="at 4, 0.3333 is 1/3")
    judge.add_argument("--relative-tolerance", type=float, default=defaults.relative_tolerance, help="0.01 for Minerva")
    return parser


def _add_commands_of_a_config(add: Add) -> None:
    for name, command, text in (
        ("train", _train, "train, going on from the last checkpoint of the run directory"),
        ("warm-start", _warm_start, "make the small model of the generated task, unless it is there"),
        ("doctor", _doctor, "check versions, placement, batch, model and data, and on request the cluster"),
        ("plan", _plan, "estimate memory and time, and the best split of so many GPUs"),
        ("export", _export, "write the policy of the last checkpoint as a Hugging Face model"),
    ):
        sub = add(name, command, text)
        sub.add_argument("config", type=Path, help="YAML file, such as those in jobs/")
        if name == "export":
            sub.add_argument("folder", type=Path, help="folder to write the model into")
        if name == "plan":
            sub.add_argument("--gpus", type=int, required=True, metavar="N", help="GPUs that there are")
            sub.add_argument("--gpu-memory", type=float, default=80.0, metavar="GIB", help="of each (80)")
            sub.add_argument("--gpus-per-node", type=int, default=8, metavar="N", help="GPUs of one machine (8)")
            sub.add_argument("--link", type=float, default=50.0, metavar="GB/S", help="between two GPUs (50)")
        if name == "doctor":
            text = "start the workers too, as a run would, measure the links between them, and leave"
            sub.add_argument("--live", action="store_true", help=text)
        sub.add_argument("overrides", nargs="*", help="settings to change: section.key=value")


def _add_commands_of_a_model(add: Add) -> None:
    evaluation = add("evaluate", _evaluate, "accuracy and uncertainty of a model on sets of problems")
    evaluation.add_argument("--sets", required=True, metavar="SET,...", help="named sets, files or hub data sets")
    evaluation.add_argument("-k", type=int, default=16, dest="samples", help="completions of each problem (16)")
    answer = add("answer", _answer, "answer problems, drawing more answers only while they disagree")
    answer.add_argument("--problem", action="append", default=[], metavar="TEXT", help="may be given several times")
    answer.add_argument("--sets", metavar="SET,...", help="named sets, files or hub data sets")
    answer.add_argument("--first", type=int, default=4, help="answers drawn of each problem (4)")
    answer.add_argument("--more", type=int, default=2, help="drawn at a time while they disagree (2)")
    answer.add_argument("--most", type=int, default=32, help="answers drawn of one problem at most (32)")
    answer.add_argument("--threshold", type=float, default=0.3, help="nats of entropy above which more are drawn (0.3)")
    answer.add_argument("--confidence", type=float, default=0.0, help="share below which it abstains (0)")
    for sub in (evaluation, answer):
        sub.add_argument("model", help="folder or hub id of a Hugging Face model, or the directory of a run")
        sub.add_argument("overrides", nargs="*", help="settings to change: section.key=value")
        sub.add_argument("--settings", type=Path, metavar="FILE", help="YAML file of a run, to take the settings from")
        sub.add_argument("--out", type=Path, metavar="FOLDER", help="folder to write into")


def _add_commands_of_a_run(add: Add) -> None:
    scale = add("scale", _scale, "add or drain workers of a run that is at work")
    scale.add_argument("--rollout", type=int, metavar="N", help="rollout workers that it shall have")
    scale.add_argument("--verifier", type=int, metavar="N", help="verifier workers that it shall have")
    report = add("report", _report, "write one HTML page of a run: curves, and its rollouts to browse")
    report.add_argument("--out", type=Path, metavar="FILE", help="RUN/report.html if not given")
    audit = add("audit", _audit, "list prompts of a run with doubtful labels, verdicts and rewards")
    audit.add_argument("--limit", type=int, default=20, help="findings of each kind (20)")
    whatif = add("whatif", _whatif, "replay a run's groups under other estimators, scales and advantages")
    for sub in (scale, report, audit, whatif):
        sub.add_argument("run", type=Path, help="directory of the run")
    whatif.add_argument("overrides", nargs="*", help="values to try, commas between: algo.scale.alpha=0.02,0.5")


if __name__ == "__main__":
    sys.exit(main())
