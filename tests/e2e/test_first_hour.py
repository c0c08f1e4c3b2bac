"""The first hour of a stranger: README and guides, command by command, in a fresh clone."""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.exchanges.elsewhere import elsewhere
from tests.support.exchanges.kraken import kraken_of_guides
from tests.support.process import POLL_SECONDS, STOP_SECONDS_MAX, free_port

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/bot-authors.md",
    "docs/live-prices.md",
    "docs/replay.md",
    "docs/agents.md",
    "docs/operators.md",
)
PORTS = (
    "50051",
    "8080",
    "50052",
    "8081",
    "8090",
    "50053",
    "8082",
    "50054",
    "8083",
    "50056",
    "8085",
)
"""The ports that the pages name; the test replaces each by a free one."""
SECONDS_MAX = 900
TOLD = (
    '"status":"FILLED"',
    "FILLED AAPL",
    "buy and hold",
    '"mcpServers"',
    '"orders":null',
    '"replayed":true',
    '"stale":false',
    '"trading_state":"HALTED"',
    '"balance":"102500.00"',
    '"quotes":{"fresh":',
)
"""Some results that the pages promise; everything else must just not fail."""
NOT_PROSE = ("#", "|", "```")

# A refused call ends the script, because a stranger would see it.
PRELUDE = """\
curl() { command curl --fail-with-body "$@"; }
until_ready() {
    for _ in {1..3000}; do
        if command curl -sf "$1/readyz" >/dev/null; then return; fi
        sleep 0.2
    done
    cat ./*.log; return 1
}
"""


@dataclass(frozen=True)
class Step:
    """One block of a page that has to be run, and the line of text before it."""

    page: str
    line: int
    language: str
    text: str
    lead: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    def script(self) -> str:
        """Return the bash commands with which a stranger runs the block."""
        run, before = self.text, ""
        if self.language == "python":
            [name] = re.findall(r"`\.venv/bin/python (\w+\.py)`", self.lead)
            before = f"cat > {name} <<'END'\n{self.text}END\n"
            run = f".venv/bin/python -u {name}\n"
        if "make run" in run or "bottrading serve \\" in run:
            rest = re.findall(r"127\.0\.0\.1:(?:808[0-5])", run)[0]
            return f"{{\n{run}}} > {self.line}.log 2>&1 &\nuntil_ready {rest}\n"
        if "Ctrl-C" in self.lead:
            # It is stopped once it has printed something, as a reader would do.
            return f"{before}sed /FILLED/q < <({run.rstrip()} 2>&1)\n"
        return before + run


def steps(page: str) -> list[Step]:
    """Return the blocks of a page that have to be run, in order."""
    text = (ROOT / page).read_text()
    found = []
    for block in re.finditer(r"(?ms)^```(sh|python)\n(.*?)^```$", text):
        before = [line for line in text[: block.start()].splitlines() if line.strip()]
        paragraph = text[: block.start()].rstrip().rpartition("\n\n")[2].replace("\n", " ")
        lead = "" if before[-1].startswith(NOT_PROSE) else paragraph
        line = text.count("\n", 0, block.start()) + 1
        found.append(Step(page, line, block[1], block[2], lead))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_sentence_leads_to_every_command(page: str) -> None:
    assert [it.where for it in steps(page) if not it.lead] == []


@pytest.mark.skipif(not os.environ.get("FIRST_HOUR"), reason="`make first-hour` installs all anew")
@pytest.mark.timeout(SECONDS_MAX + 60)
def test_every_command_of_readme_and_guides_works_in_a_fresh_clone_one_after_another(
    tmp_path: Path,
) -> None:
    clone = fresh_clone(tmp_path / "bottrading")
    script = "".join(
        f"echo '== {step.where}' | tee -a /dev/stderr\n{step.script()}"
        for page in PAGES
        for step in steps(page)
    )
    ports = {port: str(free_port()) for port in PORTS}
    script = re.sub(rf"(?<=127\.0\.0\.1:)({'|'.join(PORTS)})\b", lambda it: ports[it[0]], script)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BOTTRADING_", "MAKE", "PYTHON", "PYTEST", "VIRTUAL_ENV"))
    } | {
        "BOTTRADING_GRPC": f"127.0.0.1:{ports['50051']}",
        "BOTTRADING_REST": f"127.0.0.1:{ports['8080']}",
        "BOTTRADING_TARGET": f"127.0.0.1:{ports['50051']}",
        "BACKTEST_PORT": str(free_port()),
        "PIP_NO_COMPILE": "1",  # Most modules that pip installs are never imported.
    }
    with (
        elsewhere(kraken_of_guides) as (exchange, _),
        (tmp_path / "said").open("w") as out,
        (tmp_path / "complained").open("w") as errors,
    ):
        environment["BOTTRADING_FEED_URLS"] = exchange.url
        terminal = subprocess.Popen(
            ["bash", "-euc", PRELUDE + script],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
        try:
            status = terminal.wait(SECONDS_MAX)
        finally:
            end(terminal.pid)
            terminal.wait()
    said, complained = ((tmp_path / name).read_text() for name in ("said", "complained"))

    assert status == 0, f"{said[-2000:]}\n{complained[-2000:]}"
    for text in (complained, *(log.read_text() for log in clone.glob("*.log"))):
        assert "Traceback" not in text, text
    for told in TOLD:
        assert told in said, f"{told} is missing in:\n{said}"
    assert (clone / "data-backup/market.secret").exists()


def end(group: int) -> None:
    """End what the terminals still run, and wait until it has gone."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(POLL_SECONDS)
        os.killpg(group, signal.SIGKILL)


def fresh_clone(target: Path) -> Path:
    """Copy what a clone of this tree would have, changes that are not committed included."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
    )
    target.mkdir()
    packed = subprocess.run(
        ["tar", "-c", "--null", "--files-from=-"],
        cwd=ROOT,
        input=listed,
        capture_output=True,
        check=True,
    )
    subprocess.run(["tar", "-x"], cwd=target, input=packed.stdout, check=True)
    return target
