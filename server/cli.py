"""The command `bottrading`: serve, open, token, key, account, migrate, verify and others."""

import logging
import os
import signal
import sys
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from rest_bridge.line_writer import LineWriter, log_through
from rest_bridge.log_lines import formatter
from server import config, key_commands
from server.config import Settings, SettingsError
from server.credentials import known_identity, sign_in_link, signed_token
from server.domain.user import Plan
from server.processes.exit_status import ExitStatus, ServiceFailed
from server.venue_settings import ENVIRONMENT_PREFIX

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(key_commands.app, name="key")


def main() -> None:
    """Run the command line; report a wrong setting in one line and exit with status USAGE."""
    # Only the owner may read or write what is created in the data directory.
    os.umask(0o077)
    # gRPC would log a busy port or a lost connection besides our own line.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    arguments = sys.argv[1:] or ["--help"]
    status = ExitStatus.USAGE
    try:
        sys.exit(app(arguments, standalone_mode=False))
    except SettingsError as error:
        message = str(error)
    except ServiceFailed as error:
        status, message = error.status, str(error)
    except typer.TyperException as error:
        told = getattr(error, "format_message", error.__str__)()
        message = " ".join(told.split())
    except OSError as error:
        if error.filename is None:  # An error without a file is not about a setting: it is a bug.
            raise
        message = f"{error.filename}: {error.strerror}"
    print(f"bottrading: {message}", file=sys.stderr)
    sys.exit(status)


def _settings_help() -> str:
    """Return the help of `serve`: every setting with its variable and default."""
    lines = ["Run the service: gRPC server, engine and REST bridge.", "", "\b", "Settings:"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "", ()) else f" [{field.default}]"
        lines.append(f"  {ENVIRONMENT_PREFIX}{name.upper()}{default}\n      {field.description}")
    return "\n".join(lines)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(version("bottrading"))
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Run a paper-trading venue for bots."""


@app.command(help=_settings_help())
def serve(
    data_dir: Annotated[Path | None, typer.Option(help="Default: ./data.")] = None,
    grpc: Annotated[str | None, typer.Option(metavar="HOST:PORT")] = None,
    rest: Annotated[str | None, typer.Option(metavar="HOST:PORT")] = None,
    no_rest: Annotated[bool | None, typer.Option("--no-rest")] = None,
    metrics: Annotated[str | None, typer.Option(metavar="HOST:PORT")] = None,
    market: Annotated[str | None, typer.Option(metavar="simulated|published|replay")] = None,
    feed: Annotated[str | None, typer.Option(metavar="SOURCE")] = None,
    feed_symbols: Annotated[str | None, typer.Option(metavar="BTC/USD,…")] = None,
    usd_equivalent: Annotated[str | None, typer.Option(metavar="USDT,…")] = None,
    sessions: Annotated[str | None, typer.Option(metavar="always-open|exchange")] = None,
    replay_file: Annotated[Path | None, typer.Option()] = None,
    replay_symbol: Annotated[str | None, typer.Option(metavar="SYMBOL")] = None,
    replay_zone: Annotated[str | None, typer.Option(metavar="ZONE")] = None,
    replay_speed: Annotated[float | None, typer.Option()] = None,
    replay_clock: Annotated[str | None, typer.Option(metavar="speed|step")] = None,
    step_participants: Annotated[str | None, typer.Option(metavar="NUMBER|IDS")] = None,
    step_timeout: Annotated[float | None, typer.Option(metavar="SECONDS")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    database: Annotated[str | None, typer.Option(metavar="URL")] = None,
    engine_address: Annotated[str | None, typer.Option(metavar="HOST:PORT")] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure")] = None,
    log_format: Annotated[str | None, typer.Option(metavar="auto|text|json")] = None,
    new: Annotated[
        bool,
        typer.Option("--new", help="Create a lost database again, or accept another one."),
    ] = False,
) -> None:
    # Until the service runs, an interrupt ends the process as SIGTERM does: without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    settings = config.load(
        data_dir=data_dir,
        grpc=grpc,
        rest=rest,
        no_rest=no_rest,
        market=market,
        feed=feed,
        feed_symbols=feed_symbols,
        usd_equivalent=usd_equivalent,
        seed=seed,
        sessions=sessions,
        replay_file=replay_file,
        replay_symbol=replay_symbol,
        replay_zone=replay_zone,
        replay_speed=replay_speed,
        replay_clock=replay_clock,
        step_participants=step_participants,
        step_timeout=step_timeout,
        database=database,
        engine_address=engine_address,
        insecure=insecure,
        metrics=metrics,
        log_format=log_format,
    )
    _run(settings, begin_anew=new)


def _run(settings: config.Settings, *, begin_anew: bool) -> None:
    lines = LineWriter(sys.stderr.fileno())
    # Imported here: the other commands start faster without the server.
    from grpc.aio import InternalError

    from server.processes.foreseen import Foreseen
    from server.processes.supervisor import serve as run

    form = formatter(settings.log_format, "front", sys.stderr)
    # gRPC raises InternalError when a caller leaves while its answer is being sent.
    log_through(lines, form, Foreseen(InternalError))

    try:
        run(
            settings,
            lines,
            sign_in_link=partial(sign_in_link, settings, subject=key_commands.DEFAULT_PERSON),
            begin_anew=begin_anew,
        )
    finally:
        logging.shutdown()
        lines.close()


@app.command()
def token(
    subject: str,
    name: Annotated[
        str | None, typer.Option(help="Name to show. Default: as stored, else the subject.")
    ] = None,
    plan: Annotated[Plan | None, typer.Option(help="Default: as stored, else Standard.")] = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="Permit publishing quotes and depositing.")
    ] = False,
    ttl: Annotated[int, typer.Option(metavar="SECONDS", help="Lifetime of the token.")] = 3600,
    data_dir: key_commands.DataDir = None,
) -> None:
    """Print a token for SUBJECT, signed with the secret of the data directory."""
    from server.rpc.tokens import LIFETIME_SECONDS_MAX

    settings = config.load(data_dir=data_dir)
    if not 1 <= ttl <= LIFETIME_SECONDS_MAX:
        raise SettingsError(f"ttl: must be from 1 to {LIFETIME_SECONDS_MAX} seconds, not {ttl}")
    identity = known_identity(settings, subject, name=name, plan=plan, is_operator=operator)
    print(signed_token(settings, identity, ttl))


@app.command()
def account(
    person: key_commands.Person = key_commands.DEFAULT_PERSON,
    data_dir: key_commands.DataDir = None,
) -> None:
    """Print the id of a person's first account, in a running service."""
    with key_commands.KeyService(config.load(data_dir=data_dir), person) as service:
        print(service.first_account_id())


@app.command("open")
def open_(
    person: Annotated[
        str, typer.Option(metavar="SUBJECT", help="The person to sign in, as in `token`.")
    ] = key_commands.DEFAULT_PERSON,
    data_dir: key_commands.DataDir = None,
) -> None:
    """Print a link that opens the page of a running service and signs a person in, once."""
    settings = config.load(data_dir=data_dir)
    print(sign_in_link(settings, key_commands.page_url(settings), person))


@app.command()
def bridge(
    target: Annotated[str, typer.Option(metavar="HOST:PORT", help="The gRPC server.")],
    rest: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen.")] = (
        "127.0.0.1:8080"
    ),
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow plaintext beyond this machine.")
    ] = False,
    log_format: Annotated[str | None, typer.Option(metavar="auto|text|json")] = None,
) -> None:
    """Run the REST bridge alone, in front of a gRPC server."""
    command = [sys.executable, "-P", "-m", "rest_bridge", "--target", target, "--rest", rest]
    command += ["--insecure"] * insecure
    os.execv(sys.executable, command + (["--log-format", log_format] if log_format else []))


@app.command()
def migrate(
    data_dir: Annotated[Path | None, typer.Option()] = None,
    database: Annotated[str | None, typer.Option(metavar="URL")] = None,
) -> None:
    """Bring the database's schema up to date."""
    from server.processes.starting import prepare_database
    from server.secret_files import open_data_dir

    settings = config.load(data_dir=data_dir, database=database)
    open_data_dir(settings)
    revision = prepare_database(settings)
    print(f"{settings.location}: schema {revision}")


@app.command("cluster-ca")
def cluster_ca(
    hosts: Annotated[list[str], typer.Argument(help="Names or IP addresses of the machines.")],
    out: Annotated[Path, typer.Option(metavar="DIRECTORY", help="Of the files to write.")],
) -> None:
    """Write certificates with which servers of one venue on several machines trust each other."""
    from server.bootstrap.adapters import system_clock
    from server.engine_certificates import write_certificates
    from server.market.moments import to_datetime

    for path in write_certificates(out, hosts, to_datetime(system_clock())):
        print(path)


@app.command()
def copy(
    source: Annotated[
        str, typer.Option("--from", metavar="URL", help="sqlite:///FILE or postgresql://…")
    ],
    target: Annotated[
        str, typer.Option("--to", metavar="URL", help="A database that holds no venue.")
    ],
    data_dir: key_commands.DataDir = None,
) -> None:
    """Copy a stopped venue to another database and verify the copy; status 1 means faults."""
    from server.copy_command import run

    sys.exit(run(source, target, data_dir))


@app.command("accept-loss")
def accept_loss(
    data_dir: Annotated[Path | None, typer.Option()] = None,
    database: Annotated[str | None, typer.Option(metavar="URL")] = None,
) -> None:
    """Let a stopped venue go on whose database lacks transactions; older cursors then fail."""
    from server.loss_command import run

    run(config.load(data_dir=data_dir, database=database))


@app.command()
def verify(
    data_dir: Annotated[Path | None, typer.Option()] = None,
    database: Annotated[str | None, typer.Option(metavar="URL")] = None,
) -> None:
    """Check the whole database; exit status 1 means faults. A server may run meanwhile."""
    from server.verify_command import run

    sys.exit(run(config.load(data_dir=data_dir, database=database)))


@app.command()
def report(
    account: Annotated[str, typer.Option(metavar="ACCOUNT_ID", help="As `account` prints it.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")],
    data_dir: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Write an HTML page about an account. A server may run meanwhile."""
    settings = config.load(data_dir=data_dir)
    if not out.parent.is_dir():
        raise SettingsError(f"out: {out.parent} is not a directory")
    try:
        from server.report.page import write_report
    except ModuleNotFoundError as error:
        raise SettingsError(f"report needs {error.name}; run `make setup-report`") from None
    from server.application.ports import StorageBroken, StorageUnavailable
    from server.report.contents import ReportUnavailable, read_contents

    try:
        write_report(read_contents(settings, account), out)
    except (ReportUnavailable, StorageBroken, StorageUnavailable, OSError) as error:
        raise SettingsError(f"report: {error}") from None
    print(out)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def mcp(context: typer.Context) -> None:
    """Serve trading tools to AI agents over MCP: see `bottrading mcp --help`."""
    if find_spec("bottrading_mcp") is None:
        raise SettingsError("mcp needs bottrading_mcp; run `make setup-mcp`")
    os.execv(sys.executable, [sys.executable, "-P", "-m", "bottrading_mcp", *context.args])


@app.command()
def feed(
    source: Annotated[str, typer.Argument(help="Such as ccxt:kraken, alpaca or lines.")],
    symbols: Annotated[
        list[str] | None, typer.Argument(help="Such as BTC/USD; `lines` needs none.")
    ] = None,
    usd_equivalent: Annotated[str | None, typer.Option(metavar="USDT,…")] = None,
    log_format: Annotated[str | None, typer.Option(metavar="auto|text|json")] = None,
    data_dir: key_commands.DataDir = None,
) -> None:
    """Publish live prices to a running service with a published market, until stopped."""
    from server.feed_command import run

    settings = config.load(data_dir=data_dir, usd_equivalent=usd_equivalent, log_format=log_format)
    run(settings, source, symbols or ())


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def universe(context: typer.Context) -> None:
    """Print the instruments of a source of prices: see `bottrading universe --help`."""
    _ask_source("bottrading_feeds.universe", context)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def history(context: typer.Context) -> None:
    """Write bars of a source to a file for a replay: see `bottrading history --help`."""
    _ask_source("bottrading_feeds.history", context)


def _ask_source(module: str, context: typer.Context) -> None:
    if find_spec("bottrading_feeds") is None:
        raise SettingsError(f"{context.info_name} needs bottrading_feeds; run `make setup`")
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *context.args])
