"""The addresses of the record's pages."""

from django.urls import path

from audit import views, views_review
from audit.decisions import DECISIONS

urlpatterns = [
    path("search/", views.search, name="search"),
    path("recordings/", views_review.recording_list, name="recording_list"),
    *(
        path(f"recordings/<str:uid>/{word}/", views_review.decide, {"word": word}, name=f"recording_{word}")
        for word in DECISIONS
    ),
]
