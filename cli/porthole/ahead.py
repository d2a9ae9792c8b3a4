"""Imports that are done while the network is waited for."""

import importlib
import threading


def read_ahead(module: str) -> None:
    """Begin to import a module that will be needed. Whoever imports it meanwhile waits for this one."""
    threading.Thread(target=importlib.import_module, args=(module,), daemon=True).start()
