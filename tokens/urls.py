"""The public paths; none ends in a slash."""

from django.urls import path

from tokens import health, page, views

urlpatterns = [
    path("api/v3/tokens", views.TokenList.as_view(), name="tokens"),
    path("api/v3/tokens/<str:address>", views.TokenDetail.as_view(), name="token"),
    path("api/v3/changes", views.Changes.as_view(), name="changes"),
    path("api/health", health.Health.as_view(), name="health"),
    path("livez", health.Live.as_view(), name="livez"),
    path("readyz", health.Ready.as_view(), name="readyz"),
    path("", page.index, name="index"),
]
