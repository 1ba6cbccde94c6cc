"""The client of a reward server, against a real HTTP server that misbehaves in every way."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from seed_grpo.config.sections import RewardConfig
from seed_grpo.errors import VerifierError
from seed_grpo.verify import reward_server
from seed_grpo.verify.reward_server import MAX_REPLY_BYTES, RewardServer
from seed_grpo.verify.rewards import RewardCompletion, RewardFaultError, RewardGroup, RewardProblem
from support.sockets import free_port

GROUP = RewardGroup(
    RewardProblem("p", "1+1=", ("2",), "", "", (), '{"level": 3, "absent": NaN}'),
    tuple(RewardCompletion(text, [1, 2], "stop", "correct", "2", "2", 0) for text in ("two", "\ud800", "2")),
)
GOOD = b'{"rewards": [1, null, 0.5]}'

Answer = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    """Answers request after request by its list; the last answer is for all further ones."""

    daemon_threads = True

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.tokens: list[str | None] = []
        self.lock = threading.Lock()
        self.busy = self.most_busy = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/score"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with server.lock:
            server.requests.append(json.loads(body))
            server.paths.append(self.path)
            server.tokens.append(self.headers["Authorization"])
            answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
        try:
            answer(self)
        finally:
            with server.lock:
                server.busy -= 1

    do_GET = do_POST

    def log_message(self, *_: Any) -> None: ...


def says(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def naps(seconds: float) -> Answer:
    def answer(handler: Handler) -> None:
        time.sleep(seconds)
        says(GOOD)(handler)

    return answer


def breaks_off(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def drips(handler: Handler) -> None:
    """Sends a byte now and then, so that no single read takes long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(*answers: Answer) -> Server:
        servers.append(Server(*answers))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        return servers[-1]

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reward_server, "PAUSE_SECONDS", 0.01)


def client(server: Server | str, **settings: Any) -> RewardServer:
    use = server if isinstance(server, str) else server.address
    return RewardServer(RewardConfig(use=use, **{"timeout": 2.0, "retries": 2, **settings}))


def test_the_group_is_posted_and_its_rewards_come_back(serve: Callable[..., Server]) -> None:
    server = serve(says(GOOD))
    assert client(server, settings={"scale": [1, 2]})(GROUP) == [1.0, None, 0.5]
    (request,) = server.requests
    assert request["settings"] == {"scale": [1, 2]} and server.paths == ["/score"]
    assert request["problem"]["record"] == {"level": 3, "absent": None} and request["problem"]["answers"] == ["2"]
    assert [each["text"] for each in request["completions"]] == ["two", "\ud800", "2"]
    assert request["completions"][0]["token_ids"] == [1, 2] and request["completions"][0]["verdict"] == "correct"


def test_a_token_of_the_environment_goes_with_each_request(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(says(GOOD))
    for value in ("", " ", "two\nlines", "köder"):
        monkeypatch.setenv("JUDGE_TOKEN", value)
        with pytest.raises(VerifierError, match=r"needs a token in the environment variable JUDGE_TOKEN.* set it"):
            client(server, token_variable="JUDGE_TOKEN", name="judge")
    monkeypatch.setenv("JUDGE_TOKEN", " secret\n")
    client(server, token_variable="JUDGE_TOKEN", name="judge")(GROUP)
    client(server, name="judge")(GROUP)
    assert server.tokens == ["Bearer secret", None]


@pytest.mark.parametrize("first", [says(b"later", 500), says(b"", 429), says(b"", 503), breaks_off])
def test_a_passing_trouble_is_tried_again(serve: Callable[..., Server], first: Answer) -> None:
    server = serve(first, says(GOOD))
    assert client(server)(GROUP) == [1.0, None, 0.5]
    assert len(server.requests) == 2


def test_a_server_that_stays_down_is_a_fault_after_its_retries(serve: Callable[..., Server]) -> None:
    server = serve(says(b"out of memory", 500))
    with pytest.raises(RewardFaultError, match=r"answered 500: b'out of memory'"):
        client(server)(GROUP)
    assert len(server.requests) == 3


def test_retries_may_be_none(serve: Callable[..., Server]) -> None:
    server = serve(says(b"", 500), says(GOOD))
    with pytest.raises(RewardFaultError, match="answered 500"):
        client(server, retries=0)(GROUP)
    assert len(server.requests) == 1


def test_an_error_of_the_request_is_not_tried_again(serve: Callable[..., Server]) -> None:
    server = serve(says(b"no such path", 404))
    with pytest.raises(RewardFaultError, match=r"answered 404: b'no such path'"):
        client(server)(GROUP)
    assert len(server.requests) == 1


def test_a_wait_that_the_server_asks_for_is_not_kept(serve: Callable[..., Server]) -> None:
    server = serve(says(b"", 503, Retry_After="3600"), says(GOOD))
    began = time.monotonic()
    assert client(server)(GROUP) == [1.0, None, 0.5]
    assert time.monotonic() - began < 2.0


def test_a_redirection_is_a_fault_and_not_followed(serve: Callable[..., Server]) -> None:
    server = serve(says(b"", 302, Location="/elsewhere"), says(GOOD))
    with pytest.raises(RewardFaultError, match="answered 302"):
        client(server)(GROUP)
    assert server.paths == ["/score"]


def test_nobody_at_the_address_is_a_fault() -> None:
    address = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(RewardFaultError, match=f"no answer from {address} .*refused"):
        client(address, name="down")(GROUP)


def test_a_server_that_never_answers_is_a_fault_in_time(serve: Callable[..., Server]) -> None:
    server = serve(naps(5.0))
    began = time.monotonic()
    with pytest.raises(RewardFaultError, match=r"no answer from .*timed out"):
        client(server, timeout=0.3, retries=1)(GROUP)
    assert 0.6 <= time.monotonic() - began < 2.0
    assert len(server.requests) == 2


def test_a_server_that_drips_is_a_fault_in_time(serve: Callable[..., Server]) -> None:
    began = time.monotonic()
    with pytest.raises(RewardFaultError, match=r"its answer took over 0\.5 s"):
        client(serve(drips), timeout=0.5, retries=0)(GROUP)
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>busy</html>", "JSONDecodeError"),
        (b"", "JSONDecodeError"),
        (b"\xff\xfe", "Unicode|JSONDecode"),
        (b"[1, 0, 0]", "TypeError"),
        (b"null", "TypeError"),
        (b'{"reward": [1, 0, 0]}', "KeyError"),
        (b'{"rewards": [1, 0]}', "returned 2 rewards for 3 completions"),
        (b'{"rewards": "100"}', "not a list of 3 numbers"),
        (b'{"rewards": {"0": 1, "1": 0, "2": 0}}', "not a list of 3 numbers"),
        (b'{"rewards": ["1", 0, 0]}', "for completion 0"),
        (b'{"rewards": [NaN, 0, 0]}', "nan for completion 0"),
        (b'{"rewards": [0, 1e999, 0]}', "inf for completion 1"),
        (b'{"rewards": [0, 1' + b"0" * 400 + b", 0]}", "inf for completion 1"),
        (b"[" * 100_000, "RecursionError|JSONDecodeError"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_garbage_is_a_fault_that_shows_it(serve: Callable[..., Server], body: bytes, message: str) -> None:
    server = serve(says(body))
    with pytest.raises(RewardFaultError, match=message) as raised:
        client(server)(GROUP)
    assert '{"rewards": [3 numbers]}' in str(raised.value) and len(str(raised.value)) < 800
    assert len(server.requests) == 1


def test_answers_that_are_too_long_leave_the_connections_usable(serve: Callable[..., Server]) -> None:
    too_long = says(b" " * (MAX_REPLY_BYTES + 2**18))
    asked = client(serve(*[too_long] * 5, says(GOOD)), concurrency=1)
    for _ in range(5):
        with pytest.raises(RewardFaultError, match=f"answered over {MAX_REPLY_BYTES} bytes"):
            asked(GROUP)
    assert asked(GROUP) == [1.0, None, 0.5]
    asked.close()


def test_no_more_requests_are_at_work_than_allowed(serve: Callable[..., Server]) -> None:
    server = serve(naps(0.2))
    asked = client(server, concurrency=3)
    with ThreadPoolExecutor(9) as threads:
        rewards = list(threads.map(asked, [GROUP] * 9))
    assert rewards == [[1.0, None, 0.5]] * 9
    assert server.most_busy == 3
