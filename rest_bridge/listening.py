"""Checks of addresses to listen at, and the messages when one cannot be used."""

import errno
import socket


def refused(host: str, port: int) -> OSError | None:
    """Return why an address cannot be listened at now."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), port))
    except OSError as error:
        return error
    return None


def explained(setting: str, host: str, port: int, number: int | None) -> str:
    """Return one line that says what is wrong with the address of a setting, from an errno."""
    address = f"{setting}: {host}:{port}"
    elsewhere = f"with --{setting.replace('_', '-')} HOST:PORT or BOTTRADING_{setting.upper()}"
    match number:
        case errno.EADDRINUSE:
            return (
                f"{address} is in use, perhaps by a BotTrading that runs already (`lsof -i :{port}`"
                f" shows by what): end that, or listen elsewhere {elsewhere}"
            )
        case errno.EACCES:
            return f"{address} is for the administrator only: take a port from 1024 on {elsewhere}"
        case _:
            return f"{address} is no address of this machine: give one {elsewhere}"
