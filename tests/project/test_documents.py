"""The documents agree with the program: links, size of the README, columns, commands, the files of the three trips."""

import re
import subprocess
from itertools import chain
from pathlib import Path

import pytest

from seed_grpo.cli import main
from seed_grpo.records.group_metrics import METRICS as GROUP_METRICS
from seed_grpo.records.ledger_table import LEDGER_COLUMNS
from seed_grpo.records.rollout_table import COLUMNS
from seed_grpo.records.throughput import METRICS as THROUGHPUT_METRICS
from seed_grpo.runtime.supervision.prometheus import METRICS as PROMETHEUS_METRICS
from seed_grpo.train.loss_metrics import METRICS as TRAINER_METRICS

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.splitlines()]


def prose(text: str) -> str:
    """The text without code blocks and code spans, in which nothing is a link or a heading."""
    return re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def test_every_relative_link_resolves() -> None:
    pages = tracked("*.md")
    if not pages:
        pytest.skip("not a git checkout")
    broken = {str(page.relative_to(ROOT)): links for page in pages if (links := broken_links(page))}
    assert not broken


def test_a_broken_link_and_a_broken_anchor_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`: 3\n[a](page.md#one-two-3) [b](#one) [c](absent.md) `[d](absent)` [e](https://x.org)\n"
    )
    assert broken_links(page) == ["#one", "absent.md"]


def test_the_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count("\n") <= 170
    assert len(text.split()) <= 1700


def test_the_readme_has_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"(?m)^    ([a-z-]+)(?: |$)", capsys.readouterr().out)
    assert {"train", "judge", "scale"} <= set(commands)
    shown = re.findall(r"(?m)^\| `seed-grpo ([a-z-]+)` \|", (ROOT / "README.md").read_text())
    assert sorted(shown) == sorted(commands)


def test_every_column_of_a_run_is_described() -> None:
    text = (ROOT / "seed_grpo/records/README.md").read_text()
    columns = chain(COLUMNS, LEDGER_COLUMNS, GROUP_METRICS, TRAINER_METRICS, THROUGHPUT_METRICS)
    assert not [name for name in columns if f"`{name}`" not in text]


def test_counts_of_metrics_and_alerts_are_those_of_the_documents() -> None:
    text = (ROOT / "seed_grpo/runtime/README.md").read_text()
    assert f"There are {len(PROMETHEUS_METRICS)}" in text
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "cluster/monitoring/alerts.yaml").read_text())
    assert alerts == re.findall(r"(?m)^\| (SeedGrpo\w+) \|", (ROOT / "cluster/README.md").read_text())


def test_the_files_of_the_three_trips_are_there() -> None:
    text = (ROOT / ".github/CONTRIBUTING.md").read_text().partition("## Three trips")[2]
    trips = re.split(r"(?m)^\*\*", text)[1:]
    assert len(trips) == 3
    for trip in trips:
        names = set(re.findall(r"`([\w/]+\.py)`", trip))
        assert not [name for name in names if not (ROOT / "seed_grpo" / name).is_file()]
        assert f"({len(names)} files" in trip


def test_the_hooks_have_the_ruff_of_the_lock_files() -> None:
    hooks = re.findall(r"ruff==([\d.]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    locked = re.findall(r"(?m)^ruff==([\d.]+)$", (ROOT / "docker/requirements/test.lock").read_text())
    assert hooks == locked * 2


def test_the_version_is_one() -> None:
    (version,) = re.findall(r'(?m)^version = "(.+)"$', (ROOT / "pyproject.toml").read_text())
    assert f'__version__ = "{version}"' in (ROOT / "seed_grpo/__init__.py").read_text()
    for page in [*tracked("docker/*"), *tracked("cluster/*")]:
        assert not {found for found in re.findall(r"seed-grpo:(\d+\.\d+\.\d+)-", page.read_text()) if found != version}
