"""`manage.py doctor`: what it looks at, what it says of a database it may not make, and what it keeps to itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from enrichment import enrich
from tests.conftest import NOW
from tokensite import embedded
from tokensite.management.commands import doctor as command

ROOT = Path(__file__).resolve().parent.parent


def doctor(tmp_path, **variables):
    """Run the command against the tests' servers; return its exit code, its findings by name, and its output."""
    finished = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT, env=os.environ | {"DATA_DIR": str(tmp_path)} | variables, capture_output=True, text=True,
    )  # fmt: skip
    report = json.loads(finished.stdout)
    assert report["ok"] == (finished.returncode == 0)
    findings = {finding["name"]: finding for finding in report["findings"]}
    return finished.returncode, findings, finished.stdout + finished.stderr


@pytest.fixture
def server():
    """Return a superuser's connection to the tests' PostgreSQL."""
    environ = dict(os.environ)
    embedded.configure(environ)
    with psycopg.connect(environ["DATABASE_URL"].replace("/tokensite?", "/postgres?"), autocommit=True) as connection:
        yield connection


def test_a_missing_database_is_made_and_its_missing_tables_are_a_problem(tmp_path, server):
    url = os.environ["DATABASE_URL"].replace("/tokensite?", "/doctor_made?")
    code, findings, _ = doctor(tmp_path, DATABASE_URL=url)
    server.execute("DROP DATABASE doctor_made_sandbox")
    assert code == 1
    assert findings["database"]["ok"]
    assert findings["clock"]["ok"]
    assert findings["redis"]["ok"]
    assert findings["migrations"]["ok"] is False
    assert "manage.py migrate" in findings["migrations"]["detail"]


def test_a_database_that_may_not_be_made_names_the_command_for_an_administrator(tmp_path, server):
    server.execute("CREATE ROLE doctor_guest LOGIN")
    url = os.environ["DATABASE_URL"].replace("postgres@", "doctor_guest@").replace("/tokensite?", "/doctor_denied?")
    code, findings, _ = doctor(tmp_path, DATABASE_URL=url)
    server.execute("DROP ROLE doctor_guest")
    assert code == 1
    assert findings["database"]["ok"] is False
    assert 'CREATE DATABASE "doctor_denied_sandbox" OWNER "doctor_guest"' in findings["database"]["detail"]


def test_an_unreachable_redis_is_a_problem(tmp_path):
    code, findings, _ = doctor(tmp_path, REDIS_URL="redis://127.0.0.1:1/0")
    assert code == 1
    assert findings["redis"]["ok"] is False


def test_a_key_is_told_as_set_and_never_shown(tmp_path):
    _, findings, output = doctor(tmp_path, UPSTREAMS="live", JUPITER_API_KEY="canary-7f3a")
    assert "JUPITER_API_KEY set" in findings["upstreams"]["detail"]
    assert "canary" not in output


def test_what_is_left_to_learn_is_told(known):
    enrich.owe(known(7), priority=enrich.BULK, now=NOW)
    backlog, quarantine = command._lists()
    assert "7 tokens to learn about" in backlog.detail
    assert quarantine.detail == "none"
