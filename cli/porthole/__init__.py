"""The `porthole` command: a client of the portal's public API and of the protocol `porthole.v1` alone."""

__version__ = "0.1.0"
