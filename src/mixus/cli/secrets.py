"""The secrets that a deployment was given, so that no text and no log tells them."""

import os
from urllib.parse import unquote, urlsplit

from mixus.agents import provider_keys
from mixus.core.settings import Settings


def secrets_of(settings: Settings) -> list[str]:
    """What this deployment knows and no text may tell."""
    urls = [urlsplit(settings.store_url)]
    if settings.smtp_url is not None:
        urls.append(urlsplit(settings.smtp_url.get_secret_value()))
    passwords = [unquote(url.password) for url in urls if url.password]
    return [*passwords, *provider_keys.values(), *_secrets_of_servers(settings)]


def _secrets_of_servers(settings: Settings) -> list[str]:
    if settings.mcp_file is None:
        return []
    from mixus.agents.tools.mcp_settings import read_servers

    servers = read_servers(settings.mcp_file, os.environ)
    return [secret for server in servers for secret in server.secrets]
