"""Many pictures at once, on the page: a job as any other, with its progress and a zip of what came out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import gradio as gr

from diptych.files import atomic
from diptych.serve.jobs import Jobs
from diptych.serve.page.errors import said, sentence
from diptych.serve.page.words import plainly


def show_jobs(jobs: Jobs, model: gr.Dropdown) -> None:
    """Where pictures are given, and where it is seen how far they are."""
    files = gr.File(label="Pictures, or a zip of them", file_count="multiple", elem_id="files")
    with gr.Row():
        start, cancel = gr.Button("Translate all", elem_id="all"), gr.Button("Stop", variant="stop")
    progress = gr.Markdown("", elem_id="progress")
    results = gr.DownloadButton("Save all results", interactive=False, elem_id="zip")
    job = gr.State("")

    async def run(name: str, paths: list[str] | None) -> AsyncIterator[list[Any]]:
        if not paths:
            raise sentence("There are no pictures yet: give some.")
        id = await said(asyncio.to_thread(add_job, jobs, name, paths))
        jobs.wake.set()
        while True:
            report = await asyncio.to_thread(jobs.report, id)
            ended = report["state"] in ("done", "cancelled")
            yield [id, progress_line(report), gr.DownloadButton(interactive=False)]
            if ended:
                break
            await asyncio.sleep(0.3)
        cached = Path(jobs.store.place / "history" / f"{id}.zip")
        await asyncio.to_thread(write_zip, jobs, id, cached)
        yield [id, progress_line(report), gr.DownloadButton(value=str(cached.resolve()), interactive=True)]

    start.click(run, [model, files], [job, progress, results])
    cancel.click(lambda id: jobs.cancel(id) and None if id else None, job, None)


def add_job(jobs: Jobs, name: str, paths: list[str]) -> str:
    """A job of these files."""
    with ExitStack() as stack:
        opened: list[tuple[str, IO[bytes]]] = [
            (Path(path).name, stack.enter_context(Path(path).open("rb"))) for path in paths
        ]
        return jobs.add(name, {}, None, opened, [None])


def write_zip(jobs: Jobs, job: str, place: Path) -> None:
    with atomic(place, durable=False) as file:
        for piece in jobs.results(job):
            file.write(piece)


def progress_line(report: Mapping[str, Any]) -> str:
    left = f", about {report['seconds_left']:.0f} s left" if report["seconds_left"] else ""
    faults = "".join(
        f"\n- {plainly(item['name'])}: {plainly(item['fault'])}" for item in report["items"] if item["fault"]
    )
    done = report["done"] + report["failed"]
    return f"{report['state']}: {done} of {report['total']}{left}{faults}"
