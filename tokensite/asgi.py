"""The one web process: HTTP through Django, WebSocket through Channels behind an Origin check."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokensite.settings")
os.environ.setdefault("PROCESS_ROLE", "web")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # loads the apps that the imports below need

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

from tokens.routing import websocket_urlpatterns

application = ProtocolTypeRouter(
    {"http": http, "websocket": AllowedHostsOriginValidator(URLRouter(websocket_urlpatterns))}
)
