"""The application: its routes, each with a tier, and what surrounds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from rasterio.errors import RasterioIOError
from rio_tiler.errors import RioTilerError
from starlette.types import ASGIApp

from basrelief import __version__
from basrelief.serve import catalogue, explore, files, login, ogc, pages, rasters, static
from basrelief.serve.editions import ReplacedError, Shelf
from basrelief.serve.guard import GuardedRoute, find_tier
from basrelief.serve.keys import KeyRing
from basrelief.serve.people import Doorkeeper
from basrelief.serve.records import Records
from basrelief.serve.settings import ServeSettings
from basrelief.serve.shield import Shield

ROOMS = (pages, explore, files, static, login, ogc, rasters, catalogue)
"""Modules with routes, each in a ``router``."""


@dataclass(frozen=True)
class Server:
    """The application and what it serves."""

    api: FastAPI
    app: ASGIApp
    """The same behind its shield: nothing else may be put on a network."""


def make_server(folders: Sequence[Path], settings: ServeSettings) -> Server:
    """Make the application that serves some runs.

    Raises
    ------
    InputError
        If a folder is no finished run, or the file of keys is none.
    """
    api = FastAPI(
        title="basrelief",
        version=__version__,
        description="Deprivation maps from LIDAR, of areas and not of people.",
        # Pages of theirs, which load scripts of others.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        root_path=settings.root_path,
    )
    api.state.settings = settings
    api.state.shelf = Shelf(folders)
    api.state.records = Records(
        settings.locate(settings.records.folder), settings.records.keep_months
    )
    api.state.pages = {}
    api.state.provider = login.make_client(settings)
    # So that a route added to the application itself is guarded as well.
    api.router.route_class = GuardedRoute
    for room in ROOMS:
        for route in room.router.routes:
            api.router.routes.append(route)
    # Whoever forgets a tier is told at once, and not by whoever finds it. No assert, which is
    # left out where Python optimises.
    if any(find_tier(route) is None for route in api.routes):
        raise RuntimeError("A route names no tier: mark its endpoint with for_tier.")
    _tell_faults(api)
    doorkeeper = Doorkeeper(settings, KeyRing(settings.locate(settings.keys)))
    shield = Shield(api, settings, doorkeeper, api.state.records)
    return Server(api, login.with_sessions(shield, settings))


def _tell_faults(api: FastAPI) -> None:
    """Tell every fault alike, in JSON."""

    def say(status: int, text: str, headers: Any = None) -> Response:
        # The standard allows it no body.
        if status == 304:
            return Response(status_code=304, headers=headers)
        return JSONResponse({"code": str(status), "description": text}, status, headers)

    @api.exception_handler(HTTPException)
    async def _refused(_: Request, error: HTTPException) -> Response:
        return say(error.status_code, str(error.detail), error.headers)

    # For addresses that no route has: that fault is Starlette's own, and not FastAPI's.
    @api.exception_handler(404)
    async def _missing(_: Request, error: HTTPException) -> Response:
        return say(404, str(error.detail))

    @api.exception_handler(RequestValidationError)
    async def _wrong(_: Request, error: RequestValidationError) -> Response:
        # 400 where FastAPI says 422: the standards for areas want it.
        fault = error.errors()[0]
        return say(400, f"{fault['loc'][-1]}: {fault['msg']}")

    @api.exception_handler(ReplacedError)
    async def _replaced(request: Request, error: ReplacedError) -> Response:
        # The fault names a file and not its run, so all of them are read again.
        for edition in list(request.app.state.shelf):
            request.app.state.shelf.forget(edition)
        return say(503, "This run is being replaced. Ask again.", {"Retry-After": "1"})

    @api.exception_handler(RioTilerError)
    async def _untiled(_: Request, error: RioTilerError) -> Response:
        # Maps ask for tiles beyond the edge of a raster all the time.
        return say(404, "There is nothing of this layer here.")

    @api.exception_handler(RasterioIOError)
    async def _unread(_: Request, error: RasterioIOError) -> Response:
        # It was whole a moment ago: most likely it is being written anew.
        return say(503, "This layer cannot be read.")
