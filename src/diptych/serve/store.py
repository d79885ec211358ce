"""What a server remembers: jobs and their items, feedback, and the page's history; in SQLite, or any other database."""

from __future__ import annotations

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
    """One translation on the page, whose pictures are files in the history's folder."""

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
        except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
            raise StorageError(
                f"the store {shown(self.url)} cannot be opened ({str(error).splitlines()[0]}): a database is named as "
                f"sqlite:////FOLDER/FILE or postgresql+psycopg://USER@HOST/NAME, whose driver must be installed"
            ) from None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: all of it is kept, or nothing."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        self.engine.dispose()

    # Jobs

    def add_job(self, job: str, model: str, controls: dict[str, Any], format: str | None, items: list[Item]) -> None:
        with self.session() as session:
            session.add(
                Job(id=job, model=model, controls=controls, format=format, created=time.time(), state="waiting")
            )
            session.flush()
            session.add_all(items)

    def job(self, job: str) -> Job | None:
        with self.session() as session:
            return session.get(Job, job)

    def jobs(self, states: Iterable[str]) -> list[Job]:
        """The jobs in one of these states, oldest first."""
        with self.session() as session:
            return list(session.scalars(select(Job).where(Job.state.in_(list(states))).order_by(Job.created, Job.id)))

    def items(self, job: str, state: str | None = None) -> list[Item]:
        with self.session() as session:
            wanted = select(Item).where(Item.job == job).order_by(Item.number)
            return list(session.scalars(wanted if state is None else wanted.where(Item.state == state)))

    def counts(self, job: str) -> dict[str, int]:
        """How many of a job's items are in each state."""
        with self.session() as session:
            rows = session.execute(select(Item.state, func.count()).where(Item.job == job).group_by(Item.state))
            return dict(rows.tuples())

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
        """A model's latest translations on the page, newest first."""
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

    def forget(self, id: str) -> None:
        """Remove one translation, if it is there."""
        with self.session() as session:
            session.execute(delete(Past).where(Past.id == id))


def latest_of(model: str) -> Select[tuple[Past]]:
    return select(Past).where(Past.model == model).order_by(Past.created.desc(), Past.id)


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
