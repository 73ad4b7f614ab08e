"""Opening the database of a store: SQLite in a file, or PostgreSQL; migrated to what this version expects."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from ..docket import DocketError

# How long (seconds) a writer waits for another before it gives up.
BUSY_SECONDS: Final = 10
MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Numbers that no other user of the same database takes for its own advisory locks: "rprf", and the next.
WRITERS: Final = 0x72707266
KEEPER: Final = WRITERS + 1


_TAKEN: Final = "the database is in use by another process that keeps this docket"


class StoreError(DocketError):
    """The database does not do what it is asked."""


def open_engine(database: str) -> Engine:
    """The engine of a database URL (sqlite:///FILE or postgresql://…), its tables made. Raises StoreError."""
    try:
        url = make_url(database)
    except ArgumentError as error:
        raise StoreError(
            "the database has no URL that can be read", advice="write sqlite:///FILE or postgresql://HOST/NAME"
        ) from error
    match url.get_backend_name():
        case "sqlite" if url.database not in (None, "", ":memory:"):
            engine = _engine(url, begin="BEGIN IMMEDIATE", connect_args={"timeout": BUSY_SECONDS})
            event.listen(engine, "connect", _prepare_sqlite)
        case "postgresql":
            begin = f"BEGIN; SELECT pg_advisory_xact_lock({WRITERS})"
            engine = _engine(url.set(drivername="postgresql+psycopg"), begin=begin)
        case _:
            raise StoreError(
                "a docket is kept in SQLite, in a file, or in PostgreSQL",
                advice="write sqlite:///FILE or postgresql://HOST/NAME",
            )
    _migrate(engine)
    return engine


def _engine(url: URL, *, begin: str, **options: Any) -> Engine:
    """Without transactions but those of `writing`: to begin and to end one are two more trips to PostgreSQL.

    `begin` begins one, alone: who began as a reader could only fail, or see what was before another's end.
    """
    # Parameters are documents; no error message shows them.
    engine = create_engine(url, isolation_level="AUTOCOMMIT", hide_parameters=True, **options)

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql(begin)

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """For single questions: each sees the database as it is at its moment. Raises StoreError."""
    with _translated(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is the only one to write, durable when the block has ended. Raises StoreError.

    One after another, so that positions are seen in the order in which they were given: a reader that has seen
    position 7 will never find a new 6.
    """
    with _translated(engine), engine.connect() as connection, connection.execution_options(writes=True).begin():
        yield connection


@contextmanager
def alone(engine: Engine) -> Iterator[Callable[[], None]]:
    """Be the only keeper of this database for as long as the block runs: two would contradict each other.

    Gives a function that makes sure that one still is; it is to be called before every round. In PostgreSQL whoever
    loses the connection loses the place, and takes it again if nobody else did. Both raise StoreError. Whoever
    dies lets go.
    """
    if engine.dialect.name == "postgresql":
        with _place(engine) as still:
            yield still
        return
    with Path(f"{engine.url.database}.lock").open("w") as file:
        if not _lock(file):
            raise StoreError(_TAKEN, advice="stop it first")
        yield lambda: None  # nobody takes a file's lock away


@contextmanager
def _place(engine: Engine) -> Iterator[Callable[[], None]]:
    connection: Connection | None = None

    def still() -> None:
        nonlocal connection
        with _translated(engine):
            try:
                if connection is not None:
                    connection.execute(text("SELECT 1"))
                    return
            except OperationalError:
                connection = None
            fresh = engine.connect()
            if not fresh.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEEPER}):
                fresh.close()
                raise StoreError(_TAKEN, advice="stop it first")
            connection = fresh

    try:
        still()
        yield still
    finally:
        if connection is not None:
            connection.invalidate()  # an open session would go on holding the place
            connection.close()


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(
            f"the {engine.dialect.name} database refuses: {type(error).__name__}",
            advice="see that it runs, can be written, and has room",
        ) from error


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode, NORMAL would lose what was acknowledged


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                "the database was made by a later version of reperform", advice="install that version, or a newer one"
            ) from error
