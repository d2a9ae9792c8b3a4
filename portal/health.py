"""`/healthz` and `/readyz`: what a container platform or a load balancer asks a web process.

They stand before everything else, because whoever asks knows neither the portal's host name nor TLS: Kubernetes asks
the pod's own address over plain HTTP. They say nothing about anybody.
"""

import logging
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast

from asgiref.sync import sync_to_async
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponseBase]
AsyncHandler = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def alive() -> HttpResponse:
    """This process answers. It asks nothing else: to start it anew would not mend a database that is down."""
    return _answer("ok")


def ready() -> HttpResponse:
    """It can do its work: the database answers. 503 otherwise."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:  # also an InterfaceError, which is no DatabaseError: the connection broke on this side
        logger.warning("not ready: the database does not answer (%s)", type(error).__name__)
        return _answer("The database does not answer.", 503)
    return _answer("ok")


def _answer(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(f"{text}\n", "text/plain", status, headers={"Cache-Control": "no-store"})


QUESTIONS: dict[str, Callable[[], HttpResponse]] = {"/healthz": alive, "/readyz": ready}


@sync_and_async_middleware
def answer_health_checks(get_response: Handler | AsyncHandler) -> Handler | AsyncHandler:
    """Answer the two addresses; pass everything else on."""
    if iscoroutinefunction(get_response):
        pass_on = cast(AsyncHandler, get_response)

        async def answer(request: HttpRequest) -> HttpResponseBase:
            question = QUESTIONS.get(request.path)
            return await (sync_to_async(question)() if question is not None else pass_on(request))

        return answer

    pass_on_here = cast(Handler, get_response)

    def answer_here(request: HttpRequest) -> HttpResponseBase:
        question = QUESTIONS.get(request.path)
        return question() if question is not None else pass_on_here(request)

    return answer_here
