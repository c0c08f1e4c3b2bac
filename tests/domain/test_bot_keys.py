"""Bot keys and plans: the form of a key, what is stored of it, and what a plan includes."""

import hashlib
import zlib

import pytest

from server.domain.instrument import AssetType
from server.domain.user import (
    BASE62,
    KEY_RANDOM_LENGTH,
    Permissions,
    Plan,
    form_key,
    hash_key,
    is_valid_label,
    is_well_formed_key,
)

RANDOM_PART = "0123456789ABCDEFGHIJabcdefghij"
KEY = form_key(RANDOM_PART)


def checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    while len(digits) < 6:
        digits = BASE62[number % 62] + digits
        number //= 62
    assert number == 0
    return digits


def test_a_key_is_a_prefix_thirty_random_characters_and_their_checksum() -> None:
    assert form_key(RANDOM_PART) == "tvt_" + RANDOM_PART + checksum(RANDOM_PART)
    assert len(RANDOM_PART) == KEY_RANDOM_LENGTH == 30
    assert len(set(BASE62)) == 62
    assert is_well_formed_key(KEY)


def test_a_checksum_keeps_its_leading_zeros() -> None:
    keys = [form_key(f"{number:030}") for number in range(300)]
    assert all(len(key) == len(KEY) and is_well_formed_key(key) for key in keys)
    assert any(key[-6] == "0" for key in keys)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tvt_",
        KEY[:-1],
        KEY + "0",
        KEY + "\n",
        " " + KEY[:-1],
        "TVT_" + KEY[4:],
        "xyz_" + KEY[4:],
        KEY.replace("A", "B"),
        KEY.swapcase(),
        KEY[:4] + KEY[4:34][::-1] + KEY[34:],
        KEY[:-1] + ("0" if KEY[-1] != "0" else "1"),
        KEY[:10] + "é" + KEY[11:],
        KEY[:10] + "\ud800" + KEY[11:],
    ],
)
def test_a_mistyped_key_is_not_well_formed(text: str) -> None:
    assert not is_well_formed_key(text)


def test_any_single_wrong_character_is_found() -> None:
    for index in range(4, len(KEY)):
        other = "z" if KEY[index] != "z" else "y"
        assert not is_well_formed_key(KEY[:index] + other + KEY[index + 1 :])


def test_only_the_hash_of_a_key_is_kept() -> None:
    assert hash_key(KEY) == hashlib.sha256(KEY.encode()).digest()
    assert len(hash_key(KEY)) == 32


@pytest.mark.parametrize("label", ["a", "my-claude-bot", "two words", "机器人 🤖", "x" * 64])
def test_a_printable_text_names_a_key(label: str) -> None:
    assert is_valid_label(label)


@pytest.mark.parametrize("label", ["", " ", "   ", "x" * 65, "a\nb", "a\tb", "\x00", "a\u202eb"])
def test_an_empty_long_or_unprintable_text_does_not(label: str) -> None:
    assert not is_valid_label(label)


@pytest.mark.parametrize(
    ("plan", "name", "bot_keys", "calls"),
    [
        (Plan.FREE, "Free", 1, 1_000),
        (Plan.STANDARD, "Standard", 5, 10_000),
        (Plan.PROFESSIONAL, "Professional", 25, 100_000),
    ],
)
def test_a_plan_includes_keys_and_calls(plan: Plan, name: str, bot_keys: int, calls: int) -> None:
    assert (plan.value, plan.bot_keys, plan.api_calls_per_day) == (name, bot_keys, calls)


@pytest.mark.parametrize(
    ("permissions", "are_fenced"),
    [
        (Permissions(), False),
        (Permissions(order_notional_max=1), False),
        (Permissions(symbols=("AAPL",)), True),
        (Permissions(asset_types=(AssetType.CRYPTO,)), True),
    ],
)
def test_a_key_is_fenced_when_it_is_for_some_instruments_only(
    permissions: Permissions, *, are_fenced: bool
) -> None:
    assert permissions.are_fenced is are_fenced
