"""The Celery application: tasks take ids and may run twice."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

REAP_EVERY = 15.0
SWEEP_CONSOLES_EVERY = 30.0
CLEAN_UP_EVERY = 60.0
SIGN_EVERY = 300.0
DELETE_EXPIRED_EVERY = 300.0
INDEX_EVERY = 15.0

app = Celery("porthole")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# A tick that nobody took before the next one comes is worthless, so it expires.
app.conf.beat_schedule = {
    "reap": {"task": "sessions_app.tasks.reap", "schedule": REAP_EVERY, "options": {"expires": REAP_EVERY}},
    "sweep-consoles": {
        "task": "sessions_app.tasks.sweep_consoles",
        "schedule": SWEEP_CONSOLES_EVERY,
        "options": {"expires": SWEEP_CONSOLES_EVERY},
    },
    "clean-up": {
        "task": "sessions_app.tasks.clean_up",
        "schedule": CLEAN_UP_EVERY,
        "options": {"expires": CLEAN_UP_EVERY},
    },
    "sign-chain-heads": {
        "task": "audit.tasks.sign_chain_heads",
        "schedule": SIGN_EVERY,
        "options": {"expires": SIGN_EVERY},
    },
    "delete-expired-recordings": {
        "task": "audit.tasks.delete_expired_recordings",
        "schedule": DELETE_EXPIRED_EVERY,
        "options": {"expires": DELETE_EXPIRED_EVERY},
    },
    "index-for-search": {
        "task": "audit.tasks.index_for_search",
        "schedule": INDEX_EVERY,
        "options": {"expires": INDEX_EVERY},
    },
}
