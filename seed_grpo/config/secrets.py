"""Settings that may be secrets, by their names; and names and passwords in addresses.

Consumes settings and texts; tells or masks what must neither be kept nor sent. It knows no values of secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NAME = re.compile(r"(^|[_.-])(api_?key|key|token|secret|password|passwd|auth|credentials?)$", re.IGNORECASE)
"""end of the name of a setting that may be a secret; `max_prompt_tokens` is none"""
IN_ADDRESS = re.compile(r"(//)[^/\s@]+(?=@)|([?&][\w-]*(?:key|token|secret|password|auth)=)[^&\s]+", re.IGNORECASE)
"""name and password in an address, and a token behind it"""
MASK = "***"


def secret_names(settings: Mapping[str, Any]) -> list[str]:
    """Names of the settings of a tree, dotted, that may hold a secret."""
    found = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += [f"{name}.{inner}" for inner in secret_names(value)]
        elif NAME.search(name) or (isinstance(value, str) and IN_ADDRESS.search(value)):
            found.append(name)
    return found


def masked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name, with a mask in place of what may be a secret."""
    return {name: MASK if NAME.search(name) else _masked_value(value) for name, value in settings.items()}


def mask_addresses(text: str) -> str:
    """A text whose addresses have neither names and passwords nor tokens."""
    return IN_ADDRESS.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)


def _masked_value(value: Any) -> Any:
    if isinstance(value, str):
        return mask_addresses(value)
    return [_masked_value(each) for each in value] if isinstance(value, list) else value
