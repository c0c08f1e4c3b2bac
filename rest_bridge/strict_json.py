"""Strict JSON: parses a request body and keeps its numbers as they were written."""

import json
from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """The text of a number, so that nothing is rounded and no exponent is expanded."""

    text: str


class NotStrictJson(ValueError):
    """The bytes are not a strict JSON object; the message tells the caller why."""


def parse_object(body: bytes) -> dict[str, object]:
    """Parse a JSON object; an empty body counts as an empty object.

    Refuses what Python's parser accepts: NaN and Infinity, a repeated name, and bytes that are not
    UTF-8. Raises NotStrictJson.
    """
    if not body:
        return {}
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise NotStrictJson("The body must be UTF-8.") from None
    except json.JSONDecodeError as error:
        raise NotStrictJson(
            f"The body must be JSON: {error.msg}, at character {error.pos}."
        ) from None
    except RecursionError:
        raise NotStrictJson("The body must be nested less deeply.") from None
    if type(value) is not dict:
        raise NotStrictJson("The body must be a JSON object.")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise NotStrictJson("A name must occur once in a JSON object.")
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not JSON: send a number or null.")


# Built once, because building a decoder with hooks costs more than parsing a small body.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=JsonNumber,
    parse_int=JsonNumber,
    parse_constant=_refuse_constant,
)
