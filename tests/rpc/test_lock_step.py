"""AdvanceClock: which markets refuse it, and which requests are wrong."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import bar_pb2, bot_key_pb2, key_management_pb2
from tests.support.venue import NOON, Bot, VenueFactory, refusal

HOUR = Duration(seconds=3_600)
MARKETS: dict[str, dict[str, Any]] = {
    "simulated": {"market": "simulated", "seed": 1},
    "published": {},
    "a replay with a speed": {"market": "replay", "sessions": "always-open"},
}


@pytest.mark.parametrize("name", MARKETS)
async def test_no_clock_but_that_of_a_lock_step_replay_can_be_advanced(
    start_venue: VenueFactory, name: str, tmp_path: Path
) -> None:
    options = dict(MARKETS[name])
    if options.get("market") == "replay":
        options["replay_file"] = tmp_path / "quotes.csv"
        options["replay_file"].write_text(
            "time,symbol,bid,bid_size,ask,ask_size\n2025-01-02T10:00:00Z,AAPL,1,1,2,1\n"
        )
    bot = await (await start_venue(**options)).bot()

    told = await refusal(bot.call("AdvanceClock", by=HOUR))

    assert (told.code, told.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "MARKET_NOT_STEPPED",
    )
    assert "--market replay" in told.message
    assert "--replay-clock step" in told.message


@pytest.mark.parametrize(
    ("request_fields", "field", "reason"),
    [
        ({}, "until", "FIELD_REQUIRED"),
        ({"by": HOUR, "until": Timestamp(seconds=1)}, "by", "FIELD_INVALID"),
        ({"by": HOUR, "next_bar": bar_pb2.BAR_INTERVAL_1D}, "next_bar", "FIELD_INVALID"),
        ({"by": Duration()}, "by", "FIELD_INVALID"),
        ({"by": Duration(seconds=-1)}, "by", "FIELD_INVALID"),
        ({"by": Duration(nanos=999)}, "by", "FIELD_INVALID"),
        ({"by": Duration(seconds=2**62)}, "by", "FIELD_INVALID"),
        ({"next_bar": 99}, "next_bar", "ENUM_VALUE_UNKNOWN"),
        ({"until": Timestamp(seconds=2**62)}, "until", "FIELD_INVALID"),
        (
            {"until": Timestamp(seconds=1), "from": Timestamp(seconds=2)},
            "until",
            "FIELD_INVALID",
        ),
        ({"by": HOUR, "from": Timestamp(seconds=-(2**60))}, "from", "FIELD_INVALID"),
    ],
)
async def test_a_step_needs_one_time_that_is_not_before_the_callers(
    start_venue: VenueFactory, request_fields: dict[str, Any], field: str, reason: str
) -> None:
    bot = await (await start_venue()).bot()

    told = await refusal(bot.call("AdvanceClock", **request_fields))

    assert (told.reason, told.fields) == (reason, (field,))


async def test_a_key_that_only_reads_moves_no_clock(start_venue: VenueFactory) -> None:
    venue = await start_venue(now=NOON)
    person = venue.person()
    request = key_management_pb2.CreateBotKeyRequest(
        label="reader", scopes=[bot_key_pb2.KEY_SCOPE_READ]
    )
    made = await person.keys.CreateBotKey(request, metadata=person.metadata)
    reader = Bot(venue, made.bot_key.key)

    told = await refusal(reader.call("AdvanceClock", by=HOUR))

    assert told.reason == "KEY_SCOPE_MISSING"
