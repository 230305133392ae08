"""The one view that djangorestframework-api-key guards here. Django imports it when it is set up."""

# mypy: disable-error-code="import-not-found, misc"
# What it imports is installed for the run alone, so the check of types knows nothing of it.

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.permissions import HasAPIKey


class Status(APIView):
    permission_classes = (HasAPIKey,)

    def get(self, _request: Request) -> Response:
        return Response({"success": True, "status": "completed"})


urlpatterns = [path("status", Status.as_view())]
