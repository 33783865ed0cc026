"""The one web process: HTTP through Django, WebSocket through the hub's routing, which checks Origins itself."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokensite.settings")
os.environ.setdefault("PROCESS_ROLE", "web")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # loads the apps that the imports below need

from channels.routing import ProtocolTypeRouter

from tokens.routing import websocket

application = ProtocolTypeRouter({"http": http, "websocket": websocket})
