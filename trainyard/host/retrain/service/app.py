"""The HTTP API of the service."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline  # Swagger's files come with it: /docs needs no internet
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

import trainyard
from trainyard.host.retrain.jobs.job import OVER, Job, State
from trainyard.host.retrain.jobs.job_store import JobStore
from trainyard.host.retrain.jobs.request import RetrainRequest
from trainyard.host.retrain.service.authorization import needs
from trainyard.host.retrain.service.dispatcher import Dispatcher
from trainyard.host.retrain.service.job_view import JobPage, JobView, view
from trainyard.host.retrain.service.limits import Limits
from trainyard.host.retrain.service.log_stream import events
from trainyard.host.retrain.service.metrics import Metrics
from trainyard.host.retrain.service.problems import MEDIA_TYPE, Problem, handle_problems
from trainyard.host.retrain.service.pushes import Pushes
from trainyard.host.retrain.service.submitting import Submitting
from trainyard.host.retrain.tokens import Scope, TokenStore
from trainyard.host.retrain.work.job_folder import JobFolder
from trainyard.settings.retrain import RetrainSettings

_PAGE = resources.files("trainyard.host.retrain.service") / "page"
_JobId = Annotated[str, InPath(pattern=r"^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$")]
Reader = Annotated[str, Depends(needs(Scope.READ))]
Trainer = Annotated[str, Depends(needs(Scope.RETRAIN))]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {}}}
    for status in (400, 401, 403, 404, 409, 413, 422, 429, 503)
}
router = APIRouter(responses=_PROBLEMS)


@dataclass(frozen=True)
class Service:
    """What the routes work with. ``state``: the monorepo's state folder."""

    store: JobStore
    tokens: TokenStore
    settings: RetrainSettings
    submitting: Submitting
    dispatcher: Dispatcher
    metrics: Metrics
    pushes: Pushes
    state: Path

    def job(self, job_id: str) -> Job:
        if (job := self.store.find(job_id)) is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no job {job_id}")
        return job


async def _service(request: Request) -> Service:  # no thread is needed for it
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(_service)]


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


@router.post("/retrain", status_code=HTTPStatus.ACCEPTED)
def retrain(
    body: RetrainRequest, request: Request, response: Response, service: TheService, caller: Trainer,
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> JobView:  # fmt: skip
    """Train a model again. The answer comes at once; the job's URL says how it goes."""
    job = service.submitting.submit(body, f"token {caller}", idempotency_key)
    found = view(job, _base(request))
    response.headers["Location"] = found.url
    return found


@router.get("/jobs")
def jobs(
    request: Request, service: TheService, _: Reader,
    state: Annotated[list[State], Query()] = [],  # noqa: B006 -- FastAPI copies it
    text: Annotated[str, Query(max_length=200, description="in their requests: a model, a repository")] = "",
    before: Annotated[str, Query(max_length=40, description="the id of a job")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobPage:  # fmt: skip
    """The jobs, the newest first."""
    found = service.store.page(state, text, before, limit)
    after = str(request.url.include_query_params(before=found[-1].id)) if len(found) == limit else None
    return JobPage(jobs=[view(job, _base(request)) for job in found], next=after)


@router.get("/jobs/{job_id}")
def job_of(job_id: _JobId, request: Request, service: TheService, _: Reader) -> JobView:
    """One job."""
    return view(service.job(job_id), _base(request))


@router.get("/jobs/{job_id}/log", response_class=PlainTextResponse)
def log(
    job_id: _JobId, service: TheService, _: Reader, accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[str, Header(pattern=r"^\d{0,18}$")] = "",
) -> Response:  # fmt: skip
    """What the job has said: whole, or with `Accept: text/event-stream` as it comes."""
    job = service.job(job_id)
    path = JobFolder(service.state, job_id).log
    if "text/event-stream" not in accept:
        text = path.read_bytes().decode(errors="replace") if path.exists() else ""
        return PlainTextResponse(text)

    def is_over() -> bool:
        try:
            now = service.store.find(job.id)
        except SQLAlchemyError:  # away for a while
            return False
        return now is None or now.state in OVER

    stream = events(path, int(last_event_id or 0), is_over)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.post("/jobs/{job_id}/cancel", status_code=HTTPStatus.ACCEPTED)
def cancel(job_id: _JobId, request: Request, service: TheService, _: Trainer) -> JobView:
    """End a job: one that waits at once, one that runs within seconds."""
    job = service.job(job_id)
    if not service.store.stop(job_id):
        raise Problem(HTTPStatus.CONFLICT, f"job {job_id} is over: it has {job.state}")
    service.dispatcher.wake()
    return view(service.job(job_id), _base(request))


@router.post("/jobs/{job_id}/retry", status_code=HTTPStatus.ACCEPTED)
def retry(job_id: _JobId, request: Request, response: Response, service: TheService, caller: Trainer) -> JobView:
    """The same again, as a new job."""
    job = service.job(job_id)
    if job.state not in OVER:
        raise Problem(HTTPStatus.CONFLICT, f"job {job_id} is not over")
    if job.secret:
        raise Problem(HTTPStatus.CONFLICT, f"job {job_id} came with a credential, which is not kept: ask again")
    again = service.submitting.submit(RetrainRequest.model_validate(job.request), f"token {caller}", retry_of=job.id)
    found = view(again, _base(request))
    response.headers["Location"] = found.url
    return found


@router.post("/webhooks/push", status_code=HTTPStatus.ACCEPTED)
async def push(request: Request, service: TheService) -> JobPage:
    """A push webhook of GitHub or GitLab, which is known by its signature or token: it trains what the push changes."""
    body = await request.body()
    found = await run_in_threadpool(service.pushes.take, dict(request.headers), body)
    return JobPage(jobs=[view(job, _base(request)) for job in found])


@router.get("/livez", response_class=PlainTextResponse)
def livez() -> str:
    """The service answers."""
    return "ok\n"


@router.get("/readyz", response_class=PlainTextResponse)
def readyz(service: TheService) -> str:
    """Jobs are taken and handed out."""
    if not service.dispatcher.alive:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "jobs are not handed out: see the log of the service")
    service.store.counts()
    return "ok\n"


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: TheService, _: Reader) -> Response:
    """For Prometheus."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def make_app(service: Service) -> FastAPI:
    """The application."""
    app: FastAPI = FastAPIOffline(
        title="Trainyard retrain service", version=trainyard.__version__, redoc_url=None, static_url="/docs-files",
        favicon_url="/static/icon.svg",
        description="Trains models again on request: from a git commit, tracked, compared with the champion.",
    )  # fmt: skip
    app.state.service = service
    app.include_router(router)
    app.add_middleware(Limits, settings=service.settings)
    handle_problems(app)
    app.mount("/static", StaticFiles(directory=str(_PAGE)), "static")

    @app.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse((_PAGE / "index.html").read_text())

    return app
