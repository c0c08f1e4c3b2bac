"""Hostile inputs: nearly valid messages and JSON bodies, from the contract and at random."""

import json
import random
from collections.abc import Sequence
from urllib.parse import quote, quote_from_bytes

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

DEPTH_MAX = 4
SYMBOLS = ("AAPL", "MSFT", "BTC-USD", "EUR-USD", "MGC", "SPY", "AAPL261218C00260000", "aapl", "ZZZ")
DECIMALS = (
    "1",
    "0.01",
    "10",
    "100.005",
    "0.00000001",
    "0.000000001",
    "0",
    "-1",
    "-0",
    "+1",
    "1e3",
    "1E-9",
    "1e999999999",
    "NaN",
    "Infinity",
    "-inf",
    "1_000",
    " 1",
    "1 ",
    "0x10",
    "١٠",
    "1.2.3",
    ".",
    "1,5",
    "9999999999",
    "92233720368.54775807",
    "92233720368.54775808",
    "9" * 40,
    "0." + "3" * 60,
)
TEXTS = (
    "",
    "a",
    "order-1",
    "x" * 64,
    "x" * 65,
    "x" * 128,
    "x" * 129,
    "y" * 5_000,
    "\0",
    "a\nb",
    "ünï",
    "🤖" * 40,
    "'; DROP TABLE accounts; --",
    "%s%n",
    "../../etc/passwd",
    "\u202e",
    "null",
    "true",
    "0198c0de-0000-7000-8000-000000000000",
    "tvt_" + "a" * 40,
)
INTEGERS = (0, 1, 2, 7, 20, 100, 1_000, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1)
RAW_JSON = (
    "null",
    "true",
    "0",
    "-0",
    "1",
    "-1",
    "1.5",
    "0.30000000000000004",
    "1e5",
    "1e400",
    "1e-400",
    "NaN",
    "Infinity",
    "[]",
    "{}",
    "[1]",
    '[""]',
    '{"a": 1}',
    '""',
    '"\\ud800"',
    '"\\u0000"',
    "9" * 30,
    "[[[[[[[[[[]]]]]]]]]]",
    "'a'",
    "",
    '"1',
    "01",
    "+1",
    "1.",
    ".5",
)
RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


class Hostile:
    """Makes inputs from one seed; `known` are texts that name something, such as ids of orders."""

    def __init__(self, seed: int, known: Sequence[str] = ()) -> None:
        self._chance = random.Random(seed)
        self.known = list(known)

    def body(self, descriptor: Descriptor) -> bytes:
        """Return the bytes of a request: mostly a message, one in ten random."""
        if self._chance.random() < 0.1:
            return self._chance.randbytes(self._chance.choice((0, 1, 3, 20, 200, 3_000)))
        body = self._message(descriptor, 0).SerializeToString()
        return self._spoiled(body) if self._chance.random() < 0.4 else body

    def json(self, descriptor: Descriptor, without: Sequence[str] = ()) -> bytes:
        """Return the text of a JSON object for a request, whole or spoiled."""
        if self._chance.random() < 0.05:
            return self._chance.choice(RAW_JSON).encode()
        body = self._object(descriptor, 0, without).encode("utf-8", "surrogatepass")
        return self._spoiled(body) if self._chance.random() < 0.3 else body

    def query(self, descriptor: Descriptor, without: Sequence[str] = ()) -> str:
        """Return a query for a request without a body."""
        fields = [field for field in descriptor.fields if field.name not in without]
        chosen = [field for field in fields if self._chance.random() < 0.5]
        pairs = [f"{field.name}={self._quoted(field)}" for field in chosen]
        if self._chance.random() < 0.1:
            pairs.append(self._chance.choice(("a", "=", "limit=1&limit=2", "%ff=1", "x=%zz", "&&")))
        return "&".join(pairs)

    def segment(self, name: str) -> str:
        """Return a percent-encoded value for a parameter of a path."""
        if self._chance.random() < 0.05:
            return quote_from_bytes(self._chance.randbytes(4), safe="")
        return quote(self._text(name), safe="") or "-"

    def choice(self, options: Sequence[str]) -> str:
        """Return one of some options."""
        return self._chance.choice(options)

    def _quoted(self, field: FieldDescriptor) -> str:
        if field.enum_type is not None and self._chance.random() < 0.6:
            name = self._chance.choice([value.name for value in field.enum_type.values])
            return quote(name.removeprefix(_prefix(field)), safe="")
        if field.cpp_type in RANGES:
            return str(self._integer(field))
        return quote(self._text(field.name), safe="")

    def _message(self, descriptor: Descriptor, depth: int) -> Message:
        message = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if depth >= DEPTH_MAX or self._chance.random() < 0.35:
                continue
            if field.is_repeated:
                items = [self._value(field, depth) for _ in range(self._chance.choice((1, 2, 150)))]
                if field.message_type is None:
                    getattr(message, field.name).extend(items)
                else:
                    getattr(message, field.name).MergeFrom(items)
            elif field.message_type is not None:
                getattr(message, field.name).CopyFrom(self._value(field, depth))
            else:
                setattr(message, field.name, self._value(field, depth))
        return message

    def _value(self, field: FieldDescriptor, depth: int) -> object:
        if field.message_type is not None:
            return self._message(field.message_type, depth + 1)
        if field.enum_type is not None:
            known = [value.number for value in field.enum_type.values]
            return self._chance.choice([*known, *known, -1, 99, 2**31 - 1])
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return self._chance.random() < 0.5
        if field.cpp_type in RANGES:
            return self._integer(field)
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return self._text(field.name)
        raise TypeError(f"{field.full_name}: no value of this kind is made")

    def _integer(self, field: FieldDescriptor) -> int:
        low, high = RANGES[field.cpp_type]
        number = self._chance.choice(INTEGERS) * self._chance.choice((1, 1, 1, -1))
        return min(max(number, low), high)

    def _text(self, name: str) -> str:
        kind = self._chance.random()
        if kind < 0.1:
            return self._chance.choice(TEXTS)
        if "symbol" in name:
            return self._chance.choice(SYMBOLS)
        if name.endswith("_id") or name == "page_token":
            return self._chance.choice([*self.known, *TEXTS])
        if kind < 0.9 and name not in ("label", "prefix"):
            return self._chance.choice(DECIMALS[:5] if kind < 0.6 else DECIMALS)
        return self._chance.choice(TEXTS)

    def _object(self, descriptor: Descriptor, depth: int, without: Sequence[str] = ()) -> str:
        parts = [
            f"{json.dumps(field.name)}: {self._json_value(field, depth)}"
            for field in descriptor.fields
            if field.name not in without and self._chance.random() < 0.7
        ]
        if self._chance.random() < 0.05:
            parts.append(self._chance.choice(('"unknown": 1', '"symbol": "AAPL"', '"": ""')))
        return "{" + ", ".join(parts) + "}"

    def _json_value(self, field: FieldDescriptor, depth: int) -> str:
        if self._chance.random() < 0.15 or depth >= DEPTH_MAX:
            return self._chance.choice(RAW_JSON)
        if field.is_repeated:
            count = self._chance.choice((0, 1, 2, 150))
            return "[" + ", ".join(self._json_one(field, depth) for _ in range(count)) + "]"
        return self._json_one(field, depth)

    def _json_one(self, field: FieldDescriptor, depth: int) -> str:
        if field.message_type is not None and not field.message_type.full_name.startswith("google"):
            return self._object(field.message_type, depth + 1)
        if field.enum_type is not None:
            name = self._chance.choice([value.name for value in field.enum_type.values])
            return json.dumps(name.removeprefix(_prefix(field)))
        if field.cpp_type in RANGES:
            return str(self._integer(field))
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return self._chance.choice(("true", "false"))
        text = self._text(field.name)
        return text if self._chance.random() < 0.1 else json.dumps(text)

    def _spoiled(self, body: bytes) -> bytes:
        """Change some bytes: flip, cut, insert, repeat."""
        spoiled = bytearray(body)
        for _ in range(self._chance.randint(1, 3)):
            at = self._chance.randrange(len(spoiled) + 1)
            match self._chance.randrange(5):
                case 0 if at < len(spoiled):
                    spoiled[at] ^= 1 << self._chance.randrange(8)
                case 1:
                    del spoiled[at:]
                case 2:
                    spoiled[at:at] = self._chance.randbytes(self._chance.choice((1, 2, 10)))
                case 3:
                    spoiled[at:at] = spoiled[max(at - 20, 0) : at]
                case _:
                    del spoiled[at : at + 1]
        return bytes(spoiled)


def _prefix(field: FieldDescriptor) -> str:
    """Return what the names of an enum begin with and JSON leaves out."""
    assert field.enum_type is not None
    first: str = field.enum_type.values[0].name
    return first.removesuffix("UNSPECIFIED")
