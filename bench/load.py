"""Load by h2load: one process per account, because each sends one fixed set of headers."""

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

RUN_SECONDS_MAX = 600


class LoadFailed(Exception):
    """A call was not OK; the message says how many."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of calls: a URL, a body file and the headers of each account."""

    url: str
    body: Path
    headers: Sequence[Sequence[str]]
    http1: bool = False


def calls_per_second(*targets: Target, calls: int, in_flight: int) -> float:
    """Return the rate of `calls` for each account at each target, `in_flight` of them at once."""
    shape = (
        ["-c", str(in_flight), "-m", "1", "--h1"]
        if targets[0].http1
        else [
            "-c",
            "1",
            "-m",
            str(in_flight),
        ]
    )
    begun = time.perf_counter()
    running = [
        _start(target, headers, ["-n", str(calls), *shape])
        for target in targets
        for headers in target.headers
    ]
    for process in running:
        _finish(process, calls)
    return calls * len(running) / (time.perf_counter() - begun)


def latency_p50_us(target: Target, *, calls: int, log: Path) -> float:
    """Return the median time of a call by one client alone, in microseconds."""
    return median(latencies_us(target, calls=calls, log=log))


def latencies_us(target: Target, *, calls: int, log: Path) -> list[int]:
    """Return the times of calls by one client alone, in microseconds, shortest first."""
    log.unlink(missing_ok=True)
    options = ["-n", str(calls), "-c", "1", "-m", "1", f"--log-file={log}"]
    _finish(_start(target, target.headers[0], options), calls)
    return sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())


def _start(
    target: Target, headers: Sequence[str], options: Sequence[str]
) -> "subprocess.Popen[str]":
    command = ["h2load", *options, "-d", str(target.body)]
    for header in headers:
        command += ["-H", header]
    return subprocess.Popen(
        [*command, target.url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _finish(process: "subprocess.Popen[str]", calls: int) -> None:
    output, _ = process.communicate(timeout=RUN_SECONDS_MAX)
    succeeded = re.search(r"status codes: (\d+) 2xx", output)
    if process.returncode or succeeded is None or int(succeeded[1]) != calls:
        raise LoadFailed(f"not every call was answered with success:\n{output}")
