"""What the service says when it refuses: problem details (RFC 9457) that never show what they were given."""

from __future__ import annotations

import logging
import traceback
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ...evidence.encoding import MalformedError
from ...evidence.errors import ReperformError
from ..admission import CrowdedError, NotAdmittedError
from ..store.engine import StoreError
from ..wire import PROBLEM_TYPE

log = logging.getLogger(__name__)

# The nearest class of an error decides.
STATUSES: Final[dict[type[ReperformError], HTTPStatus]] = {
    MalformedError: HTTPStatus.BAD_REQUEST,
    NotAdmittedError: HTTPStatus.FORBIDDEN,
    CrowdedError: HTTPStatus.CONFLICT,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
}
RETRY_SECONDS: Final = 1


def problem(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A refusal and its reason."""
    body = {"title": status.phrase, "status": status.value, "detail": detail}
    return JSONResponse(body, status, headers, media_type=PROBLEM_TYPE)


def defect(error: Exception) -> JSONResponse:
    """What is said of an error that nobody foresaw."""
    # Where, and not what: the message of an error may show what somebody wrote.
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("a defect: %s\n%s", type(error).__name__, where)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of this service; it is in its log")


def add_problems(app: FastAPI) -> None:
    """Let every error of this service end in a problem."""

    def refused(_: Request, error: Exception) -> JSONResponse:
        status = next((STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES), HTTPStatus.BAD_REQUEST)
        if status is HTTPStatus.BAD_REQUEST:
            return problem(status, "the body holds no documents in the encoding of docs/documents.md")
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            log.error("%s", error)
            return problem(status, str(error), {"Retry-After": str(RETRY_SECONDS)})
        return problem(status, str(error))

    def http(_: Request, error: Exception) -> JSONResponse:
        status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 500)
        return problem(status, status.description or status.phrase)

    def invalid(_: Request, error: Exception) -> JSONResponse:
        # pydantic's own report shows what it was given.
        found = error.errors() if isinstance(error, RequestValidationError) else ()
        places = [".".join(str(part) for part in each["loc"]) for each in found]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"not as the description at /docs says: {', '.join(places)}")

    def gone(_: Request, __: Exception) -> JSONResponse:
        return problem(HTTPStatus.BAD_REQUEST, "the body was not sent to its end")

    app.add_exception_handler(ReperformError, refused)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
