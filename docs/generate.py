"""The reference of the contract, made from the descriptors of the protos and their comments.

`python docs/generate.py build/contract.binpb` prints it; the descriptors need source info.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.api import annotations_pb2, field_behavior_pb2, http_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from bottrading.v1 import annotations_pb2 as contract

PACKAGE = "bottrading.v1"
INTRODUCTION = """\
# The contract

Made from the comments in `proto/bottrading/v1`, by `make docs`. Each REST path stands under
`/api/trade/v1/bot` and `/api/v1/bot`, where the field in brackets is the whole answer and the other
fields of the answer are headers.

Over gRPC a call needs nothing but `proto/`, for instance with
[buf](https://buf.build/docs/cli/installation/), which `make setup-dev` installs too, and a bot key
in `KEY`:

```sh
.venv/bin/buf curl --schema proto --protocol grpc --http2-prior-knowledge \\
  --header "x-bot-key: $KEY" --data '{"symbol": "AAPL"}' \\
  http://127.0.0.1:50051/bottrading.v1.MarketData/GetQuote
```

A server that runs with `BOTTRADING_REFLECTION=true` tells its schema itself: then leave
`--schema proto` out. `grpcurl` and other tools that ask by reflection, v1 or v1alpha, find all of
the contract there.
"""
CREDENTIALS = {
    contract.CREDENTIAL_BOT_KEY: "bot key",
    contract.CREDENTIAL_BOT_KEY_OR_TICKET: "bot key or stream ticket",
    contract.CREDENTIAL_USER_TOKEN: "token",
    contract.CREDENTIAL_OPERATOR_TOKEN: "operator's token",
}
TYPES = FieldDescriptorProto.Type
FIELD, VALUE, METHOD = 2, 2, 2
MESSAGE, ENUM, SERVICE = 4, 5, 6
"""Numbers of what source info calls a path: which part of a file, a message, an enum, a service."""


@dataclass
class Contract:
    """What the files declare, by name, and what they say about it."""

    services: dict[str, ServiceDescriptorProto] = field(default_factory=dict)
    messages: dict[str, DescriptorProto] = field(default_factory=dict)
    enums: dict[str, EnumDescriptorProto] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)

    def add(self, file: FileDescriptorProto) -> None:
        """Take in one file."""
        said = {
            tuple(place.path): place.leading_comments
            for place in file.source_code_info.location
            if place.leading_comments
        }
        for number, service in enumerate(file.service):
            self.services[service.name] = service
            self._describe(said, (SERVICE, number), service.name, METHOD, service.method)
        for number, message in enumerate(file.message_type):
            self.messages[message.name] = message
            self._describe(said, (MESSAGE, number), message.name, FIELD, message.field)
        for number, enum in enumerate(file.enum_type):
            self.enums[enum.name] = enum
            self._describe(said, (ENUM, number), enum.name, VALUE, enum.value)

    def _describe(
        self,
        said: dict[tuple[int, ...], str],
        path: tuple[int, ...],
        name: str,
        kind: int,
        parts: Iterable[MethodDescriptorProto | FieldDescriptorProto | EnumValueDescriptorProto],
    ) -> None:
        self.comments[name] = _text(said.get(path, ""))
        for number, part in enumerate(parts):
            comment = said.get((*path, kind, number), "")
            self.comments[f"{name}.{part.name}"] = _text(comment)

    def of_calls(self) -> set[str]:
        """Return the names of requests and answers."""
        return {
            _name(type_name)
            for service in self.services.values()
            for method in service.method
            for type_name in (method.input_type, method.output_type)
        }


def main(path: str) -> None:
    """Print the reference."""
    read, known = FileDescriptorSet.FromString(Path(path).read_bytes()), Contract()
    for file in read.file:
        if file.package == PACKAGE and not file.name.endswith("/annotations.proto"):
            known.add(file)
    sys.stdout.write(re.sub(r"\n{3,}", "\n\n", "\n".join(_page(known))).strip() + "\n")


def _page(known: Contract) -> Iterator[str]:
    shared = [name for name in sorted(known.messages) if name not in known.of_calls()]
    enums = [name for name in sorted(known.enums) if name != "ErrorReason"]
    yield INTRODUCTION
    for name, service in known.services.items():
        yield f"- [{name}](#{name.lower()}): {', '.join(_link(one.name) for one in service.method)}"
    yield f"- [Messages](#messages): {', '.join(map(_link, shared))}"
    yield f"- [Enums](#enums): {', '.join(map(_link, [*enums, 'ErrorReason']))}"
    for service in known.services.values():
        yield from _service(known, service)
    yield "\n## Messages\n"
    for name in shared:
        yield from (f"\n### {name}\n", known.comments[name], "")
        yield from _fields(known, name)
    yield "\n## Enums\n"
    for name in [*enums, "ErrorReason"]:
        yield from (f"\n### {name}\n", known.comments[name], "")
        yield from _values(known, name)


def _service(known: Contract, service: ServiceDescriptorProto) -> Iterator[str]:
    yield from (f"\n## {service.name}\n", known.comments[service.name], "")
    for method in service.method:
        asked, answered = _name(method.input_type), _name(method.output_type)
        streams = "stream of " if method.server_streaming else ""
        yield from (f"\n### {method.name}\n", _rest(method), "")
        yield from (known.comments[f"{service.name}.{method.name}"], "")
        yield from (f"**{asked}**: {known.comments[asked]}", "", *_fields(known, asked))
        yield from (f"\n**{streams}{answered}**: {known.comments[answered]}", "")
        yield from _fields(known, answered)


def _rest(method: MethodDescriptorProto) -> str:
    """Return how a call is made over REST, and by whom."""
    options = method.options
    rule = options.Extensions[annotations_pb2.http]
    status = options.Extensions[contract.success_status]
    ways = [_way(one) for one in (rule, *rule.additional_bindings)]
    who = CREDENTIALS[options.Extensions[contract.credential]]
    return " or ".join(ways) + (f", {status}" if status else "") + f" · {who}"


def _way(rule: http_pb2.HttpRule) -> str:
    verb = rule.WhichOneof("pattern") or ""
    whole = f" [{rule.response_body}]" if rule.response_body else ""
    return f"`{verb.upper()} {getattr(rule, verb)}`{whole}"


def _fields(known: Contract, name: str) -> Iterator[str]:
    message = known.messages[name]
    if not message.field:
        return
    yield "| field | type | |"
    yield "|---|---|---|"
    for one in message.field:
        comment = known.comments[f"{name}.{one.name}"].replace("\n", " ").replace("|", "\\|")
        yield f"| `{one.name}` | {_type(message, one)} | {comment} |"


def _type(message: DescriptorProto, one: FieldDescriptorProto) -> str:
    name = _name(one.type_name)
    if one.type_name.startswith(f".{PACKAGE}."):
        shown = _link(name)
    elif name:
        shown = name
    elif one.options.Extensions[contract.decimal]:
        shown = "decimal"
    else:
        shown = TYPES.Name(one.type).removeprefix("TYPE_").lower()
    if one.label == FieldDescriptorProto.LABEL_REPEATED:
        shown = f"list of {shown}"
    if field_behavior_pb2.REQUIRED in one.options.Extensions[field_behavior_pb2.field_behavior]:
        return f"{shown}, required"
    if one.HasField("oneof_index") and not one.proto3_optional:
        return f"{shown}, one of `{message.oneof_decl[one.oneof_index].name}`"
    return f"{shown}, optional" if one.proto3_optional else shown


def _values(known: Contract, name: str) -> Iterator[str]:
    yield "| value | |"
    yield "|---|---|"
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper() + "_"
    for one in known.enums[name].value:
        if one.number:
            comment = known.comments[f"{name}.{one.name}"].replace("\n", " ").replace("|", "\\|")
            yield f"| `{one.name.removeprefix(prefix)}` | {comment} |"


def _text(comment: str) -> str:
    """Return a comment as Markdown: the space after its slashes is none of it."""
    return "\n".join(line.removeprefix(" ").rstrip() for line in comment.splitlines()).strip()


def _name(type_name: str) -> str:
    return type_name.rpartition(".")[2]


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


if __name__ == "__main__":
    main(sys.argv[1])
