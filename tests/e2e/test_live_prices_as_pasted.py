"""The commands of README and guide that trade on live prices work as pasted, on a stand-in."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_first_hour import PRELUDE, end, steps
from tests.support.exchanges.elsewhere import elsewhere
from tests.support.exchanges.kraken import kraken_of_guides
from tests.support.process import free_port

FEEDS = r"127\.0\.0\.1:(?:5005[34]|808[23])"


@pytest.mark.parametrize("page", ["README.md", "docs/live-prices.md"])
@pytest.mark.timeout(240)
def test_live_prices_come_as_pasted(tmp_path: Path, page: str) -> None:
    script = "".join(step.script() for step in steps(page) if re.search(FEEDS, step.text))
    ports: dict[str, str] = {}

    def elsewhere_too(found: "re.Match[str]") -> str:
        return ports.setdefault(found[0], f"127.0.0.1:{free_port()}")

    script = re.sub(FEEDS, elsewhere_too, script.replace("make setup-ccxt\n", ""))
    script = script.replace(".venv/bin/bottrading", f"{sys.executable} -m server")
    rest = next(ours for named, ours in ports.items() if ":80" in named)
    script += f"until [[ $(curl -s {rest}/readyz) == *'\"fresh\":2'* ]]; do sleep 0.2; done\n"
    with (
        elsewhere(kraken_of_guides) as (exchange, _),
        (tmp_path / "complained").open("w") as errors,
    ):
        terminal = subprocess.Popen(
            ["bash", "-euc", PRELUDE + script],
            cwd=tmp_path,
            env=os.environ | {"BOTTRADING_FEED_URLS": exchange.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            said = terminal.communicate(timeout=200)[0]
        finally:
            end(terminal.pid)
            terminal.wait()

    assert terminal.returncode == 0, (tmp_path / "complained").read_text()
    if page != "README.md":
        assert '"symbol":"BTC-USD"' in said
        assert '"stale":false' in said
