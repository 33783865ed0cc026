"""Where everything hangs."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("enrichment.urls")),
    path("", include("tokens.urls")),
]
handler400 = "tokens.errors.bad_request"
handler403 = "tokens.errors.permission_denied"
handler404 = "tokens.errors.not_found"
handler500 = "tokens.errors.server_error"
