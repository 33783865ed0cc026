"""Every knob, from the environment, with its unit and reason. Start-up stops with one message naming every problem.

`manage.py` resolves `UPSTREAMS=auto` and starts the embedded servers before this module is read, so here
`UPSTREAMS`, `DATABASE_URL` and `REDIS_URL` are plain facts. A `NAME_FILE` twin reads any value from a file.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, urlsplit

import environ

from tokensite import logs
from tokensite.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

_env_file = os.environ.get("TOKENSITE_ENV_FILE", str(BASE_DIR / ".env"))
if _env_file and Path(_env_file).is_file():
    environ.Env.read_env(_env_file)
_env = Environment(os.environ)

# The installation.
DATA_DIR = Path(_env.text("DATA_DIR", str(BASE_DIR / ".tokensite"))).expanduser().absolute()
DEBUG = _env.flag("DEBUG", False)
HOST = _env.text("HOST", "127.0.0.1")  # loopback until an operator decides otherwise
PORT = _env.whole("PORT", 8000, 1, 65535)
ALLOWED_HOSTS = _env.parts("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CORS_ALLOWED_ORIGINS = _env.parts("CORS_ALLOWED_ORIGINS")
CSRF_TRUSTED_ORIGINS = _env.parts("CSRF_TRUSTED_ORIGINS")
if "*" in ALLOWED_HOSTS and not DEBUG:
    _env.refuse("ALLOWED_HOSTS=*: name the hosts; a wildcard answers for anybody's domain")
SECRET_KEY = _env.text("SECRET_KEY") or _env.kept_secret(DATA_DIR / "secret-key")

# Upstreams.
_mode = _env.choice("UPSTREAMS", "auto", ("auto", "live", "sandbox"))
UPSTREAMS = "live" if _mode == "auto" else _mode  # manage.py has resolved auto; a bare ASGI start means live
SANDBOX_URL = _env.origin("SANDBOX_URL", "http://127.0.0.1:8900")
SANDBOX_PORT = _env.whole("SANDBOX_PORT", 0, 0, 65535)  # 0: a free one at each start
SANDBOX_MINTS = _env.whole("SANDBOX_MINTS", 3000, 100, 1_000_000)
_simulated = UPSTREAMS == "sandbox"


def _imitation(path: str) -> str:
    return f"{SANDBOX_URL}/{path}" if _simulated else ""


JUPITER_URL = _imitation("jupiter") or _env.origin("JUPITER_URL", "https://api.jup.ag")
JUPITER_API_KEY = "" if _simulated else _env.text("JUPITER_API_KEY")  # a real key never travels to an imitation
_plans = ("keyless", "free", "developer", "launch", "pro")
JUPITER_PLAN = _env.choice("JUPITER_PLAN", "free" if JUPITER_API_KEY else "keyless", _plans)
if not _simulated and JUPITER_PLAN != "keyless" and not JUPITER_API_KEY:
    _env.refuse(f"JUPITER_PLAN={JUPITER_PLAN} needs JUPITER_API_KEY (or JUPITER_API_KEY_FILE)")
if _simulated and JUPITER_PLAN != "keyless":
    JUPITER_API_KEY = f"jup_{JUPITER_PLAN}_sandbox"  # the sandbox reads the plan from the key's name
JUPITER_BILLING_DAY = _env.whole("JUPITER_BILLING_DAY", 1, 1, 28)  # of the month; a month of credits begins on it

HELIUS_URL = _imitation("helius") or _env.origin("HELIUS_URL", "https://mainnet.helius-rpc.com")
HELIUS_API_KEY = "" if _simulated else _env.text("HELIUS_API_KEY")  # none: Helius is not asked
HELIUS_PLAN = _env.choice("HELIUS_PLAN", "free", ("free", "developer", "business", "professional"))
if not _simulated and HELIUS_PLAN != "free" and not HELIUS_API_KEY:
    _env.refuse(f"HELIUS_PLAN={HELIUS_PLAN} needs HELIUS_API_KEY (or HELIUS_API_KEY_FILE)")
if _simulated:
    HELIUS_API_KEY = f"helius_{HELIUS_PLAN}_sandbox"
HELIUS_BILLING_DAY = _env.whole("HELIUS_BILLING_DAY", 1, 1, 28)

DEXSCREENER_URL = _imitation("dexscreener") or _env.origin("DEXSCREENER_URL", "https://api.dexscreener.com")
GECKOTERMINAL_URL = _imitation("geckoterminal/api/v2") or _env.origin(
    "GECKOTERMINAL_URL", "https://api.geckoterminal.com/api/v2"
)
PUMPFUN_URL = _imitation("pumpfun") or _env.origin("PUMPFUN_URL", "https://frontend-api-v3.pump.fun")

# Lists and detection.
TOKEN_LIST_URL = _env.text("TOKEN_LIST_URL", f"{SANDBOX_URL}/lists/all.json" if _simulated else "")
if urlsplit(TOKEN_LIST_URL).scheme not in {"", "http", "https", "file"}:
    _env.refuse("TOKEN_LIST_URL: an http(s) URL, a file: URL or a path is needed")
TOKEN_LIST_INTERVAL_S = _env.whole("TOKEN_LIST_INTERVAL_S", 30, 5, 86_400)
JUPITER_RECENT_INTERVAL_S = _env.whole("JUPITER_RECENT_INTERVAL_S", 30, 5, 86_400)  # 30 rows span about 70 s
# A 5–10 MB answer that changes slowly.
JUPITER_VERIFIED_INTERVAL_S = _env.whole("JUPITER_VERIFIED_INTERVAL_S", 600, 30, 86_400)
# Decoded; a million mints are 47 MB.
LIST_MAX_BYTES = _env.whole("LIST_MAX_BYTES", 150_000_000, 1_000_000, 2_000_000_000)
# More new mints than this in one run are announced one by one as they are enriched, not all at once.
ANNOUNCE_LIMIT = _env.whole("ANNOUNCE_LIMIT", 2000, 0, 100_000)
# A flood of new mints is let in this many at a time, this far apart: 3,000 a minute (requirements A4: batches of 50).
DRIP_BATCH = _env.whole("DRIP_BATCH", 50, 1, 10_000)
DRIP_DELAY_S = _env.whole("DRIP_DELAY_S", 1, 1, 3600)

# Enrichment.
ENRICH_BATCH_SIZE = _env.whole("ENRICH_BATCH_SIZE", 100, 1, 100)  # Jupiter search takes at most 100 mints a call
ENRICH_LEASE_S = _env.whole("ENRICH_LEASE_S", 60, 10, 600)


# Refresh.
REFRESH_LEASE_S = _env.whole("REFRESH_LEASE_S", 60, 10, 600)
RANK_INTERVAL_S = _env.whole("RANK_INTERVAL_S", 120, 30, 3600)

# Events.
OUTBOX_KEEP_EVENTS = _env.whole("OUTBOX_KEEP_EVENTS", 100_000, 1000, 10_000_000)  # how far back a client may resume
HISTORY_KEEP_DAYS = _env.whole("HISTORY_KEEP_DAYS", 30, 1, 3650)
WS_HEARTBEAT_S = _env.whole("WS_HEARTBEAT_S", 15, 1, 300)
WS_QUEUE_FRAMES = _env.whole("WS_QUEUE_FRAMES", 256, 16, 10_000)  # waiting per client; then it is closed as too slow
WS_MAX_SUBSCRIPTIONS = _env.whole("WS_MAX_SUBSCRIPTIONS", 2000, 1, 100_000)  # addresses per client
WS_MAX_CLIENTS = _env.whole("WS_MAX_CLIENTS", 10_000, 1, 100_000)  # per web process

# Storage.
_default_database = f"postgresql://postgres@/tokensite?host={quote(str(DATA_DIR / 'sockets'), safe='')}"
DATABASE_URL = _env.text("DATABASE_URL", _default_database)
REDIS_URL = _env.text("REDIS_URL", f"unix://{DATA_DIR / 'sockets' / 'valkey.sock'}")
if urlsplit(DATABASE_URL).scheme not in {"postgres", "postgresql"}:
    _env.refuse("DATABASE_URL: postgresql://user:password@host:port/name is needed")
if urlsplit(REDIS_URL).scheme not in {"redis", "rediss", "unix"}:
    _env.refuse("REDIS_URL: redis://, rediss:// or unix:// is needed")
_env.raise_problems()

_is_web = os.environ.get("PROCESS_ROLE") == "web"
_database = environ.Env.db_url_config(DATABASE_URL)
_database["NAME"] = (
    f"{_database['NAME'] or 'tokensite'}{'_sandbox' if _simulated else ''}"  # never one database for both
)
_database["ENGINE"] = "django.db.backends.postgresql"
_database["OPTIONS"] = _database.get("OPTIONS", {}) | {"application_name": "tokensite"}
if _is_web:  # a pool must not be forked, and only the web process never forks
    _database["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 10, "timeout": 2}  # then 503, while health stays up
    _database["OPTIONS"].setdefault("options", "-c statement_timeout=5000")  # ms; no page is worth more
else:
    _database |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_PREFIX = f"tokensite:{UPSTREAMS}"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": REDIS_PREFIX,
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},  # s; a cache is never waited for
    }
}
CHANNEL_LAYERS = {
    "default": {  # the pub/sub layer: the core layer drops a whole process's clients when Redis blinks
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": REDIS_PREFIX},
    }
}

# Django.
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "corsheaders",
    "rest_framework",
    "channels",
    "django_q",
    "tokens",
    "enrichment",
    "refresh",
    "tokensite",
]
MIDDLEWARE = [
    "tokensite.middleware.RequestIdMiddleware",
    "tokensite.middleware.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tokensite.urls"
ASGI_APPLICATION = "tokensite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
DATETIME_FORMAT = "Y-m-d H:i:s"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collectstatic step: the finders are scanned once at start
WHITENOISE_AUTOREFRESH = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024  # bytes; no request of ours is larger

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _env.flag("COOKIES_SECURE", False)  # true behind TLS
SECURE_REFERRER_POLICY = "no-referrer"
X_FRAME_OPTIONS = "DENY"
CORS_ALLOW_METHODS = ["GET", "HEAD", "OPTIONS", "POST"]

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["tokens.serializers.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "EXCEPTION_HANDLER": "tokens.errors.handle",
    "URL_FORMAT_OVERRIDE": None,  # `format` is no parameter of ours, so it is refused like any other
    "UNAUTHENTICATED_USER": None,
}

# Jobs.
# Sub-minute jobs: name -> what one slot runs, and how often. Each takes one worker to beat and one to stand by.
PULSES = {
    "detect": {"run": "enrichment.tasks.detect", "period_s": 1},
    "enrich": {"run": "enrichment.tasks.enrich", "period_s": 1},
    "refresh": {"run": "refresh.tasks.refresh", "period_s": 3},  # the smallest plan's pace of calls
}
# Slower jobs, for django-q2's own scheduler: six-field cron, seconds last; its pass comes every ~30 s.
JOBS = {
    "tokens.tasks.upkeep": "*/10 * * * * 0",
}
PULSE_BUDGET_S = 28  # one task beats this long, then hands over; just under django-q2's 30 s scheduler pass
PULSE_LEASE_S = 10  # an unrenewed leader is replaced after this long; a slot may wait 5 s for its gate
Q_CLUSTER = {
    "name": "tokensite",
    "orm": "default",  # its Redis broker loses a killed worker's task; this one redelivers it
    "workers": _env.whole("WORKERS", 2 * len(PULSES) + 2, 4, 64),
    "timeout": 180,  # longest task: a pulse's budget plus one slot that waits for a slow list
    "retry": 240,  # above timeout, else a running task is delivered twice
    "queue_limit": 4,
    "bulk": 1,
    "poll": 0.3,
    "catch_up": False,
    "max_attempts": 3,
    "ack_failures": True,
    "save_limit": 100,
    "recycle": 500,
    "max_rss": 600_000,  # KiB
    "label": "Queue",
}

# Logs.
LOGGING_CONFIG = None
logs.configure(
    level=_env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")), json=_env.flag("LOG_JSON", False)
)
