"""What a server remembers: jobs and their items, feedback, and the history; in SQLite, or any other database."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, ForeignKey, Select, create_engine, delete, event, func, make_url, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from diptych.errors import StorageError
from diptych.serve.errors import StorageAway, StorageFull


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012 (SQLAlchemy's way)


class Job(Base):
    """Many pictures to be translated alike. state: waiting, running, done, cancelled."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    controls: Mapped[dict[str, Any]]
    format: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="waiting", index=True)
    created: Mapped[float]
    finished: Mapped[float | None]


class Item(Base):
    """One answer that a job is to give. state: waiting, done, failed.

    picture: the number of the file it is an answer to. name: what the client calls that; never a path of ours.
    """

    __tablename__ = "items"
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    picture: Mapped[int]
    name: Mapped[str]
    seed: Mapped[int | None]
    state: Mapped[str] = mapped_column(default="waiting")
    result: Mapped[str | None]
    fault: Mapped[str | None]


class LeftOut(Base):
    """What was not taken of the zips of a job, counted by kind."""

    __tablename__ = "left_out"
    job: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    counted: Mapped[str]


class Feedback(Base):
    """What a user thinks of a result: stored, and nothing else. folder: where the pictures given with it are."""

    __tablename__ = "feedback"
    id: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[float]
    model: Mapped[str]
    version: Mapped[str]
    rating: Mapped[int]
    comment: Mapped[str]
    controls: Mapped[dict[str, Any]]
    pictures: Mapped[dict[str, Any]]


class Past(Base):
    """One translation that was kept, whose pictures are files in the history's folder."""

    __tablename__ = "history"
    id: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[float] = mapped_column(index=True)
    model: Mapped[str]
    version: Mapped[str]
    controls: Mapped[dict[str, Any]]
    source: Mapped[str]
    result: Mapped[str]


class Store:
    """The database. url: SQLAlchemy's, by default a file in `place`. Raises StorageError where it cannot be opened."""

    def __init__(self, place: Path, url: str | None = None) -> None:
        self.place = place
        self.url = url or f"sqlite:///{place / 'diptych.sqlite'}"
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"--place {place} cannot be a folder of the server's: {error.strerror}") from None
        try:
            self.engine = create_engine(self.url)
            if self.engine.dialect.name == "sqlite":
                event.listen(self.engine, "connect", durable)
            Base.metadata.create_all(self.engine)
            self.file = Path(self.engine.url.database or "") if self.engine.dialect.name == "sqlite" else None
            self.identity = identity(self.file)
        except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
            raise StorageError(
                f"the store {shown(self.url)} cannot be opened ({str(error).splitlines()[0]}): a database is named as "
                f"sqlite:////FOLDER/FILE or postgresql+psycopg://USER@HOST/NAME, whose driver must be installed"
            ) from None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: all of it is kept, or nothing. Raises StorageFull, StorageAway."""
        if not self.whole:
            raise StorageAway("the server's store was removed while it ran: its operator should start it again")
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            logging.error("the store: %s", str(error).splitlines()[0])
            if "full" in str(error).splitlines()[0]:
                raise StorageFull("the server's disk is full: try again later") from error
            raise StorageAway("the server's store does not answer: try again later") from error

    @property
    def whole(self) -> bool:
        """Whether a database that is a file is still the one that was opened."""
        return self.identity is None or identity(self.file) == self.identity

    def close(self) -> None:
        self.engine.dispose()

    # Jobs

    def add_job(
        self, job: str, model: str, controls: dict[str, Any], format: str | None, items: list[Item], left_out: str = ""
    ) -> None:
        with self.session() as session:
            session.add(
                Job(id=job, model=model, controls=controls, format=format, created=time.time(), state="waiting")
            )
            session.flush()
            session.add_all(items)
            if left_out:
                session.add(LeftOut(job=job, counted=left_out))

    def job(self, job: str) -> Job | None:
        with self.session() as session:
            return session.get(Job, job)

    def jobs(self, states: Iterable[str]) -> list[Job]:
        """The jobs in one of these states, oldest first."""
        with self.session() as session:
            return list(session.scalars(select(Job).where(Job.state.in_(list(states))).order_by(Job.created, Job.id)))

    def latest_jobs(self, limit: int) -> list[Job]:
        """The latest jobs, newest first."""
        with self.session() as session:
            return list(session.scalars(select(Job).order_by(Job.created.desc(), Job.id).limit(limit)))

    def job_ids(self) -> set[str]:
        with self.session() as session:
            return set(session.scalars(select(Job.id)))

    def left_out(self, job: str) -> str:
        """What was not taken of a job's zips, counted by kind."""
        with self.session() as session:
            found = session.get(LeftOut, job)
            return found.counted if found else ""

    def forget_results(self, job: str) -> None:
        """The results of a job are there no more."""
        with self.session() as session:
            session.execute(update(Item).where(Item.job == job).values(result=None))

    def forget_jobs(self, before: float) -> list[str]:
        """Remove the jobs that had ended by then; their ids."""
        with self.session() as session:
            old = list(session.scalars(select(Job.id).where(Job.finished < before)))
            for job in old:
                session.execute(delete(Item).where(Item.job == job))
                session.execute(delete(LeftOut).where(LeftOut.job == job))
                session.execute(delete(Job).where(Job.id == job))
            return old

    def items(self, job: str, state: str | None = None) -> list[Item]:
        with self.session() as session:
            wanted = select(Item).where(Item.job == job).order_by(Item.number)
            return list(session.scalars(wanted if state is None else wanted.where(Item.state == state)))

    def counts(self, job: str) -> dict[str, int]:
        """How many of a job's items are in each state."""
        with self.session() as session:
            rows = session.execute(select(Item.state, func.count()).where(Item.job == job).group_by(Item.state))
            return {state: count for state, count in rows}  # noqa: C416 (a result is no dict's argument)

    def settle_item(self, job: str, number: int, *, result: str | None = None, fault: str | None = None) -> None:
        """An item is done, or has failed."""
        state = "failed" if fault else "done"
        with self.session() as session:
            one = update(Item).where(Item.job == job, Item.number == number)
            session.execute(one.values(state=state, result=result, fault=fault))

    def set_job(self, job: str, state: str, *, unless: str | None = None) -> bool:
        """Put a job into a state, unless it is in another one; whether that was done."""
        with self.session() as session:
            found = session.get(Job, job)
            if found is None or found.state == unless:
                return False
            found.state = state
            if state in ("done", "cancelled"):
                found.finished = time.time()
            return True

    # Feedback and history

    def add(self, row: Feedback | Past) -> None:
        with self.session() as session:
            session.add(row)

    def feedback(self) -> list[Feedback]:
        with self.session() as session:
            return list(session.scalars(select(Feedback).order_by(Feedback.created)))

    def history(self, model: str, limit: int) -> list[Past]:
        """A model's latest translations that were kept, newest first."""
        with self.session() as session:
            return list(session.scalars(latest_of(model).limit(limit)))

    def past(self, id: str) -> Past | None:
        with self.session() as session:
            return session.get(Past, id)

    def forget_history(self, model: str, keep: int) -> list[str]:
        """Remove all but a model's latest translations; the ids of those removed."""
        with self.session() as session:
            old = list(session.scalars(latest_of(model).offset(keep)))
            for past in old:
                session.delete(past)
            return [past.id for past in old]

    def forget_old_history(self, before: float) -> list[str]:
        """Remove the translations from before then; their ids."""
        return self.forget_rows(Past, before)

    def forget_feedback(self, before: float) -> list[str]:
        """Remove the feedback from before then; its ids."""
        return self.forget_rows(Feedback, before)

    def forget_rows(self, kind: type[Past] | type[Feedback], before: float) -> list[str]:
        with self.session() as session:
            old = list(session.scalars(select(kind.id).where(kind.created < before)))
            session.execute(delete(kind).where(kind.created < before))
            return old

    def forget(self, id: str) -> None:
        """Remove one translation, if it is there."""
        with self.session() as session:
            session.execute(delete(Past).where(Past.id == id))


def latest_of(model: str) -> Select[tuple[Past]]:
    return select(Past).where(Past.model == model).order_by(Past.created.desc(), Past.id)


def identity(file: Path | None) -> tuple[int, int] | None:
    """Which file this is, whatever it is called."""
    try:
        found = os.stat(file) if file else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def shown(url: str) -> str:
    """A URL without its password."""
    try:
        return make_url(url).render_as_string()
    except SQLAlchemyError:
        return "that is given"


def new_id() -> str:
    return uuid.uuid4().hex


def durable(connection: Any, _: Any) -> None:
    """Let SQLite write ahead, so that readers do not wait, and what is committed survives a crash of the process."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
