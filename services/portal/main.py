"""Builds the portal and runs it: the only place that reads settings and puts parts together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from services.portal.accounts import account_routes
from services.portal.boards import board_routes
from services.portal.errors import install_error_pages
from services.portal.packages import WheelFolder, package_routes
from services.portal.pages import challenge_routes, submission_routes
from services.portal.protection import Protection
from services.portal.published import PublishedDocument, openapi_routes
from services.portal.rendering import STATIC, environment
from services.portal.sessions import Cookies
from services.portal.site import Site
from services.portal.upstream import Upstream
from shared.http import run_http_service
from shared.settings import PortalSettings
from shared.telemetry import Readiness, configure_logging, install_probes


def build_app(settings: PortalSettings) -> FastAPI:
    """The whole portal. Its connections are closed when the application ends."""
    upstream = Upstream.at(str(settings.leaderboard_url), str(settings.ingest_url))
    origin = str(settings.origin).rstrip("/")
    site = Site(
        upstream=upstream,
        templates=environment(),
        cookies=Cookies(secure=settings.origin.scheme == "https"),
        wheels=WheelFolder(settings.wheel_dir),
        origin=origin,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await upstream.close()

    # No OpenAPI document of its own: pages are for people, and the merged document has this address.
    app = FastAPI(title="Palio portal", openapi_url=None, lifespan=lifespan)
    app.include_router(challenge_routes(site))
    app.include_router(board_routes(site))
    app.include_router(submission_routes(site))
    app.include_router(account_routes(site))
    app.include_router(package_routes(site.wheels))
    app.mount("/static", StaticFiles(directory=STATIC))
    app.include_router(openapi_routes(PublishedDocument(upstream, origin)))
    install_error_pages(app, site)
    # Ready with the APIs away too: then its pages say so in words, which the front door could not.
    install_probes(app, Readiness())
    app.add_middleware(Protection, origin=origin)
    return app


def main() -> None:
    """Run until SIGTERM."""
    settings = PortalSettings()
    configure_logging("portal", settings.log_level)
    run_http_service(build_app(settings), settings.http_host, settings.http_port)
