"""Pages of a list."""

from rest_framework.pagination import LimitOffsetPagination


class Pagination(LimitOffsetPagination):
    """`?limit=50&offset=100`; at most 500 at a time."""

    default_limit = 50
    max_limit = 500
