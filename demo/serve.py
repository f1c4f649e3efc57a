"""Serve one page on the loopback address: there a browser lets it use the microphone."""

from __future__ import annotations

import contextlib
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST, PORT = "127.0.0.1", 8137


def server(page: bytes, port: int = PORT) -> ThreadingHTTPServer:
    """A server of `page` at /, and of nothing else. Where the port is taken, any free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page) if found else 0))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if found:
                self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Requests are not printed."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError:
        return ThreadingHTTPServer((HOST, 0), Handler)


def serve(page: bytes) -> None:
    """Serve until Ctrl-C, and open the browser."""
    with server(page) as running, contextlib.suppress(KeyboardInterrupt):
        address = f"http://{HOST}:{running.server_address[1]}/"
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        webbrowser.open(address)
        running.serve_forever()
