"""pytest plugin: one embedded PostgreSQL and Valkey per run, in a temporary directory, before settings load.

The environment is made from nothing: a developer's .env, API keys and list URLs cannot reach a test.
"""

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokensite import embedded

RUN_DIR = "TOKENSITE_TEST_DIR"  # set by the first process of a run: parallel workers start nothing
PREFIX = "tokensite-test-"
ONLY_ASKING = {"-h", "--help", "--version", "-V", "--markers", "--fixtures", "--collect-only", "--co"}
ABANDONED_S = 3600  # older than any run: its pytest was killed and could not clean up
OURS = (
    "ALLOWED_HOSTS", "ANNOUNCE_", "CORS_", "COOKIES_", "CSRF_", "DATABASE_URL", "DATA_DIR", "DEBUG",
    "DEXSCREENER_", "DJANGO_", "DRIP_", "ENRICH_", "GECKOTERMINAL_", "HELIUS_", "HISTORICAL_", "HISTORY_", "HOST",
    "JUPITER_", "LIST_", "LOG_", "OUTBOX_", "PG", "PORT", "PRICE_", "PROCESS_ROLE", "PROMETHEUS_", "PUMPFUN_",
    "Q_CLUSTER_", "RANK_", "REDIS_URL", "REFRESH_", "SANDBOX_", "SECRET_KEY", "TOKEN_LIST_", "UPSTREAMS",
    "VOLUME_", "WORKERS", "WS_",
)  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(args: list[str]) -> Iterator[None]:
    """Run before pytest-django reads the settings."""
    if RUN_DIR not in os.environ:
        _begin(starting=ONLY_ASKING.isdisjoint(args))
    return (yield)


def _begin(*, starting: bool) -> None:
    for name in [n for n in os.environ if n.startswith(OURS)]:
        del os.environ[name]
    _remove_abandoned()
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    root.chmod(0o711)  # as root the servers run as another account, which passes through
    os.environ |= {
        RUN_DIR: str(root),
        "DATA_DIR": str(root),
        "DJANGO_SETTINGS_MODULE": "tokensite.settings",
        "SECRET_KEY": "only-for-tests-0123456789-0123456789-0123456789",
        "TOKENSITE_ENV_FILE": "",
        "UPSTREAMS": "sandbox",
    }
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    if starting:
        servers = embedded.start(root, durable=False)
        atexit.register(servers.release)  # before the removal; also after failures and Ctrl-C
    embedded.configure(os.environ)


def _remove_abandoned() -> None:
    """Stop and delete the servers of runs that were killed."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            old = time.time() - root.stat().st_mtime > ABANDONED_S and root.stat().st_uid == os.geteuid()
            if old and embedded.stop_unused(root):
                shutil.rmtree(root, ignore_errors=True)
        except OSError:
            continue  # another run was faster
