"""The API's description, for programs and for people."""

from django.contrib.auth.mixins import LoginRequiredMixin
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from portal.api.permissions import READ


class SchemaView(SpectacularAPIView):
    """OpenAPI, as YAML or JSON."""

    scopes = READ


class DocsView(LoginRequiredMixin, SpectacularSwaggerSplitView):
    """The readable form. Its page and script are two files, so that no inline script is needed."""

    scopes = READ
    template_name = "portal/api_docs.html"
