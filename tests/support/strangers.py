"""Strangers: connections to a gRPC port that show no credential."""

import socket

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""The connection preface of HTTP/2, with empty settings."""

PING = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)


def stranger(address: str) -> socket.socket:
    """Return a connection that sends the HTTP/2 preface, and then nothing."""
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)))
    connection.sendall(PREFACE)
    connection.setblocking(False)
    return connection


def is_open(connection: socket.socket) -> bool:
    """Tell whether a connection is still open."""
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    return False
