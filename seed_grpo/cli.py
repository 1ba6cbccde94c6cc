"""The command line: `seed-grpo train | warm-start | doctor | export | scale | judge`.

An error ends it with one line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from seed_grpo.config import Config, VerifierConfig
from seed_grpo.config_file import load_config
from seed_grpo.errors import ConfigError, SeedGrpoError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Returns:
        exit status: 0 done, 1 an error that the program names, 2 wrong usage, 130 stopped before the end.
    """
    parsed = _parser().parse_args(arguments)
    try:
        return parsed.command(parsed)
    except SeedGrpoError as error:
        print(f"seed-grpo: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("seed-grpo: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return INTERRUPTED


def _config(parsed: argparse.Namespace) -> Config:
    return load_config(parsed.config, parsed.overrides)


def _train(parsed: argparse.Namespace) -> int:
    from seed_grpo.runtime.session import train

    return 0 if train(_config(parsed)) else INTERRUPTED


def _warm_start(parsed: argparse.Namespace) -> int:
    from seed_grpo.train.warm_start import warm_start

    print(f"the model is in {warm_start(_config(parsed), print)}")
    return 0


def _doctor(parsed: argparse.Namespace) -> int:
    from seed_grpo.runtime.preflight import diagnose

    page, well = diagnose(_config(parsed))
    print(f"{parsed.config}\n{page}")
    return 0 if well else 1


def _export(parsed: argparse.Namespace) -> int:
    from seed_grpo.runtime.session import export

    export(_config(parsed), parsed.folder)
    return 0


def _scale(parsed: argparse.Namespace) -> int:
    from seed_grpo.runtime.scaling import request

    sizes = {kind: size for kind in ("rollout", "verifier") if (size := getattr(parsed, kind)) is not None}
    if not sizes:
        raise ConfigError("nothing to scale: give --rollout N, --verifier N, or both")
    for name, state in request(parsed.run, sizes).items():
        print(f"{name:12} {state}")
    return 0


def _judge(parsed: argparse.Namespace) -> int:
    from seed_grpo.evaluate.answers import explain

    config = VerifierConfig(
        relation=parsed.relation,
        decimal_digits=parsed.decimal_digits,
        relative_tolerance=parsed.relative_tolerance,
    )
    prediction, reference = explain(parsed.prediction, parsed.reference, config)
    print(f"verdict     {prediction.verdict}")
    print(f"prediction  {prediction.parsed}")
    print(f"reference   {reference.parsed}")
    print(f"decided by  {prediction.rule}, in {1000 * prediction.seconds:.1f} ms")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seed-grpo", description="SEED-GRPO on Ray, vLLM and DeepSpeed")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("train", _train, "train, going on from the last checkpoint of the run directory"),
        ("warm-start", _warm_start, "make the small model of the generated task, unless it is there"),
        ("doctor", _doctor, "check versions, devices, batch, placement, model and data; start nothing"),
        ("export", _export, "write the policy of the last checkpoint as a Hugging Face model"),
    ):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        sub.add_argument("config", type=Path, help="YAML file, such as those in jobs/")
        if name == "export":
            sub.add_argument("folder", type=Path, help="folder to write the model into")
        sub.add_argument("overrides", nargs="*", help="settings to change: section.key=value")
    scale = commands.add_parser("scale", help="add or drain workers of a run that is at work")
    scale.set_defaults(command=_scale)
    scale.add_argument("run", type=Path, help="directory of the run")
    scale.add_argument("--rollout", type=int, metavar="N", help="rollout workers that it shall have")
    scale.add_argument("--verifier", type=int, metavar="N", help="verifier workers that it shall have")
    judge = commands.add_parser("judge", help="say whether two answers mean the same, and why")
    judge.set_defaults(command=_judge)
    judge.add_argument("prediction", help="an answer as a model writes it, such as '\\frac12'")
    judge.add_argument("reference", help="the answer to compare with")
    defaults = VerifierConfig()
    judge.add_argument("--relation", choices=("math", "exact"), default=defaults.relation)
    judge.add_argument("--decimal-digits", type=int, default=defaults.decimal_digits, help="at 4, 0.3333 is 1/3")
    judge.add_argument("--relative-tolerance", type=float, default=defaults.relative_tolerance, help="0.01 for Minerva")
    return parser


if __name__ == "__main__":
    sys.exit(main())
