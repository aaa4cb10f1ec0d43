"""Log in, log out, and the forms that change something; each checks who sent it."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from marketpulse.errors import MarketpulseError
from streams.dashboard.actions import Actions
from streams.dashboard.attempts import Attempts
from streams.dashboard.forms import form_of
from streams.dashboard.render import Renderer
from streams.dashboard.routes import Views
from streams.dashboard.security import delete_cookie, is_secure, session_of, set_cookie, too_many
from streams.dashboard.sessions import Sessions
from streams.errors import BadInput
from streams.serving.access import address_of, bearer_of
from streams.telemetry.logs import get_logger

log = get_logger("dashboard")


class Doors:
    """Addresses that take forms."""

    def __init__(
        self, views: Views, renderer: Renderer, sessions: Sessions, attempts: Attempts, actions: Actions
    ) -> None:
        self._views = views
        self._renderer = renderer
        self._sessions = sessions
        self._attempts = attempts
        self._actions = actions

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/alerts/mute", self.mute, methods=["POST"]),
            Route("/alerts/unmute", self.unmute, methods=["POST"]),
        ]

    async def login(self, request: Request) -> Response:
        """The form, and what it sends; a right token begins a session of at most 12 hours."""
        if not self._sessions.needed:
            return RedirectResponse("/", 303)
        if request.method == "GET":
            return self._form(request.query_params.get("next", "/"))
        address = address_of(request)
        if (wait := self._attempts.wait_s(address)) > 0:
            return too_many(wait)
        try:
            fields = await form_of(request)
        except BadInput as error:
            return self._form("/", str(error), 400)
        if (wait := self._attempts.wait_s(address)) > 0:  # others of this address failed while the form came in
            return too_many(wait)
        if not self._sessions.fits(fields.get("token", "")):
            self._attempts.failed(address)
            log.warning("page_login_refused", address=address)
            return self._form(fields.get("next", "/"), "That is not the token.", 401)
        self._attempts.worked(address)
        answer = RedirectResponse(_inside(fields.get("next", "/")), 303)
        set_cookie(answer, self._sessions.new(), is_secure(request))
        return answer

    async def logout(self, request: Request) -> Response:
        """End the session: its cookie is worth nothing any more, and its streams are closed."""
        try:
            await self._checked(request)
        except BadInput as error:
            return self._views.message(request, 403, "Refused", str(error))
        answer = RedirectResponse("/login", 303)
        if (session := session_of(request)) is not None:
            self._sessions.end(session)
        delete_cookie(answer, is_secure(request))
        return answer

    async def mute(self, request: Request) -> Response:
        """Write a silence."""
        return await self._act(request, self._actions.mute, "muted")

    async def unmute(self, request: Request) -> Response:
        """End a silence."""
        return await self._act(request, self._actions.unmute, "ended")

    async def _act(
        self, request: Request, action: Callable[[Mapping[str, str]], Awaitable[str]], word: str
    ) -> Response:  # fmt: skip
        try:
            fields = await self._checked(request)
        except BadInput as error:
            return self._views.message(request, 403, "Refused", str(error))
        try:
            name = await action(fields)
        except BadInput as error:
            return await self._views.alerts(request, wrong=str(error), status=400)
        except MarketpulseError as error:
            return await self._views.alerts(request, wrong=str(error), status=503)
        log.info("page_mute", action=word, mute=name, address=address_of(request))
        return RedirectResponse(f"/alerts?{word}={name}#mute", 303)

    async def _checked(self, request: Request) -> dict[str, str]:
        """The form's fields. Raises BadInput where another site sent it: its token is not this session's."""
        fields = await form_of(request)
        if self._sessions.needed and bearer_of(request.headers) is not None:
            return fields  # no browser sends this header by itself
        if not self._sessions.form_fits(session_of(request), fields.get("csrf", "")):
            raise BadInput(
                "Your session has expired or the form came from another site. Operator action: reload the page and"
                " try again."
            )
        return fields

    def _form(self, wanted: str, wrong: str = "", status: int = 200) -> Response:
        html = self._renderer.page(
            "login.html", title="Log in", view="", stream="", plotly=None, waiting=False, csrf="", login=False,
            parts={}, next=_inside(wanted), wrong=wrong,
        )  # fmt: skip
        return HTMLResponse(html, status)


def _inside(wanted: str) -> str:
    """Where to go after the login: an address of this page only."""
    inside = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and len(wanted) <= 512
    return wanted if inside and wanted.isprintable() else "/"
