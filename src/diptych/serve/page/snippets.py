"""The present settings as commands to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any


def curl(url: str, model: str, controls: Mapping[str, Any]) -> str:
    fields = [f"-F {shlex.quote(f'{name}={value}')}" for name, value in plain(controls).items()]
    style = ["-F style=@style.png"] if controls.get("style") is not None else []
    end = f"{url}/v1/models/{model}/translate -o result.png"
    return " ".join(["curl -F image=@picture.png", *fields, *style, end])


def python(url: str, model: str, controls: Mapping[str, Any]) -> str:
    style = ', "style": open("style.png", "rb")' if controls.get("style") is not None else ""
    return f"""import httpx

answer = httpx.post(
    "{url}/v1/models/{model}/translate",
    files={{"image": open("picture.png", "rb"){style}}},
    data={json.dumps({name: str(value) for name, value in plain(controls).items()})},
)
open("result.png", "wb").write(answer.raise_for_status().content)"""


def plain(controls: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in controls.items() if value is not None and not isinstance(value, bytes)}
