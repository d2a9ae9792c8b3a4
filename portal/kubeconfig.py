"""The text of a kubeconfig as a mapping, read as what it is: something that a stranger wrote. No Django.

YAML lets a few hundred characters stand for gigabytes (an alias of an alias of an alias), nest without end and name
types. A kubeconfig needs none of it: here there are mappings, lists, texts, yes, no and nothing.
"""

from collections.abc import Mapping
from typing import Any

import yaml

MAX_TEXT = 256 * 1024
"""Characters of a kubeconfig."""

MAX_DEPTH = 16
"""Levels of a kubeconfig; its own are six."""

_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "bool", "null")}


class Unreadable(Exception):
    """The text is not a kubeconfig. It is never quoted: it holds credentials."""


class _Loader(yaml.SafeLoader):
    """Knows no aliases and no other types; a number or a date stays the text that it is."""

    yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in resolvers if tag in _TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {
        tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in _TAGS
    }

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias", None)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "too deep", None)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def parse(text: str) -> Mapping[str, Any]:
    """The kubeconfig's mapping. Raises `Unreadable`."""
    if len(text) > MAX_TEXT:
        raise Unreadable(f"it is longer than {MAX_TEXT} characters")
    try:
        config = yaml.load(text, _Loader)  # noqa: S506 - a narrower SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise Unreadable("it is not plain YAML") from error
    if not isinstance(config, dict):
        raise Unreadable("it is not a mapping")
    return config
