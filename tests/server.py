"""Servers for the tests of what is sent to one: on this machine, each wrong, or right, in its own way."""

import base64
import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a GET as the server's `behaviour` says: a status, or one of the names in `do_GET`."""

    def do_GET(self) -> None:
        self.server.requests += 1
        behaviour = self.server.behaviour
        if behaviour == "silent" or (behaviour == "silent later" and self.server.requests > 1):
            self.server.closing.wait()
        elif behaviour == "hangs up":
            self.close_connection = True
        elif behaviour == "web page":
            self.answer(200, "text/html", b"<html>Welcome</html>")
        elif behaviour == "redirects":
            self.answer(302, "text/plain", b"", Location=self.path)
        elif behaviour == "trickles":
            self.answer(200, "application/json", b"", **{"Content-Length": "100000"})
            while not self.server.closing.wait(0.02):
                self.wfile.write(b" ")
        elif behaviour == "endless":
            self.answer(200, "application/json", b"")
            while not self.server.closing.is_set():
                self.wfile.write(b" " * 65_536)
        elif isinstance(behaviour, int):
            self.answer(behaviour, "application/json", b"{}")
        else:  # as Neptune's own would
            self.answer(200, "application/json", b'{"swagger": "2.0", "paths": {}}')

    def answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": kind} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behaviour: str | int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour, self.requests, self.closing = behaviour, 0, threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        pass  # whoever asked has hung up


@contextlib.contextmanager
def serve(behaviour: str | int) -> Iterator[Server]:
    """A server that behaves so, until the block ends."""
    with Server(behaviour) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


def closed_address() -> str:
    """An address of this machine at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def make_token(address: object, **content: str) -> str:
    """A Neptune token of the usual make."""
    return base64.b64encode(json.dumps({"api_address": address, **content}).encode()).decode()
