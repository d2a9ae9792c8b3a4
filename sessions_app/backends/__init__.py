"""Places where containers run, behind one contract (base.py)."""

from sessions_app.backends.registry import open_backend

__all__ = ["open_backend"]
