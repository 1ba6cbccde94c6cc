"""The table of trackers."""

from typing import get_args

from seed_grpo.config.sections import UNUSED_BY_TRACKER, TrackerConfig
from seed_grpo.records.trackers.table import TRACKERS


def test_the_table_has_what_the_configuration_names() -> None:
    assert list(TRACKERS) == list(get_args(TrackerConfig.model_fields["use"].annotation))
    assert UNUSED_BY_TRACKER.keys() <= TRACKERS.keys()
    assert {name for names in UNUSED_BY_TRACKER.values() for name in names} <= TrackerConfig.model_fields.keys()
