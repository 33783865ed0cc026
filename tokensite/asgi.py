"""The one web process: HTTP through Django, WebSocket through the hub's routing, which checks Origins itself."""

import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokensite.settings")
os.environ.setdefault("PROCESS_ROLE", "web")

# WhiteNoise hands files out by iterators that Django under ASGI reads at once; ours have a few kilobytes.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # loads the apps that the imports below need

from channels.routing import ProtocolTypeRouter

from tokens.routing import websocket

application = ProtocolTypeRouter({"http": http, "websocket": websocket})
