"""The operators' paths about lists."""

from django.urls import path, re_path

from enrichment import views

urlpatterns = [
    path("api/v3/lists/", views.Lists.as_view(), name="lists"),
    path("api/v3/lists/runs", views.Runs.as_view(), name="list-runs"),
    path("api/v3/lists/quarantine", views.Quarantines.as_view(), name="list-quarantine"),
    re_path(
        r"^api/v3/lists/quarantine/(?P<quarantine_id>[0-9]{1,18})/(?P<word>approve|reject)$",
        views.Decision.as_view(),
        name="list-decision",
    ),
]
