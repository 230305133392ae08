"""What axe-core holds against a page, as sentences."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped] # it has no types
from playwright.sync_api import Page

QUIET = {"resultTypes": ["violations"]}
CONTRAST = QUIET | {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


def violations(page: Page, where: str = "body", options: dict[str, Any] = QUIET) -> list[str]:
    """Of what is inside of the selector `where`; else of the whole page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    context = "document" if where == "body" else f"'{where}'"
    found = page.evaluate(f"options => axe.run({context}, options).then(each => each.violations)", options)
    return [f"{each['id']}: {node['html']}  ({_why(node)})" for each in found for node in each["nodes"]]


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
