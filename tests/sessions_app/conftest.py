"""What the tests of sessions share."""

from tests.audit.conftest import small_disk as small_disk  # the same full disk as the journal's own tests
