"""Which endpoint answers a POST to which path, and how it is spoken to there."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from trainyard.errors import BadRequest, TrainyardError
from trainyard.image.serve.dialect import Dialect
from trainyard.image.serve.dialects.instances import Instances
from trainyard.image.serve.dialects.model_names import PREFIX, ModelNames
from trainyard.image.serve.dialects.native import Native
from trainyard.image.serve.dialects.open_inference import OpenInference
from trainyard.image.serve.prediction.endpoint import Endpoint
from trainyard.image.serve.request import Request
from trainyard.settings.image import ImageSettings

INVOCATIONS = "/invocations"
# Passed on by InvokeEndpoint: TargetModel by endpoints of several models, CustomAttributes by every endpoint.
TARGET_MODEL = b"x-amzn-sagemaker-target-model"
CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
SHOWN_ROUTES = 10

Found = tuple[Endpoint, Dialect]


class UnknownRoute(TrainyardError):
    """A route that this image has not; HTTP 404."""

    http_status = 404


def prediction_paths(endpoints: Sequence[Endpoint], settings: ImageSettings) -> dict[str, Found]:
    """Our own paths, with their leading slash; each is served with a trailing slash, too.

    A route that Vertex AI posts to is left out: ``OtherDialects`` understands what it sends, and our own message.
    """
    paths = (f"/{endpoint.route.path}" for endpoint in endpoints)
    others = settings.aip_predict_route.rstrip("/")
    most = settings.max_body_mb << 20
    found = ((path, (endpoint, Native(endpoint, most))) for path, endpoint in zip(paths, endpoints, strict=True))
    return {path: entry for path, entry in found if path != others}


class OtherDialects:
    """What other servers' clients post to. A route of the image at such a path comes first, but for Vertex AI's."""

    def __init__(self, endpoints: Sequence[Endpoint], settings: ImageSettings, every_path: Sequence[str] = ()) -> None:
        """``every_path``: the routes of the whole image; default: those of ``endpoints``."""
        self._every_path = tuple(every_path) or tuple(endpoint.route.path for endpoint in endpoints)
        self.names = ModelNames(endpoints, settings.model_name, self._every_path)
        self._routes = {endpoint.route.path: endpoint for endpoint in endpoints}
        self.vertex_path = settings.aip_predict_route.rstrip("/")
        self._most_bytes = settings.max_body_mb << 20
        self._vertex = self._routes.get(self.vertex_path.strip("/")) or endpoints[0]

    @property
    def paths(self) -> frozenset[str]:
        """What they are, but for those below ``/v2``."""
        return frozenset({INVOCATIONS, self.vertex_path} - {""})

    def find(self, request: Request) -> Found | None:
        """What answers a request to a path that is not in ``prediction_paths``; None where it is no prediction.

        Raises:
            TrainyardError: there is no such model, or there are several and none is named.
        """
        path = request.path.decode("latin-1")
        if path.startswith(PREFIX):
            return self._open_inference(path)
        path = path.removesuffix("/")
        if path == INVOCATIONS:
            endpoint = self._chosen(request)
            return endpoint, Instances(endpoint, self._most_bytes, only_predictions=False)
        if self.vertex_path and path in (self.vertex_path, unquote(self.vertex_path)):
            return self._vertex, Instances(self._vertex, self._most_bytes, only_predictions=True)
        return None

    def _open_inference(self, path: str) -> Found | None:
        endpoint, name, operation = self.names.find(path)
        return (endpoint, OpenInference(endpoint, name, self._most_bytes)) if operation == "infer" else None

    def _chosen(self, request: Request) -> Endpoint:
        """The only route of an image, or the one that the request names."""
        known = ", ".join(self._every_path[:SHOWN_ROUTES])
        if wanted := wanted_route(request):
            if wanted not in self._routes:
                raise UnknownRoute(f"there is no route {wanted[:80]!r}", f"this image has {known}")
            return self._routes[wanted]
        if len(self._every_path) > 1:
            raise BadRequest(
                f"this image has {len(self._every_path)} routes", f"name one in X-Amzn-SageMaker-Target-Model: {known}"
            )
        return next(iter(self._routes.values()))


def wanted_route(request: Request) -> str:
    """``X-Amzn-SageMaker-Target-Model: <route>``, or ``route=<route>`` among the custom attributes."""
    wanted = request.headers.get(TARGET_MODEL, b"")
    for attribute in request.headers.get(CUSTOM_ATTRIBUTES, b"").split(b","):
        key, _, value = attribute.partition(b"=")
        if key.strip() == b"route":
            wanted = wanted or value
    return wanted.decode("latin-1").strip().strip("/")
