"""The report's page: what stands in it is what was recorded, whatever the texts say, and it works in a browser."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seed_grpo.errors import CheckpointError
from seed_grpo.evaluate.reports.page import write_report
from seed_grpo.evaluate.reports.page.tokens import surprisal_bytes, token_texts
from seed_grpo.records.files import write_table
from seed_grpo.records.ledger_table import LedgerRow, ledger_schema
from support.chromium import Chromium, why_there_is_none
from support.recorded_run import HOSTILE, Page, judged, write_run

MANY = 400


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from seed_grpo.arithmetic.model import build_tokenizer

    return build_tokenizer()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """Steps 2 and 3, an evaluation after 3; step 3 has many groups. Group 1 is mixed and was trained, group 2 was
    dropped, group 0 is hostile."""
    first = [
        judged(0, HOSTILE, [HOSTILE, "\ud800"], "00", tokenizer),
        judged(1, "one and one", [r"so \boxed{2}", r"\boxed{2.0}"], "10", tokenizer),
        judged(2, "two and none", ["2", "2"], "11", tokenizer),
    ]
    many = [judged(10 + i, f"needle {i}", ["2", "3"], "00", tokenizer) for i in range(MANY)]
    held = [judged(10, "held out", ["7"], "1", tokenizer, sampled=False)]
    tables = {"rollouts/2": first, "rollouts/3": many, "evaluations/3": held}
    folder = write_run(tmp_path_factory.mktemp("report") / "run", tables, trained=[0, 1])
    tokenizer.save_pretrained(folder / "policy")
    (folder / "metrics.jsonl").write_text('{"step": 2, "reward": 0.5, "\\ud800</script>": 7.0, "nothing": null}\n')
    dropped = LedgerRow.dropped(2, first[2].summary, "all right, so be it")
    write_table(folder / "ledger" / "step_000002.parquet", [asdict(dropped)], ledger_schema())
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return Page(write_report(run))


def test_texts_stay_data(page: Page) -> None:
    """Without the escape of "<", the model's path would end its script element and begin an image."""
    assert Counter(page.tags)["img"] == 0
    summary = json.loads(page.contents["run"])
    assert summary["facts"][0] == ["model", f"{HOSTILE}, float32"]
    assert summary["metrics"]["\ud800</script>"] == [7.0]
    _, payload = page.group(0, 2, 0)
    assert payload["texts"] == [HOSTILE, "?"]
    assert page.packed("index")["problems"][0] == ["id-0", HOSTILE]
    assert page.contents["run"].isascii()


def test_the_index_holds_what_was_recorded(page: Page) -> None:
    row, payload = page.group(0, 2, 1)
    index = page.packed("index")
    assert index["problems"][row["problem"]] == ["id-1", "one and one"]
    assert index["states"][row["state"]] == "trained"
    # of two completions one is right; versions are 1 and the policy of step 2 is version 1: 2 - 1 - 1 = 0, not 1
    assert (row["reward"], row["entropy"], row["mixed"], row["scale"]) == (0.5, 0.5, 1, 0.5)
    assert (row["classes"], row["staleness"], row["verdicts"]) == (2, 0, "ci")
    assert payload["advantages"] == [0.125, -0.125]
    assert payload["logprobs"] == [-0.5, -0.5]
    # at step 3 it would be 1
    assert page.group(0, 3, 10)[0]["staleness"] == 1
    dropped, lost = page.group(0, 2, 2)
    assert index["states"][dropped["state"]] == "dropped: all right, so be it"
    assert (dropped["scale"], dropped["mixed"], lost["advantages"]) == (None, 0, [None, None])
    held, _ = page.group(1, 3, 10)
    assert index["states"][held["state"]] == "greedy"
    assert (held["entropy"], held["staleness"]) == (None, None)  # one completion has no entropy


def test_bands_by_hand(page: Page) -> None:
    """Step 2: group means 0, 0.5, 1: mean 0.5, s = 0.5, t(2) = 4.302653: half = 4.302653 * 0.5 / sqrt(3) = 1.242069.
    Over the six completions as if independent it would be 2.5706 * 0.5477 / sqrt(6) = 0.575."""
    band = json.loads(page.contents["run"])["bands"]["reward"]
    assert band["step"] == [2, 3]
    assert band["value"] == [0.5, 0.0]
    assert (band["low"][0], band["high"][0]) == (pytest.approx(-0.742069, abs=1e-5), pytest.approx(1.742069, abs=1e-5))


def test_tokens_say_their_text_and_probability(page: Page) -> None:
    _, payload = page.group(0, 2, 1)
    vocabulary = page.packed("index")["vocabulary"]
    assert "".join(vocabulary[str(token_id)] for token_id in payload["ids"][0]) == r"so \boxed{2}"
    # sqrt(0.5 / 16) 255 = 45.08; a linear byte would be 255 / 32 = 8
    assert set(base64.b64decode(payload["surprisals"][0])) == {45}


def test_probabilities_come_back_within_the_documented_bound() -> None:
    logprobs_T = -np.linspace(0, 16, 5000)
    back_T = np.exp(-16 * (surprisal_bytes(logprobs_T) / 255.0) ** 2)
    assert np.abs(back_T - np.exp(logprobs_T)).max() < 0.007
    assert np.abs(back_T / np.exp(logprobs_T) - 1).max() < 0.07
    assert surprisal_bytes(np.array([-np.inf, -99.0, 0.0])).tolist() == [255, 255, 0]


class LeadingSpaceEater:
    """Decodes as tokenizers of SentencePiece do: the space in front of the first token is lost."""

    def __len__(self) -> int:
        return 2

    def batch_decode(self, lists: list[list[int]], **settings: bool) -> list[str]:
        return ["".join([" the", "s"][i] for i in ids).removeprefix(" ") for ids in lists]


def test_a_token_keeps_its_leading_space() -> None:
    # decoded alone, token 0 would be "the"; 5 is not in the vocabulary
    assert token_texts(LeadingSpaceEater(), [0, 1, 5]) == {0: " the", 1: "s", 5: "[5]"}


def test_without_a_tokenizer_the_page_says_why(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"rollouts/1": [judged(0, "p", ["2", "3"], "10", None)]})
    page = Page(write_report(run, tmp_path / "page.html"))
    _, payload = page.group(0, 1, 0)
    assert "ids" not in payload and payload["texts"] == ["2", "3"]
    assert "no tokenizer loads" in page.packed("index")["why_no_tokens"]


def test_a_folder_that_is_no_run_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run directory"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_tables(tmp_path: Path) -> None:
    """A table is 2 MiB of text. Six more of them may not raise the peak by one; a page kept whole would by six."""
    rng = np.random.default_rng(0)

    def peak(tables: int) -> int:
        groups = [judged(0, "p", [rng.bytes(2**19).hex(), "3"], "10", None) for _ in range(tables * 2)]
        steps = {f"rollouts/{i + 1}": groups[2 * i : 2 * i + 2] for i in range(tables)}
        run = write_run(tmp_path / str(tables), steps)
        tracemalloc.start()
        write_report(run)
        traced = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return traced

    peak(1)  # imports
    assert peak(9) - peak(3) < 2 * 2**20


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    if why := why_there_is_none():
        pytest.skip(why)
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture
def opened(chromium: Chromium, run: Path, page: Page) -> Iterator[Chromium]:
    """The page, just opened; nothing may go wrong in it."""
    chromium.faults.clear()
    chromium.open((run / "report.html").as_uri(), "document.body?.dataset.ready")
    yield chromium
    assert chromium.faults == []


def follow(browser: Chromium, link: str, problem: str) -> None:
    browser.value(f"void (location.hash = {json.dumps(link)})")
    browser.until(f"document.querySelector('#group .prompt')?.textContent === {json.dumps(problem)}")


def test_a_link_opens_a_group_and_its_texts_stay_data(opened: Chromium, run: Path) -> None:
    link = "#group=rollouts/2/0"
    opened.open(f"{(run / 'report.html').as_uri()}{link}", "document.querySelector('.completion')")
    assert opened.text("#group .prompt") == HOSTILE
    opened.until("document.querySelector('.text span')")
    assert opened.text(".completion .text") == HOSTILE
    assert opened.value("document.querySelectorAll('img').length") == 0
    assert opened.value("typeof pwned") == "undefined"


def test_typing_and_clicking_find_a_group(opened: Chromium) -> None:
    assert opened.text("#count") == f"{MANY + 3} of {MANY + 3} groups"
    opened.click("#filters input[type=search]")
    opened.type("needle 39")
    # 39 and 390 to 399
    assert opened.text("#count") == f"11 of {MANY + 3} groups"
    opened.click("#row-1")
    opened.until("document.querySelector('#group .prompt')")
    assert opened.text("#group .prompt") == "needle 390"
    assert opened.value("location.hash") == "#group=rollouts/3/400"
    opened.click("#list")
    opened.press("Home")
    opened.until("document.querySelector('#group .prompt').textContent === 'needle 39'")
    opened.press("ArrowDown")
    opened.until("document.querySelector('#group .prompt').textContent === 'needle 390'")


def test_filters_and_order(opened: Chromium) -> None:
    opened.click("#filters label.check:last-of-type")
    assert opened.text("#count") == f"1 of {MANY + 3} groups"
    assert opened.text("#row-0 .problem") == "one and one"
    opened.click("#filters button[type=reset]")
    opened.until(f"byId('count').textContent.startsWith('{MANY + 3} of')")
    opened.click("#filters input[aria-label='mean reward from']")
    opened.type("0.5")
    assert opened.text("#count") == f"2 of {MANY + 3} groups"
    opened.value("void (document.querySelector('#filters option[value=reward]').parentNode.value = 'reward')")
    opened.click("#filters label.check:not(:last-of-type)")  # descending
    assert opened.text("#row-0 .problem") == "two and none"


def test_only_the_rows_in_sight_are_elements(opened: Chromium) -> None:
    assert 0 < opened.value("document.querySelectorAll('.row').length") < 50
    opened.value("void (byId('list').scrollTop = 1e9)")
    opened.until(f"document.querySelector('#row-{MANY + 2}')")
    assert 0 < opened.value("document.querySelectorAll('.row').length") < 50


def test_a_group_shows_its_classes_and_the_probabilities_of_its_tokens(opened: Chromium) -> None:
    follow(opened, "#group=rollouts/2/1", "one and one")
    assert opened.value("[...document.querySelectorAll('.class h3')].map((h) => h.textContent)") == [
        "class A1 of 2number 2",
        "class B1 of 2number 2",
    ]
    assert "advantage 0.125" in opened.text(".completion .line")
    opened.until("document.querySelector('.text span')")
    opened.click(".completion .text")
    opened.press("Home")
    opened.press("ArrowRight")
    # exp(-0.5) = 0.607, from the byte 45 exp(-16 (45/255)^2) = 0.608
    assert opened.text(".readout").endswith("probability 0.608")
    assert opened.text(".readout").startswith("token 2 of")


def test_an_evaluation_is_a_table_of_its_own(opened: Chromium) -> None:
    follow(opened, "#group=evaluations/3/10", "held out")
    assert opened.text("#count") == "1 of 1 groups"


def test_charts_are_read_by_keys(opened: Chromium) -> None:
    opened.value("document.querySelector('svg[aria-label^=Reward]').focus()")
    opened.press("End")
    assert opened.text("svg[aria-label^=Reward] ~ .tip").startswith("step 2\ntraining problems")
    assert "0.5 [-0.7421, 1.742]" in opened.text("svg[aria-label^=Reward] ~ .tip")
