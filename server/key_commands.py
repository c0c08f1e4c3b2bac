"""The commands `bottrading key …`: make, list and revoke bot keys of a running service.

They call the service through the socket in its data directory, with a token that they sign
themselves. So they need neither an address nor certificates.
"""

import socket
import sys
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import orjson
import typer

from server import config
from server.config import PAGE_FILE, SOCKET_FILE, Settings, SettingsError
from server.credentials import known_identity, signed_token
from server.domain.user import Scope

if TYPE_CHECKING:
    import grpc
    from google.protobuf.timestamp_pb2 import Timestamp

    from bottrading.v1.bot_key_pb2 import BotKey

TOKEN_SECONDS = 60
ANSWER_SECONDS_MAX = 10.0
DEFAULT_PERSON = "me"

app = typer.Typer()

Person = Annotated[str, typer.Option(metavar="SUBJECT", help="The person, as in `token`.")]
DataDir = Annotated[
    Path | None, typer.Option(help="The service's data directory. Default: ./data.")
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    """Make, list and revoke bot keys of a running service."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def create(
    label: Annotated[str, typer.Option(metavar="NAME", help="Your name for the key.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(case_sensitive=False, help="What the key may do. Default: all."),
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="AAPL,SPY", help="The only symbols that the key may use.")
    ] = None,
    order_notional_max: Annotated[
        str | None, typer.Option(metavar="DOLLARS", help="Largest value of one order.")
    ] = None,
    person: Person = DEFAULT_PERSON,
    data_dir: DataDir = None,
) -> None:
    """Make a bot key and print only the key on standard output."""
    from bottrading.v1.bot_key_pb2 import KeyScope
    from bottrading.v1.key_management_pb2 import CreateBotKeyRequest

    request = CreateBotKeyRequest(
        label=label,
        scopes=[KeyScope.Value(f"KEY_SCOPE_{one.value}") for one in scope or ()],
        allowed_symbols=[] if symbols is None else [one.strip() for one in symbols.split(",")],
        order_notional_max=order_notional_max,
    )
    with KeyService(config.load(data_dir=data_dir), person) as service:
        made = service.call("CreateBotKey", request).bot_key
    typer.echo(made.key)
    _tell(f"Key {made.id} ({made.label}) of {person} is made. It is shown only now.")


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="List revoked keys too.")] = False,
    person: Person = DEFAULT_PERSON,
    data_dir: DataDir = None,
) -> None:
    """List live keys, newest first: as a table on a terminal, else as JSON."""
    with KeyService(config.load(data_dir=data_dir), person) as service:
        keys = [key for key in service.keys() if every or not key.HasField("revoked_at")]
    if sys.stdout.isatty():
        _show_table(keys)
        return
    from rest_bridge.answer_fields import message_json

    shown = message_json(keys[0].DESCRIPTOR) if keys else None
    typer.echo(orjson.dumps([shown(key) for key in keys] if shown else []))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `key list` shows it.")],
    person: Person = DEFAULT_PERSON,
    data_dir: DataDir = None,
) -> None:
    """Revoke a key for good."""
    from bottrading.v1.key_management_pb2 import RevokeBotKeyRequest

    with KeyService(config.load(data_dir=data_dir), person) as service:
        revoked = service.call("RevokeBotKey", RevokeBotKeyRequest(key_id=key_id)).bot_key
    _tell(f"Key {revoked.id} ({revoked.label}) of {person} is revoked.")


def page_url(settings: Settings) -> str:
    """Return the URL of the page of a running service; raise SettingsError if there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(_socket(settings)))
        except OSError:
            raise SettingsError(_nobody(settings)) from None
    try:
        return (settings.data_dir / PAGE_FILE).read_text()
    except FileNotFoundError:
        raise SettingsError(
            "the service has no page: it runs with BOTTRADING_PAGE=false or without REST, or the"
            " kernel chose the port of REST"
        ) from None


class KeyService:
    """A client of KeyManagement in a running service, with a token of a person."""

    def __init__(self, settings: Settings, person: str) -> None:
        self._settings = settings
        self._person = person
        self._socket = service_socket(settings)

    def __enter__(self) -> Self:
        # Imported here: the other commands start faster without gRPC.
        import grpc

        from bottrading.v1.key_management_pb2_grpc import KeyManagementStub

        settings = self._settings
        token = signed_token(settings, known_identity(settings, self._person), TOKEN_SECONDS)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._channel = grpc.insecure_channel(f"unix:{self._socket}")
        self._stub = KeyManagementStub(self._channel)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()

    def keys(self) -> "list[BotKey]":
        """Return all keys of the person, newest first."""
        from bottrading.v1.key_management_pb2 import ListBotKeysRequest

        return list(self.call("ListBotKeys", ListBotKeysRequest()).bot_keys)

    def first_account_id(self) -> str:
        """Return the id of the person's first account."""
        from bottrading.v1.key_management_pb2 import ListAccountsRequest

        return str(self.call("ListAccounts", ListAccountsRequest()).accounts[0].bot_user_id)

    def call(self, name: str, request: Any) -> Any:
        """Make a call; raise a SettingsError that says what to do."""
        import grpc

        method = getattr(self._stub, name)
        try:
            return method(request, metadata=self._metadata, timeout=ANSWER_SECONDS_MAX)
        except grpc.RpcError as error:
            raise SettingsError(self._explained(error)) from None

    def _explained(self, error: "grpc.RpcError") -> str:
        from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
        from grpc_status import rpc_status

        info, wrong = ErrorInfo(), BadRequest()
        status = rpc_status.from_call(error)
        for detail in status.details if status is not None else ():
            detail.Unpack(info)
            detail.Unpack(wrong)
        told = " ".join(one.description for one in wrong.field_violations) or error.details() or ""
        match info.reason:
            case "":  # gRPC's own text does not say what to do.
                return _nobody(self._settings)
            case "BOT_KEY_LIMIT_REACHED":
                *_, oldest = (key for key in self.keys() if not key.HasField("revoked_at"))
                command = config.command(self._settings, "key", "revoke", oldest.id, *self._whose)
                return f"{told} The oldest is {oldest.label}: revoke it with `{command}`"
            case "TOKEN_INVALID":
                return (
                    f"{told} Give this command the BOTTRADING_JWT_… settings of the service. If an"
                    " identity provider signs people in, make keys over REST with its token"
                )
            case "BOT_KEY_NOT_FOUND":
                command = config.command(self._settings, "key", "list", *self._whose)
                return f"{told} `{command}` lists yours"
            case _:
                return told

    @property
    def _whose(self) -> tuple[str, ...]:
        return () if self._person == DEFAULT_PERSON else ("--person", self._person)


def service_socket(settings: Settings) -> Path:
    """Return the socket of a running service; raise SettingsError if there is none."""
    path = _socket(settings)
    if not path.exists():
        raise SettingsError(_nobody(settings))
    return path


def _socket(settings: Settings) -> Path:
    # If the directory's path does not fit into an address, the file is a link to the socket.
    return (settings.data_dir / SOCKET_FILE).resolve()


def _nobody(settings: Settings) -> str:
    serve = config.command(settings, "serve")
    return (
        f"no service answers on the data directory {settings.data_dir}: start one"
        f" with `{serve}`, or give the data directory of a running one with --data-dir"
    )


def _show_table(keys: "list[BotKey]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("label", "key", "opens", "last used"):
        table.add_column(name, overflow="fold")
    table.add_column("id", no_wrap=True)
    for key in keys:
        used = _minute(key.last_used_at) if key.HasField("last_used_at") else "never"
        if key.HasField("revoked_at"):
            used = f"revoked {_minute(key.revoked_at)}"
        # As Text: brackets in a label must not be read as markup.
        table.add_row(Text(key.label), f"{key.prefix}…", Text(_opens(key)), used, key.id)
    Console().print(table)


def _opens(key: "BotKey") -> str:
    """Return what a key allows: its scopes, then its other restrictions."""
    from bottrading.v1.bot_key_pb2 import KeyScope
    from bottrading.v1.instrument_pb2 import AssetType

    parts = [KeyScope.Name(number).removeprefix("KEY_SCOPE_") for number in key.scopes]
    parts += key.allowed_symbols
    parts += [AssetType.Name(kind).removeprefix("ASSET_TYPE_") for kind in key.allowed_asset_types]
    if key.HasField("order_notional_max"):
        parts.append(f"to ${key.order_notional_max}")
    return " ".join(parts)


def _minute(time: "Timestamp") -> str:
    return f"{time.ToDatetime(UTC).astimezone():%Y-%m-%d %H:%M}"


def _tell(text: str) -> None:
    """Print a line on standard error if a person reads it there; programs do not need it."""
    if sys.stderr.isatty():
        typer.echo(text, err=True)
