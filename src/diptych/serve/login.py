"""Where a browser shows the token once, and gets it back as a cookie that no script can read."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from diptych.serve.gate import COOKIE, Rules
from diptych.serve.guesses import Guesses

FORM = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>diptych</title><body style="font: 18px system-ui; max-width: 24em; margin: 15vh auto; padding: 0 1em">
<h1>diptych</h1><form method="post" action="/login"><label>Token of this server
<input name="token" type="password" autofocus required style="font: inherit; width: 100%; margin: .5em 0">
</label><button style="font: inherit; padding: .4em 1.2em">Enter</button><p role="alert">{}</p></form></body></html>"""


def add_login(app: FastAPI, rules: Rules, guesses: Guesses) -> None:
    """The routes that make a token a cookie."""

    @app.get("/login", include_in_schema=False)
    async def ask() -> Response:
        return HTMLResponse(FORM.format(""))

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
