"""Every setting, read from the environment once. `docs/operations` lists the variables."""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"}


def _words(name: str, default: str = "") -> list[str]:
    return [word for word in re.split(r"[,\s]+", os.environ.get(name, default)) if word]


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number, 0 or more, not {text!r}. Set it to {default}, say.")
    return int(text)


def _secret_key() -> str:
    key = os.environ.get("SECRET_KEY", "")
    if not key:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Make one with `python -c 'import secrets; print(secrets.token_urlsafe(50))'`, "
            "keep it safe and set it in the environment."
        )
    return key


# --- The installation ---

SECRET_KEY = _secret_key()
DEBUG = _flag("DEBUG")
ALLOWED_HOSTS = _words("ALLOWED_HOSTS", "localhost 127.0.0.1 [::1]")
CSRF_TRUSTED_ORIGINS = _words("CSRF_TRUSTED_ORIGINS")
PORT = _number("PORT", 8000)
DATA_DIR = Path(os.environ.get("PORTHOLE_DATA_DIR") or BASE_DIR / "var").resolve()
REDIS_URL = os.environ.get("REDIS_URL", "")

PORTHOLE_LOCAL_PROVIDER = os.environ.get("PORTHOLE_LOCAL_PROVIDER") == "1"
PORTHOLE_ENCRYPTION_KEYS: list[str] = _words("PORTHOLE_ENCRYPTION_KEYS")
PORTHOLE_AUDIT_KEY = os.environ.get("PORTHOLE_AUDIT_KEY", "").strip()
PORTHOLE_TRUSTED_PROXIES = _number("PORTHOLE_TRUSTED_PROXIES", 0)
PORTHOLE_HOST_ADDRESS = os.environ.get("PORTHOLE_HOST_ADDRESS", "")  # empty: where `manage.py serve` listens

# Defaults of the limits that an organization and a service may set for themselves. Seconds, unless named otherwise.
PORTHOLE_SESSION_LIMIT = _number("PORTHOLE_SESSION_LIMIT", 15)
PORTHOLE_IDLE_TIMEOUT = _number("PORTHOLE_IDLE_TIMEOUT", 30 * 60)
PORTHOLE_MAX_DURATION = _number("PORTHOLE_MAX_DURATION", 0) or None  # 0: no limit
PORTHOLE_RECONNECT_GRACE = _number("PORTHOLE_RECONNECT_GRACE", 60)
PORTHOLE_DETACH_TTL = _number("PORTHOLE_DETACH_TTL", 60 * 60)
PORTHOLE_DETACH_TTL_MAX = _number("PORTHOLE_DETACH_TTL_MAX", 24 * 60 * 60)
PORTHOLE_ATTACH_TIMEOUT = _number("PORTHOLE_ATTACH_TIMEOUT", 60)
PORTHOLE_TICKET_LIFETIME = _number("PORTHOLE_TICKET_LIFETIME", 60)
PORTHOLE_CONSOLE_TIMEOUT = _number("PORTHOLE_CONSOLE_TIMEOUT", 180)  # until a console's container must run
PORTHOLE_OUTPUT_QUOTA = _number("PORTHOLE_OUTPUT_QUOTA", 4 * 1024**3)  # bytes one session may print
PORTHOLE_PING_INTERVAL = _number("PORTHOLE_PING_INTERVAL", 20)

# --- Django ---

INSTALLED_APPS = [
    "portal",
    "sessions_app",
    "audit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "channels",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "portal.health.answer_health_checks",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every page asks for a signed-in user unless it says otherwise; the API has its own classes for that.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"

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
                "csp.context_processors.nonce",
            ]
        },
    }
]

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'porthole.sqlite3'}", conn_health_checks=True
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Several processes share the file: readers never wait for a writer (WAL), and a transaction takes the write lock
    # when it begins, so that it waits for its turn instead of failing half way.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # A database host that vanishes says nothing. Without these a thread waits for it for minutes, or for ever.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives": 1,
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,  # milliseconds
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES: dict[str, Any] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if REDIS_URL:
    CACHES["default"] = {"BACKEND": "portal.cache.SharedCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "porthole"}
CHANNEL_LAYERS: dict[str, Any] = {
    "default": (
        {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            # The layer blocks for 5 s at a time, and redis-py 8 waits no longer for any answer (channels_redis#422).
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 15}], "prefix": "porthole"},
        }
        if REDIS_URL
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "portal.formats"
USE_TZ = True

# Third-party front-end files stay where npm put them; only what a page asks for is named here.
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
_NODE_MODULES = BASE_DIR / "node_modules"
_VENDORED = {
    "tabler": "@tabler/core/dist/css",
    "xterm": "@xterm/xterm/lib",
    "xterm-css": "@xterm/xterm/css",
    "addon-fit": "@xterm/addon-fit/lib",
    "addon-webgl": "@xterm/addon-webgl/lib",
    "addon-search": "@xterm/addon-search/lib",
    "addon-web-links": "@xterm/addon-web-links/lib",
    "addon-unicode11": "@xterm/addon-unicode11/lib",
    "htmx": "htmx.org/dist",
    "asciinema-player": "asciinema-player/dist/bundle",
}
STATICFILES_DIRS: list[Any] = [
    BASE_DIR / "static",
    *(
        (f"vendor/{prefix}", _NODE_MODULES / folder)
        for prefix, folder in _VENDORED.items()
        if (_NODE_MODULES / folder).is_dir()
    ),
]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- Sign-in ---

AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "portal.signin.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_SESSION_REMEMBER = True
# Guesses at one account, and guesses from one address at any account; shared by page, admin and API.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,5/5m/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = PORTHOLE_TRUSTED_PROXIES

# --- What the browser is told ---

# HTTPS is what the operator says it is: the embedded demo runs on http://127.0.0.1.
HTTPS = not DEBUG and any(origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "porthole_session"
CSRF_COOKIE_NAME = "porthole_csrf"
SESSION_COOKIE_AGE = 14 * 24 * 60 * 60
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
# Without a proxy in front nothing here could tell an HTTPS request from another, and a redirect would never end.
SECURE_SSL_REDIRECT = HTTPS and PORTHOLE_TRUSTED_PROXIES > 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PORTHOLE_TRUSTED_PROXIES else None
# Whether other hosts of the domain have HTTPS is not for one of them to promise.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- API ---

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.api.authentication.ApiTokenAuthentication",
        "portal.api.authentication.AccessTokenAuthentication",
        "portal.api.authentication.PageAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "portal.api.permissions.TokenHasScope",
    ],
    "DEFAULT_PARSER_CLASSES": ["portal.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "portal.api.pagination.Pagination",
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": f"{_number('PORTHOLE_API_RATE_ANONYMOUS', 120)}/min",
        "user": f"{_number('PORTHOLE_API_RATE', 6000)}/min",
        "search": f"{_number('PORTHOLE_SEARCH_RATE', 120)}/min",
    },
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.api.errors.handle",
    "NUM_PROXIES": PORTHOLE_TRUSTED_PROXIES,
}
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(hours=12),
    "AUDIENCE": "porthole-api",  # a connection ticket is signed for another audience
    "USER_ID_CLAIM": "sub",
    "UPDATE_LAST_LOGIN": False,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Porthole",
    "DESCRIPTION": "Recorded shells in running containers, with permissions and limits.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated", "portal.api.permissions.TokenHasScope"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "PermissionEnum": "portal.permissions.PERMISSIONS",
        "ProviderKindEnum": "portal.models.ProviderKind",
        "SessionKindEnum": ["shell", "console", "exec", "port_forward", "unix_socket", "reverse_proxy"],
    },
}

# --- Background work ---

BROKER_DIR = DATA_DIR / "broker"
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"visibility_timeout": 3600, "global_keyprefix": "porthole:"}
else:
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 10 * 60
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")

# --- Logging ---

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "portal.logs.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO").upper()},
    "loggers": {
        # Django's own handlers would send a second copy, and a page of settings by mail.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
