"""Pages made from the code: the reference of the contract, its endpoints, and the settings.

`python docs/generate.py PAGE build/contract.binpb` prints one of them; the descriptors need source
info.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args, get_origin

import typer
from annotated_types import Ge, Gt, Le, Lt
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
from pydantic.fields import FieldInfo

from bottrading.v1 import annotations_pb2 as contract
from server.cli import app
from server.config import Settings
from server.venue_settings import ENVIRONMENT_PREFIX

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

A server that runs with `BOTTRADING_REFLECTION=true` answers requests for its schema: then leave
`--schema proto` out. `grpcurl` and other tools that ask by reflection, v1 or v1alpha, find all of
the contract there.
"""
ENDPOINTS = """\
# Endpoints

Made from the contract, by `make docs`. Each path stands under `/api/trade/v1/bot` and under
`/api/v1/bot`. The name of a call leads to its fields in the [reference](reference.md). The running
service describes the same under `/openapi.json` and `/docs`.

A bot key goes into the header `X-Bot-Key`, a token into `Authorization: Bearer …`, a stream ticket
into the parameter `ticket`. Beside a token, `X-Account-Id` names the account. The guide for
[authors of bots](bot-authors.md#a-key) says how to get a key, the one for
[operators](operators.md#people) how to get a token.

| method | path | credential | costs | call | |
|---|---|---|---|---|---|
"""
UNCONTRACTED = """
Without a credential the service answers `GET /healthz` and `GET /readyz`. On the gRPC port the same
is `grpc.health.v1`.
"""
SETTINGS = """\
# Settings

Made from `server/venue_settings.py` and `server/config.py`, by `make docs`. A setting is a variable
of the environment, and for some also an option of `bottrading serve`. An option overrides the
variable. A wrong setting ends the start with status 2 and one line that names it. The guide for
[operators](operators.md) says when to change which.

| variable | option | takes | default | |
|---|---|---|---|---|
"""
UNITS = {
    "seconds": " of seconds",
    "megabytes_max": " of megabytes",
    "per_minute": " a minute",
    "balance": " of US dollars",
    "margin_initial": " in percent",
    "margin_maintenance": " in percent",
    "rate": " in percent",
}
"""What a number counts, by the end of its setting's name."""
CREDENTIALS = {
    contract.CREDENTIAL_BOT_KEY: "bot key{}",
    contract.CREDENTIAL_BOT_KEY_OR_TICKET: "bot key{}, token or stream ticket",
    contract.CREDENTIAL_BOT_KEY_OR_USER_TOKEN: "bot key{} or token",
    contract.CREDENTIAL_USER_TOKEN: "token",
    contract.CREDENTIAL_OPERATOR_TOKEN: "operator's token",
    contract.CREDENTIAL_SIGN_IN_TOKEN: "sign-in token",
}
SCOPES = {
    contract.REQUIRED_SCOPE_UNSPECIFIED: "",
    contract.REQUIRED_SCOPE_NONE: "",
    contract.REQUIRED_SCOPE_READ: " with scope READ",
    contract.REQUIRED_SCOPE_TRADE: " with scope TRADE",
}
COSTS = {
    contract.SPENDS_NOTHING: "nothing",
    contract.SPENDS_REQUEST: "a request",
    contract.SPENDS_ORDER: "an order and a request",
}
TYPES = FieldDescriptorProto.Type
FIELD, VALUE, METHOD = 2, 2, 2
MESSAGE, ENUM, SERVICE = 4, 5, 6
"""Numbers in the paths of source info: parts of a file, of a message, of an enum, of a service."""


@dataclass
class Contract:
    """What the files declare, by name, and the comment on each of these names."""

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


def main(page: str, path: str) -> None:
    """Print a page."""
    read, known = FileDescriptorSet.FromString(Path(path).read_bytes()), Contract()
    for file in read.file:
        if file.package == PACKAGE and not file.name.endswith("/annotations.proto"):
            known.add(file)
    make = {"reference": _reference, "endpoints": _endpoints, "settings": _settings}[page]
    sys.stdout.write(re.sub(r"\n{3,}", "\n\n", "\n".join(make(known))).strip() + "\n")


def _endpoints(known: Contract) -> Iterator[str]:
    yield ENDPOINTS.rstrip()
    for name, service in known.services.items():
        for method in service.method:
            rule = method.options.Extensions[annotations_pb2.http]
            who, cost = _caller(method), COSTS[method.options.Extensions[contract.spends]]
            told = _sentence(known.comments[f"{name}.{method.name}"])
            call = f"[{method.name}](reference.md#{method.name.lower()})"
            for one in (rule, *rule.additional_bindings):
                verb = one.WhichOneof("pattern") or ""
                way = f"{verb.upper()} | `{getattr(one, verb)}`"
                yield f"| {way} | {who} | {cost} | {call} | {told} |"
    yield UNCONTRACTED


def _sentence(comment: str) -> str:
    """Return the first sentence, without its full stop, for a cell of a table."""
    first = re.split(r"\.(?=\s|$)", comment.replace("\n", " "), maxsplit=1)[0]
    return first.replace("|", "\\|")


def _settings(_: Contract) -> Iterator[str]:
    command = cast("typer.core.TyperGroup", typer.main.get_command(app))
    parameters = command.commands["serve"].params
    options = {it.name: it.opts[0] for it in parameters}
    # Settings for which the command shows the form of a value, such as HOST:PORT, and not its
    # choices.
    forms = {it.name: str(it.metavar) for it in parameters if it.metavar}
    yield SETTINGS.rstrip()
    for name, one in Settings.model_fields.items():
        form = forms.get(name, "|")
        cells = (
            f"`{ENVIRONMENT_PREFIX}{name.upper()}`",
            f"`{options[name]}`" if name in options else "",
            _taken(name, one) if "|" in form else f"`{form}`",
            _default(one),
            one.description or "",
        )
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _default(one: FieldInfo) -> str:
    if one.default in (None, "", ()):
        return ""
    text = str(one.default)
    return f"`{text.lower() if isinstance(one.default, bool) else text}`"


def _taken(name: str, one: FieldInfo) -> str:
    """Return what a setting takes: its kind, its unit and its bounds."""
    kinds = [it for it in get_args(one.annotation) or (one.annotation,) if it is not type(None)]
    unit = next((it for end, it in UNITS.items() if name.endswith(end)), "")
    if get_origin(one.annotation) is Literal:
        return " or ".join(f"`{it}`" if it else "nothing" for it in kinds)
    if get_origin(one.annotation) is tuple:
        return "a list, separated by commas"
    if kinds == [bool]:
        return "`true` or `false`"
    if kinds == [Path]:
        return "a path"
    if kinds == [str]:
        return f"a decimal{unit}" if unit else "text"
    whole = "a whole number" if kinds == [int] else "a number"
    return whole + unit + "".join(_bound(it) for it in one.metadata)


def _bound(one: object) -> str:
    match one:
        case Ge(ge=bound):
            told = " from"
        case Gt(gt=bound):
            told = " above"
        case Le(le=bound):
            told = " up to"
        case Lt(lt=bound):
            told = " below"
        case _:
            return ""
    return f"{told} {bound:,}".replace(",", " ")


def _reference(known: Contract) -> Iterator[str]:
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
    cost = COSTS[options.Extensions[contract.spends]]
    told = " or ".join(ways) + (f", {status}" if status else "")
    return f"{told} · {_caller(method)} · costs {cost}"


def _caller(method: MethodDescriptorProto) -> str:
    """Return which credential opens a method."""
    said = method.options.Extensions
    return CREDENTIALS[said[contract.credential]].format(SCOPES[said[contract.scope]])


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
    """Return a comment as Markdown, without the space that follows its slashes."""
    return "\n".join(line.removeprefix(" ").rstrip() for line in comment.splitlines()).strip()


def _name(type_name: str) -> str:
    return type_name.rpartition(".")[2]


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


if __name__ == "__main__":
    main(*sys.argv[1:])
