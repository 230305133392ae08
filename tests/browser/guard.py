"""What no page may do, whatever a test does with it: heard of each browser, held against it at the end."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response, WebError

OWN_SCHEMES = {"data", "blob", "about"}
# How Chromium notes an answer that is no success; `answered` hears of these with their address.
NOTED = "Failed to load resource"


@dataclass
class Guard:
    address: str
    heard: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self.told)
        context.on("weberror", self.failed)
        context.on("dialog", self.opened)
        context.on("request", self.sent)
        context.on("response", self.answered)

    def told(self, message: ConsoleMessage) -> None:
        """A script that failed, or what the policy of the page forbade."""
        if message.type in {"error", "warning"} and NOTED not in message.text:
            self.heard.append(f"console: {message.text}")

    def failed(self, error: WebError) -> None:
        self.heard.append(f"script: {error.error}")

    def opened(self, dialog: Dialog) -> None:
        """Ours are elements of the page; one of the browser's own comes from a script that is not ours."""
        self.heard.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def sent(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in OWN_SCHEMES and f"{parts.scheme}://{parts.netloc}" != self.address:
            self.heard.append(f"asked another site: {request.url}")

    def answered(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self.heard.append(f"{response.status} {response.request.method} {response.url}")
