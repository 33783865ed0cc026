"""The ways to learn from a list's bytes what is new in it and what is missing.

Every `run` returns both; `prepare` puts back the state that the run before it moved on.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable

import msgspec
import numpy as np
import orjson
import psycopg
import redis

from bench.lists import KEY, Case
from enrichment.detection import delta, digests_of, read

CHUNK = 1000  # members per SADD in the documented design
Answer = tuple[Iterable[str], Iterable[str]]
ParseMints = Callable[[bytes], Iterable[str]]


class Ours:
    """The product's engine; what it kept of the list before is in memory."""

    def __init__(self, case: Case) -> None:
        self.case, self.digests = case, case.digests

    def run(self) -> object:
        return delta(self.digests, read(self.case.body, KEY))

    def check(self) -> None:
        change, case = self.run(), self.case
        assert sorted(change.new) == sorted(case.new)
        assert change.missing.tolist() == digests_of(case.missing, KEY).tolist()
        assert change.members.tolist() == digests_of(case.after, KEY).tolist()


class OursInPostgres(Ours):
    """The same, with the snapshot read from a table and the next one written to it."""

    def __init__(self, case: Case, connection: psycopg.Connection) -> None:
        super().__init__(case)
        self.before, self.connection = case.digests, connection
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS snapshot (digests bytea NOT NULL)")

    def prepare(self) -> None:
        self.connection.execute("TRUNCATE snapshot")
        self.connection.execute("INSERT INTO snapshot VALUES (%b)", [self.before.tobytes()])

    def run(self) -> object:
        (kept,) = self.connection.cursor(binary=True).execute("SELECT digests FROM snapshot").fetchone()
        self.digests = np.frombuffer(kept, dtype=np.uint64)
        change = super().run()
        self.connection.execute("UPDATE snapshot SET digests = %b", [change.members.tobytes()])
        return change


class OursInValkey(Ours):
    """The same, with the snapshot in Valkey: what the Redis design compares with for stalls."""

    def __init__(self, case: Case, client: redis.Redis) -> None:
        super().__init__(case)
        self.before, self.client = case.digests, client

    def prepare(self) -> None:
        self.client.set("snapshot", self.before.tobytes())

    def run(self) -> object:
        self.digests = np.frombuffer(self.client.get("snapshot"), dtype=np.uint64)
        change = super().run()
        self.client.set("snapshot", change.members.tobytes())
        return change


class _Texts:
    """A contestant that answers with texts."""

    case: Case

    def prepare(self) -> None:
        """Keep the state: most contestants do not change it."""

    def run(self) -> Answer:
        raise NotImplementedError

    def check(self) -> None:
        self.prepare()
        new, missing = self.run()
        assert (set(new), set(missing)) == (self.case.new, self.case.missing)


class PythonSets(_Texts):
    """Two sets and two differences."""

    def __init__(self, case: Case, parse: ParseMints = orjson.loads) -> None:
        self.case, self.known, self.parse = case, set(case.before), parse

    def run(self) -> Answer:
        current = set(self.parse(self.case.body))
        return current - self.known, self.known - current


class RedisDesign(_Texts):
    """The documented design: SADD in thousands in one MULTI, SDIFF both ways, RENAME."""

    def __init__(self, case: Case, client: redis.Redis) -> None:
        self.case, self.client = case, client
        client.flushdb()
        self._add("before", list(case.before))

    def prepare(self) -> None:
        self.client.copy("before", "known", replace=True)

    def run(self) -> Answer:
        self._add("current", orjson.loads(self.case.body))
        new, missing = self.client.sdiff("current", "known"), self.client.sdiff("known", "current")
        self.client.rename("current", "known")
        return [mint.decode() for mint in new], [mint.decode() for mint in missing]

    def _add(self, key: str, mints: list[str]) -> None:
        commands = self.client.pipeline(transaction=True).delete(key)
        for first in range(0, len(mints), CHUNK):
            commands.sadd(key, *mints[first : first + CHUNK])
        commands.execute()


class PostgresJoin(_Texts):
    """COPY the list into a temporary table and FULL JOIN it with what is known."""

    def __init__(self, case: Case, connection: psycopg.Connection) -> None:
        self.case, self.connection = case, connection
        connection.execute("SET work_mem = '256MB'")  # the join stays in memory
        connection.execute("DROP TABLE IF EXISTS known")
        connection.execute('CREATE TABLE known (mint text COLLATE "C" PRIMARY KEY)')
        self._copy("known", case.before)
        connection.execute("ANALYZE known")

    def run(self) -> Answer:
        with self.connection.transaction():
            self.connection.execute('CREATE TEMP TABLE current (mint text COLLATE "C") ON COMMIT DROP')
            self._copy("current", orjson.loads(self.case.body))
            rows = self.connection.execute(
                "SELECT current.mint, known.mint FROM current FULL JOIN known USING (mint)"
                " WHERE current.mint IS NULL OR known.mint IS NULL"
            ).fetchall()
        return [new for new, _ in rows if new], [missing for _, missing in rows if missing]

    def _copy(self, relation: str, mints: Iterable[str]) -> None:
        with self.connection.cursor().copy(f"COPY {relation} FROM STDIN") as copy:
            copy.write("\n".join(mints).encode() + b"\n")


class Row(msgspec.Struct):
    """The one key needed of each object."""

    mint: str


def parse_objects(body: bytes) -> list[str]:
    """Return the mints of an array of objects, the cheapest way known."""
    return [row.mint for row in msgspec.json.decode(body, type=list[Row])]


def parse_csv(body: bytes) -> list[str]:
    """Return the mints of a CSV text with the standard library."""
    rows = csv.reader(io.StringIO(body.decode(), newline=""))
    column = next(rows).index("mint")
    return [row[column] for row in rows]
