from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# Django is not set up yet when this file is loaded.
if TYPE_CHECKING:
    from tests.portal.world import Tenant


@pytest.fixture(autouse=True)
def _no_guesses_so_far() -> Iterator[None]:
    """Limits on guessing count in the cache, which outlives a test."""
    from django.core.cache import cache

    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def acme(db: None) -> "Tenant":
    from tests.portal.world import make_tenant

    return make_tenant("acme")


@pytest.fixture
def globex(db: None) -> "Tenant":
    from tests.portal.world import make_tenant

    return make_tenant("globex")
