"""What went wrong, as a sentence on the page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from diptych.errors import DiptychError


async def said(work: Any) -> Any:
    """What `work` gives; its errors are sentences on the page."""
    try:
        return await work
    except DiptychError as error:
        raise sentence(str(error)) from None


def sentence(words: str) -> gr.Error:
    """What the page shows, and the log does not."""
    return gr.Error(words, duration=10, print_exception=False)
