"""Settings that may be secrets."""

import pytest

from seed_grpo.config.secrets import mask_addresses, masked, secret_names
from seed_grpo.config.sections import Sections


@pytest.mark.parametrize(
    "name", ["api_key", "API_KEY", "wandb-key", "token", "hf_token", "password", "client_secret", "auth"]
)
def test_names_of_secrets(name: str) -> None:
    assert secret_names({"mode": "offline", name: "x", "inner": {name: 1}}) == [name, f"inner.{name}"]
    assert masked({f"verifier.rewards.0.settings.{name}": "x"}) == {f"verifier.rewards.0.settings.{name}": "***"}


def test_no_setting_of_this_program_is_taken_for_one() -> None:
    def names(schema: dict) -> list[str]:
        own = list(schema.get("properties", {}))
        return own + [name for inner in schema.get("$defs", {}).values() for name in inner.get("properties", {})]

    found = names(Sections.model_json_schema())
    assert "max_completion_tokens" in found
    assert secret_names(dict.fromkeys(found, 1)) == []


def test_passwords_in_addresses() -> None:
    assert mask_addresses("at http://me:pw@host/x and http://host/a@b") == "at http://***@host/x and http://host/a@b"
    assert mask_addresses("http://host/?a=1&write_token=x&b=2 y") == "http://host/?a=1&write_token=***&b=2 y"
    assert masked({"a": ["https://t@host"], "b": 1}) == {"a": ["https://***@host"], "b": 1}
    assert secret_names({"tracking_uri": "https://me:pw@host"}) == ["tracking_uri"]
    assert secret_names({"tracking_uri": "sqlite:///runs/a@b.db"}) == []
