"""Panels of Grafana and alerts: the shipped files against the table of metrics, and alerts that are provoked."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from seed_grpo.config import Config
from seed_grpo.runtime.supervision.prometheus import METRICS, Monitor, label_of
from support.prometheus import MONITORING, panels, tool

USED = re.compile(r"\bray_seed_grpo_(\w+)(\{[^}]*\})?")
RULES = (MONITORING / "alerts.yaml").read_text()


def alerts() -> dict[str, dict[str, Any]]:
    (group,) = yaml.safe_load(RULES)["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def series() -> dict[str, set[str]]:
    """Names that a run offers, with their labels."""
    names = {}
    for name, metric in METRICS.items():
        suffix = {"gauge": "", "counter": "_total", "histogram": "_bucket"}[metric.kind]
        names[name + suffix] = {"run", *metric.labels} | ({"le"} if metric.kind == "histogram" else set())
    return names


@pytest.mark.parametrize(
    "expressions", [panels().values(), [rule["expr"] for rule in alerts().values()]], ids=["panels", "alerts"]
)
def test_expressions_use_metrics_and_labels_that_there_are(expressions: list[str]) -> None:
    there = series()
    for expression in expressions:
        for name, selector in USED.findall(expression):
            assert name in there, f"{expression}: no metric {name}"
            labels = set(re.findall(r"(\w+)\s*[=!]~?", selector))
            assert labels <= there[name], f"{expression}: {name} has no label {labels - there[name]}"


def test_every_metric_is_on_a_panel() -> None:
    shown = {name for expression in panels().values() for name, _ in USED.findall(expression)}
    hidden = {"last_step_timestamp_seconds"}  # for the alert alone
    assert set(series()) - shown == hidden


def test_the_panels_of_gpus_show_what_ray_tells_of_them() -> None:
    """A machine without a GPU has no such series; here their names are Ray's."""
    from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

    shown = [query.removeprefix("ray_") for title, query in panels().items() if title.startswith("GPU")]
    assert len(shown) == 2 and set(shown) <= METRICS_GAUGES.keys()


ODD = [
    "/runs/müller",
    "/läufe/实验",
    "/r/🙂",
    "/r/\udcff",
    "/r/a\nb\tc",
    "/r/a \"b\" 'c'",
    "/r/a\\b",
    "/r/\x1b[31m",
    "x" * 4000,
]


@pytest.mark.parametrize("path", ODD, ids=ascii)
def test_a_run_directory_of_any_letters_can_be_watched(path: str) -> None:
    monitor = Monitor(path)
    monitor.event("failed")
    monitor.evaluation(0.5)


def test_a_label_is_ascii_and_tells_runs_apart() -> None:
    assert label_of("/runs/a-b_c.d 1") == "/runs/a-b_c.d 1"
    assert label_of("/runs/müller") == "/runs/m%C3%BCller"  # ü is C3 BC in UTF-8
    labels = {label_of(path) for path in ODD}
    assert len(labels) == len(ODD) and all(label.isascii() and label.isprintable() for label in labels)


def test_every_alert_says_what_to_do_and_names_settings_that_there_are() -> None:
    for name, rule in alerts().items():
        assert len(rule["annotations"]["action"]) > 80, name
        for section, key in re.findall(r"\b([a-z]+)\.([a-z_]+)\b", rule["annotations"]["action"]):
            if section in Config.model_fields and key != "loss":
                assert key in Config.model_fields[section].annotation.model_fields, f"{name}: {section}.{key}"  # type: ignore[union-attr]


def test_alerts_fire_over_their_bounds_and_not_under_them(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(RULES)
    cases = yaml.safe_load((Path(__file__).parent / "alerts_test.yaml").read_text())
    for test in cases["tests"]:
        for case in test["alert_rule_test"]:
            for expected in case["exp_alerts"]:  # it is given word by word, and not repeated there
                expected["exp_annotations"]["action"] = alerts()[case["alertname"]]["annotations"]["action"]
    tried = {case["alertname"] for test in cases["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert tried == set(alerts())
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(cases))
    command = [tool("promtool"), "test", "rules", "cases.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # and promtool does see a wrong bound
    (tmp_path / "alerts.yaml").write_text(RULES.replace("> 0.02", "> 0.01"))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode != 0
