"""Service for explanations of a bundle over HTTP, with bounded requests that are explained together."""

import asyncio
import contextlib
import json
import types
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

import torch

from lxr.delivery.bundle import Bundle
from lxr.delivery.explanations import Delivery
from lxr.delivery.records import REASONS, Record
from lxr.service.answers import Limits, Question, QuestionError, answers, checked_question
from lxr.utils.extras import extra

with extra("serve"):
    from fastapi import FastAPI, HTTPException, Request, Response
    from fastapi.exceptions import RequestValidationError
    from fastapi.middleware.trustedhost import TrustedHostMiddleware
    from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, create_model

JSON = "application/json"
ABOUT = """Why is an item recommended to a user? Send the id of a user, or a history as a list of item ids, to
`POST /explain`. The answer has one record of the schema `lxr-explanation/1` for each explained item."""

OTHERWISE: dict[int | str, dict[str, Any]] = {
    413: {"description": "The body is too long"},
    500: {"description": "The explainer fails"},
    503: {"description": "Too many requests wait: ask again"},
}


class Answer(TypedDict):
    """Answer to a request: one record for each explained item."""

    explanations: list[Record]


class Batches:
    """Queue of questions, explained in one thread: those that wait while it works are explained together.

    Args:
        by: recommender, data and explainer.
        limits: largest numbers of waiting questions and of questions to explain together.
    """

    def __init__(self, by: Delivery, limits: Limits):
        self.by, self.limits = by, limits
        self.waiting: asyncio.Queue[tuple[Question, asyncio.Future]] = asyncio.Queue(limits.max_waiting)

    async def answer(self, question: Question) -> bytes:
        """Return the answer to a question, as JSON.

        Raises:
            HTTPException: too many questions wait (503), or the explainer fails (500).
        """
        future: asyncio.Future = asyncio.get_running_loop().create_future()
        try:
            self.waiting.put_nowait((question, future))
        except asyncio.QueueFull:
            raise HTTPException(503, f"{self.limits.max_waiting} requests wait already", {"Retry-After": "1"}) from None
        answer = await future
        if isinstance(answer, Exception):
            raise HTTPException(500, f"cannot be explained: {type(answer).__name__}: {answer}")
        return answer

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Context in which one thread answers questions.

        PyTorch uses no further threads: for operations this short they mostly wait for each other.
        """
        with ThreadPoolExecutor(1, "explaining", torch.set_num_threads, (1,)) as thread:
            task = asyncio.create_task(self._run(thread))
            try:
                yield
            finally:
                task.cancel()

    async def _run(self, thread: ThreadPoolExecutor) -> None:
        """Collect and answer questions, without end."""
        while True:
            batch = [await self.waiting.get()]
            while not self.waiting.empty() and len(batch) < self.limits.max_batch:
                batch.append(self.waiting.get_nowait())
            batch = [(question, future) for question, future in batch if not future.done()]  # cancelled by then
            questions = [question for question, _ in batch]
            found = await asyncio.get_running_loop().run_in_executor(thread, answers, self.by, questions)
            for (_, future), answer in zip(batch, found, strict=True):
                if not future.done():
                    future.set_result(answer)


class BodyLimit:
    """Middleware that refuses bodies over a number of bytes with status 413, whatever their header states."""

    def __init__(self, app: Any, max_body: int):
        self.app, self.max_body = app, max_body

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        """Pass a request on, and count its bytes."""
        received = 0

        async def counted() -> dict:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_body:
                raise HTTPException(413, f"expected a body of at most {self.max_body} bytes")
            return message

        await self.app(scope, counted, send)


def application(bundle: Bundle, *, limits: Limits | None = None, hosts: Sequence[str] = ("*",)) -> FastAPI:
    """The service as an ASGI application.

    Args:
        bundle: a bundle with data; without an explainer, the default explainer is used.
        limits: limits of requests.
        hosts: allowed names of the service (header ``Host``); others are refused with status 400.

    Returns:
        The application: ``POST /explain``, ``GET /health``, the page ``/docs`` and ``/openapi.json``.

    Raises:
        ValueError: a bundle without data.
        ImportError: FastAPI is not installed.

    Example:
        >>> import lxr
        >>> from fastapi.testclient import TestClient
        >>> data = lxr.load_dataset("synthetic")
        >>> bundle = lxr.Bundle(lxr.MF(data.n_items, n_factors=8), None, data, {})
        >>> with TestClient(application(bundle)) as client:
        ...     answer = client.post("/explain", json={"user": 7}).json()
        >>> answer["explanations"][0]["title"]
        'Group B, item 4'
    """
    limits = limits or Limits()
    by = bundle.by
    batches, health = Batches(by, limits), health_of(bundle)
    asked, answered = question_model(limits), pydantic_of(Answer)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batches.running():
            yield

    app = FastAPI(title="lxr", description=ABOUT, lifespan=lifespan)
    app.add_middleware(BodyLimit, max_body=limits.max_body)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_exception_handler(RequestValidationError, refused)

    @app.post("/explain", response_model=answered, responses=OTHERWISE, summary="Explain recommendations to one user")
    async def explain(question: asked) -> Response:  # type: ignore[valid-type]
        try:
            checked = checked_question(by, **vars(question))
        except QuestionError as error:
            detail = {"type": "value_error", "loc": ("body", error.field), "msg": str(error)}
            raise RequestValidationError([detail]) from error
        return Response(await batches.answer(checked), media_type=JSON)

    @app.get("/health", summary="State of the service and description of its bundle")
    async def is_healthy() -> dict:
        return health | {"waiting": batches.waiting.qsize()}

    return app


async def refused(_: Request, error: Exception) -> Response:
    """Status 422 with the field but without its value, which may be long or not a valid text or number."""
    assert isinstance(error, RequestValidationError)
    details = [{name: each[name] for name in ("type", "loc", "msg")} for each in error.errors()]
    return Response(json.dumps({"detail": details}), 422, media_type=JSON)


def health_of(bundle: Bundle) -> dict:
    """Describe the served bundle: names, fingerprints, numbers of users and items, versions."""
    by, (recommender, explainer) = bundle.by, bundle.by.fingerprints
    return {
        "status": "ok",
        "recommender": type(by.model).__name__,
        "explainer": by.name,
        "recommender_fingerprint": recommender,
        "explainer_fingerprint": explainer,
        "users": len(by.data.user_ids),
        "items": by.data.n_items,
        "versions": bundle.versions,
    }


def question_model(limits: Limits) -> type[BaseModel]:
    """Model of a request's body, with its limits."""
    ids = list[StrictInt | StrictStr]
    history = Field(None, description="item ids", min_length=1, max_length=limits.max_history)
    items = Field(None, description="ids of the explained items", min_length=1, max_length=limits.max_items)
    n = Field(1, description="number of best items to explain, if no items are given", ge=1, le=limits.max_items)
    reasons = Field(REASONS, description="number of first reasons of each explanation", ge=1, le=limits.max_history)
    return create_model(
        "Question",
        __config__=ConfigDict(extra="forbid"),
        user=(StrictInt | StrictStr | None, Field(None, description="id of a user of the bundle; or give a history")),
        history=(ids | None, history),
        items=(ids | None, items),
        n=(StrictInt, n),
        reasons=(StrictInt, reasons),
    )


def pydantic_of(kind: Any) -> Any:
    """A type for pydantic: all typed dictionaries in it become models.

    (Pydantic accepts typed dictionaries of ``typing`` only from Python 3.12 on.)
    """
    if is_typeddict(kind):
        hints = get_type_hints(kind).items()
        # Under other names: "schema" is a method of pydantic's models.
        fields: dict[str, Any] = {f"{name}_": (pydantic_of(hint), Field(alias=name)) for name, hint in hints}
        return create_model(kind.__name__, **fields)
    if get_origin(kind) in (Union, types.UnionType):
        return Union[tuple(map(pydantic_of, get_args(kind)))]  # noqa: UP007 - of any number
    return list[pydantic_of(get_args(kind)[0])] if get_origin(kind) is list else kind  # type: ignore[misc]
