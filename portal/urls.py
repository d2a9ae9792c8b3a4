"""Every address of the portal. The rooms' own are included by name, so that this file imports none of them."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
