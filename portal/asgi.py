"""Where a web process is put together: pages and API, live sessions, and the host that owns them."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
pages = get_asgi_application()  # loads the apps, which the imports below need

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from sessions_app.host import SessionHost  # noqa: E402
from sessions_app.routing import Lifespan, websocket_routes  # noqa: E402

host = SessionHost()
application = ProtocolTypeRouter(
    {"http": pages, "websocket": URLRouter(websocket_routes(host)), "lifespan": Lifespan(host)}
)
