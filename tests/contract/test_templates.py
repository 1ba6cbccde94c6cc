"""Every template of prompts."""

from __future__ import annotations

from seed_grpo.config.checks import HAS_PLACE
from seed_grpo.config.sections import TEMPLATE_NAMES
from seed_grpo.data.templates import TEMPLATES


def test_every_template_of_the_configuration_is_in_the_table():
    assert set(TEMPLATES) == set(TEMPLATE_NAMES) == set(HAS_PLACE)
