"""/integrations: what this deployment is connected to, and whether it works."""

from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from starlette.responses import Response

from mixus.accounts.principal import Principal
from mixus.agents import provider_states
from mixus.agents.tools import toolbox
from mixus.core import hosts
from mixus.core.settings import Settings
from mixus.keys import service
from mixus.server import mail_probe
from mixus.server.deps import Served, now
from mixus.server.mail_probe import Outcome
from mixus.server.web import frame
from mixus.server.web.visits import OwnFields, Seeing, admin_visitor

# What is shown of a test mail; the address carries its word.
FOUND: Final[dict[str, str]] = {
    Outcome.TAKEN: "The mail server took a test mail to you. Look whether it arrives.",
    Outcome.NOT_SET_UP: "Nothing was sent: mail is not set up.",
    Outcome.UNANSWERED: "The connection broke after the mail was handed over; it may or may not arrive.",
    Outcome.UNREACHABLE: "Nothing was sent: the mail server cannot be reached. Check host and port.",
    Outcome.TLS: "Nothing was sent: TLS failed. Check the server's certificate and the port.",
    Outcome.NO_STARTTLS: "Nothing was sent: the mail server offers no STARTTLS.",
    Outcome.SIGN_IN: "Nothing was sent: the mail server refused user or password.",
    Outcome.UNSUPPORTED: "Nothing was sent: the mail server lacks AUTH or SMTPUTF8.",
    Outcome.SENDER: "Nothing was sent: the mail server refused the sender, MIXUS_MAIL_FROM.",
    Outcome.RECIPIENT: "Nothing was sent: the mail server refused your address.",
    Outcome.MESSAGE: "Nothing was sent: the mail server refused the mail.",
}

router = APIRouter(include_in_schema=False)

Admin = Annotated[Principal, Depends(admin_visitor)]


@router.get("/integrations")
def show_integrations(visit: Seeing) -> Response:
    services = visit.services
    outcome = visit.request.query_params.get("mail")
    return frame.page(
        visit,
        "integrations.html",
        active=service.count_active(visit.tx, visit.principal.user_id, visit.now),
        most_active=services.rules.most_active,
        default_model=services.catalog.default_model,
        providers=provider_states.providers_of(services.catalog),
        judge=services.catalog.rules.judge,
        servers=toolbox.servers_of(services.catalog.tools),
        settings=services.settings,
        mail=_mail(services.settings),
        web_hosts=_hosts(services.settings.web_hosts),
        http_hosts=_hosts(services.settings.http_hosts),
        mail_found=FOUND.get(outcome or ""),
        mail_is_good=outcome == Outcome.TAKEN,
    )


# The two tests take as long as somebody else takes to answer, so they hold no transaction.


@router.post("/integrations/mail/test")
def try_mail(
    admin: Admin, _fields: OwnFields, services: Served, moment: Annotated[datetime, Depends(now)]
) -> Response:
    outcome = mail_probe.send(services.settings, admin.email, moment)
    return frame.see_other(f"/integrations?mail={outcome}#mail")


@router.post("/integrations/mcp/{name}/test")
def ask_mcp_server(name: str, _admin: Admin, _fields: OwnFields, services: Served) -> Response:
    is_answered = toolbox.ask_again(services.catalog.tools, name)
    return frame.see_other(f"/integrations?said={'asked' if is_answered else 'still-asked'}#mcp")


def _mail(settings: Settings) -> dict[str, Any]:
    """Without the user and the password of the address."""
    parts = urlsplit(settings.smtp_url.get_secret_value()) if settings.smtp_url else None
    return {
        "server": parts and f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else ""),
        "can_be_tested": None not in (settings.smtp_url, settings.mail_from),
    }


def _hosts(listed: str | None) -> list[str]:
    return [
        entry.host if entry.port is None else f"{entry.host}:{entry.port}"
        for entry in hosts.parse_hosts(listed or "")
    ]
