"""Generic tools: they get the contract from `proto/`, or from the server by reflection."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.venue import Venue, VenueFactory

ROOT = Path(__file__).parents[2]
BUF = str(Path(sys.executable).with_name("buf"))
PLAIN = [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge"]


async def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


async def test_a_call_of_the_reference_works_as_pasted(venue: Venue) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "101")
    [pasted] = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/reference.md").read_text(), re.DOTALL)
    pasted = pasted.replace("127.0.0.1:50051", venue.address).replace(".venv/bin/buf", BUF)

    done = await run("bash", "-euc", f"KEY={bot.key}\n{pasted}")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["quote"]["bid"] == "100.00000000"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_is_answered_under_both_of_its_names(
    start_venue: VenueFactory, version: str
) -> None:
    venue = await start_venue(reflection=True)
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "101")
    asked = [*PLAIN, "--reflect-protocol", f"grpc-{version}"]
    target = f"http://{venue.address}"

    listed = await run(*asked, "--list-services", target)
    called = await run(
        *asked,
        *("--header", f"x-bot-key: {bot.key}", "--data", '{"symbol": "AAPL"}'),
        f"{target}/bottrading.v1.MarketData/GetQuote",
    )
    itself = await run(*asked, "--list-methods", target)

    assert "bottrading.v1.BotTrading" in listed.stdout.split(), listed.stderr
    assert f"grpc.reflection.{version}.ServerReflection" in listed.stdout.split()
    assert json.loads(called.stdout)["quote"]["bid"] == "100.00000000", called.stderr
    assert f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" in itself.stdout


async def test_reflection_is_offered_by_its_setting_only(venue: Venue) -> None:
    done = await run(*PLAIN, "--list-services", f"http://{venue.address}")

    assert done.returncode != 0
    assert "bottrading" not in done.stdout
