"""The bridge as a separate process: how it starts, ends, and refuses to start."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpx

from tests.rest.support import ServerDouble


@contextmanager
def bridge_process(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Start a bridge on a port of the kernel's choice and wait until it says which."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rest_bridge", "--rest", "127.0.0.1:0", *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    with process, process.stdin, process.stderr:
        said = "".join(iter_until(process.stderr, "running on"))
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert found, said
        yield process, int(found[1])
        process.kill()


def iter_until(lines: Iterable[str], text: str) -> Iterator[str]:
    for line in lines:
        yield line
        if text in line:
            return


def test_sigterm_finishes_what_is_in_flight_and_exits_with_0(
    target: str, server: ServerDouble
) -> None:
    with bridge_process("--target", target) as (process, port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            head = b"POST /api/v1/bot/orders HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: k\r\n"
            connection.sendall(head + b"Content-Length: 2\r\n\r\n{")
            assert is_alive(port)
            process.send_signal(signal.SIGTERM)
            connection.sendall(b"}")
            answer = connection.recv(65536)

        assert answer.startswith(b"HTTP/1.1 201 ")
        assert process.wait(timeout=10) == 0


def test_the_end_of_standard_input_ends_the_bridge_when_asked_to(target: str) -> None:
    with bridge_process("--target", target, "--exit-with-stdin") as (process, port):
        assert process.stdin is not None
        process.stdin.write("not the end\n")
        process.stdin.flush()
        assert is_alive(port)
        process.stdin.close()

        assert process.wait(timeout=10) == 0


def test_the_end_of_standard_input_means_nothing_otherwise(target: str) -> None:
    with bridge_process("--target", target) as (process, port):
        assert process.stdin is not None
        process.stdin.close()

        assert is_alive(port)
        assert process.poll() is None


def is_alive(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/healthz", verify=False).status_code == 200


def start(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rest_bridge", *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_port_in_use_is_told_and_is_a_failure(target: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = start("--target", target, "--rest", f"127.0.0.1:{taken.getsockname()[1]}")

    assert ended.returncode != 0
    assert "in use" in ended.stderr


def test_plaintext_beyond_this_machine_must_be_asked_for(target: str) -> None:
    ended = start("--target", target, "--rest", "0.0.0.0:0")

    assert ended.returncode != 0
    assert "--insecure" in ended.stderr


def test_an_address_without_a_port_is_told() -> None:
    ended = start("--rest", "localhost")

    assert ended.returncode != 0
    assert "rest" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_setting_out_of_range_is_told_by_its_name() -> None:
    ended = start(BOTTRADING_UPSTREAM_CHANNELS="0")

    assert ended.returncode != 0
    assert "upstream_channels" in ended.stderr
    assert "Traceback" not in ended.stderr
