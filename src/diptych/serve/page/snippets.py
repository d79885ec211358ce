"""The present settings as commands to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any


def curl(url: str, model: str, controls: Mapping[str, Any]) -> str:
    fields = [f"-F {shlex.quote(f'{name}={value}')}" for name, value in plain(controls).items()]
    pictures = [f"-F {name}=@{name}.png" for name in files(controls)]
    end = f"{url}/v1/models/{model}/translate -o result.png"
    return " ".join(["curl -F image=@picture.png", *fields, *pictures, end])


def python(url: str, model: str, controls: Mapping[str, Any]) -> str:
    pictures = "".join(f', "{name}": open("{name}.png", "rb")' for name in files(controls))
    return f"""import httpx

answer = httpx.post(
    "{url}/v1/models/{model}/translate",
    files={{"image": open("picture.png", "rb"){pictures}}},
    data={json.dumps({name: str(value) for name, value in plain(controls).items()})},
)
open("result.png", "wb").write(answer.raise_for_status().content)"""


def plain(controls: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in controls.items() if value is not None and not isinstance(value, bytes)}


def files(controls: Mapping[str, Any]) -> list[str]:
    """The controls that are pictures."""
    return [name for name, value in controls.items() if isinstance(value, bytes)]
