"""The page: files that a browser runs as they are, a client of /v1 as any other. It asks nobody else for anything."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import FastAPI, Request, Response

from diptych.serve.errors import NotFound

HERE = Path(__file__).parent
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def add_page(app: FastAPI) -> None:
    """The page at /, and its files below /page."""
    files = {path.name: (path.read_bytes(), KINDS[path.suffix]) for path in HERE.iterdir() if path.suffix in KINDS}

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return sent(request, *files["index.html"])

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        if name not in files:
            raise NotFound(f"the page has no file {name[:40]!r}")
        return sent(request, *files[name])


def sent(request: Request, data: bytes, kind: str) -> Response:
    """A file, unless the browser has it already."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=f"{kind}; charset=utf-8", headers=headers)
