"""The addresses of the sessions' pages."""

from django.urls import path

from sessions_app import views, views_console

urlpatterns = [
    path("sessions/", views.session_list, name="session_list"),
    path("sessions/rows/", views.session_rows, name="session_rows"),
    path("sessions/<str:uid>/", views.session_detail, name="session_detail"),
    path("terminal/<str:uid>/", views.terminal, name="terminal"),
    path("services/<int:pk>/shell/", views.open_shell, name="open_shell"),
    path("services/<int:pk>/console/", views_console.new_console, name="new_console"),
    path("stacks/<int:pk>/shell/", views.stack_shell, name="stack_shell"),
]
