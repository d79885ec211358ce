"""The page: choose a model, give a picture or draw one, see what becomes of it. It asks nobody else for anything."""

from __future__ import annotations

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before it is imported: it would tell its makers of every start
os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from diptych.serve.engine import Engine
from diptych.serve.page.guard import Guard
from diptych.serve.page.history import History
from diptych.serve.page.layout import build
from diptych.serve.store import Store

POLICY = "; ".join(
    [
        "default-src 'self'",
        # Its settings come as a script in the page, another for every visitor; Gradio compiles scripts and templates.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
"""The content security policy of the page: nothing from anywhere else."""


def mount_page(app: FastAPI, engine: Engine, store: Store, *, limit_mb: float) -> Guard:
    """The application with the page at /."""
    cache = store.place / "page"
    os.environ["GRADIO_TEMP_DIR"] = str(cache.resolve())
    history = History(store)
    blocks = build(engine, history, app.state.jobs)
    blocks.has_launched = True  # or a visitor may name any file of the server's as the picture: see _check_allowed
    blocks.queue(max_size=32, default_concurrency_limit=8, api_open=False)
    font = ["system-ui", "sans-serif"]
    theme = gr.themes.Soft(
        primary_hue="teal", neutral_hue="slate", font=font, font_mono=["ui-monospace", "monospace"]
    ).set(
        button_primary_background_fill="*primary_700",  # these let words stand out 4.5 times or more
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        block_label_text_color="*primary_800",
        block_title_text_color="*primary_800",
        block_label_background_fill_dark="*primary_900",
        block_title_background_fill_dark="*primary_900",
        block_label_text_color_dark="*primary_200",
        block_title_text_color_dark="*primary_200",
    )
    mounted = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[str(Path(history.place).resolve())],
        show_error=False,  # what we say is shown; what libraries say may name files
        max_file_size=int(limit_mb * 1e6),
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        theme=theme,
        css_paths=Path(__file__).parent / "style.css",
    )
    return Guard(mounted, blocks.fns, cache, largest=int(limit_mb * 1e6))
