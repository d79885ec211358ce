"""Where a browser shows the token once, and gets it back as a cookie that no script can read."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from diptych.serve.api.guesses import Guesses
from diptych.serve.api.middleware import COOKIE, Rules

FORM = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Diptych</title>
<link rel="stylesheet" href="/login.css"><main><h1><i></i><i></i>Diptych</h1><form method="post" action="/login">
<label>Token of this server
<input name="token" type="password" autocomplete="current-password" autofocus required></label>
<button>Enter</button><p role="alert">{}</p></form></main></html>"""
STYLE = Path(__file__).with_name("login.css")


def add_login(app: FastAPI, rules: Rules, guesses: Guesses) -> None:
    """The routes that make a token a cookie."""

    @app.get("/login", include_in_schema=False)
    async def ask() -> Response:
        return HTMLResponse(FORM.format(""))

    @app.get("/login.css", include_in_schema=False)
    async def style() -> Response:
        return FileResponse(STYLE, media_type="text/css")

    @app.post("/login", include_in_schema=False)
    async def take(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=2) as form:
            token = form.get("token")
        address = request.client.host if request.client else ""
        if wait := guesses.wait(address):
            return HTMLResponse(FORM.format(f"Too many wrong tokens came from where you are: wait {wait} s."), 429)
        if not isinstance(token, str) or not rules.admits(token):
            guesses.wrong(address, str(token or ""))
            return HTMLResponse(FORM.format("That is not the token: look where the server was started."), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", max_age=30 * 86400)
        return answer
