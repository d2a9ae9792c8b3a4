"""From what a person calls something to the one thing that is meant."""

from collections.abc import Sequence

from porthole.failures import Exit, Failure
from porthole.portal import PAGE, Json, Portal, Refused

HTTP_NOT_FOUND = 404
UID_LENGTH = 29
LIST = "See: porthole services"


def service(portal: Portal, text: str) -> Json:
    """A service by its number, `stack/service`, or its own name where that is unique. Raises `Failure`."""
    if text.isdecimal():
        try:
            found: Json = portal.get(f"services/{text}/")
        except Refused as refusal:
            if refusal.status != HTTP_NOT_FOUND:
                raise
            raise Failure(f"There is no service {text}. {LIST}", Exit.NOT_FOUND) from refusal
        return found
    services = portal.every("services/")
    stack, _, name = text.rpartition("/")
    matching = [each for each in services if _is(each, stack, name)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise Failure(
            f"There is no service {text!r} that is open to you.{_like(text, services)} {LIST}", Exit.NOT_FOUND
        )
    choices = "".join(f"\n  {each['id']:>5}  {full_name(each)}" for each in matching)
    raise Failure(
        f"{text!r} names {len(matching)} services. Say which, by its number or as stack/service:{choices}",
        Exit.NOT_FOUND,
    )


def only_service(portal: Portal, permission: str) -> Json:
    """The one service on which the person holds a permission. Raises `Failure` where there are none or several."""
    services = [each for each in portal.every("services/") if permission in each["permissions"]]
    if len(services) == 1:
        return services[0]
    if not services:
        raise Failure(f"You hold the permission {permission} on no service. {LIST}", Exit.REFUSED)
    choices = "".join(f"\n  {full_name(each)}" for each in services)
    raise Failure(f"There are {len(services)} services for this. Say which with --app:{choices}", Exit.USAGE)


def full_name(found: Json) -> str:
    """What to call a service."""
    return f"{found['stack_slug']}/{found['slug']}"


def session(portal: Portal, text: str) -> str:
    """A live session's id, from all of it or as much as is unique at its beginning or end. Raises `Failure`."""
    if len(text) == UID_LENGTH:
        return text
    ids = [str(stream["id"]) for stream in portal.get("streams/")]
    return _the_one(text, ids, f"No live session is called {text!r}. See: porthole streams")


def recording(portal: Portal, text: str) -> str:
    """The id of a session that is over, as `session` has it of a live one; of the latest, from a part. Raises
    `Failure`."""
    if len(text) == UID_LENGTH:
        return text
    ids = [str(each["uid"]) for each in portal.get("sessions/", state="stopped", limit=PAGE)["results"]]
    return _the_one(text, ids, f"No recording is called {text!r}. See: porthole recordings")


def _the_one(text: str, ids: Sequence[str], nothing: str) -> str:
    matching = [uid for uid in ids if uid.startswith(text) or uid.endswith(text)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        choices = "".join(f"\n  {uid}" for uid in matching)
        raise Failure(f"{text!r} fits {len(matching)} sessions. Say more of the one you mean:{choices}", Exit.NOT_FOUND)
    raise Failure(nothing, Exit.NOT_FOUND)


def _is(found: Json, stack: str, name: str) -> bool:
    return name in (found["slug"], found["name"]) and (not stack or stack in (found["stack_slug"], found["stack_name"]))


def _like(text: str, services: Sequence[Json]) -> str:
    import difflib

    names = [full_name(each) for each in services]
    close = difflib.get_close_matches(text, [*names, *(each["slug"] for each in services)], n=1)
    return f" Did you mean {close[0]}?" if close else ""
