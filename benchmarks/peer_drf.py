"""djangorestframework-api-key as its documentation shows it, on SQLite.

`python -m benchmarks.peer_drf FILE KEYS SERVER` makes so many keys, writes them beside the database, a line
each, and serves. It runs where Django is installed and mixus is not.
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call"
# What it imports is installed for the run alone, so the check of types knows nothing of it.

import socket
import sys
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections
from granian import Granian
from granian.constants import Interfaces
from gunicorn.app.base import BaseApplication

# The fastest of the numbers that were tried, on two cores and under either server.
THREADS: Final = 4


def main() -> None:
    file, count, server = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    configure(file)
    application = get_wsgi_application()
    call_command("migrate", verbosity=0)
    file.with_suffix(".keys").write_text("\n".join(made_keys(count)))
    # Each server forks, and a connection to SQLite must not be carried along.
    connections.close_all()
    {"granian": serve_granian, "gunicorn": serve_gunicorn}[server](application)


def configure(file: Path) -> None:
    """Faster than the defaults: connections stay open, readers need no lock, little is before the view."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="benchmarks.peer_drf_urls",
        # It says how long an answer is.
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        INSTALLED_APPS=["rest_framework", "rest_framework_api_key"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": file,
                "CONN_MAX_AGE": None,
                "OPTIONS": {"init_command": "pragma journal_mode=wal"},
            }
        },
        LOGGING_CONFIG=None,
        REST_FRAMEWORK={
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "UNAUTHENTICATED_USER": None,
        },
    )


def made_keys(count: int) -> list[str]:
    key_class = apps.get_model("rest_framework_api_key", "APIKey")
    made = [key_class(name=f"bench {number}") for number in range(count)]
    secrets = [key_class.objects.assign_key(key) for key in made]
    key_class.objects.bulk_create(made)
    return secrets


def serve_granian(application: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = Granian(
        __name__, port=port, interface=Interfaces.WSGI, blocking_threads=THREADS, log_enabled=False
    )
    print(f"http://127.0.0.1:{port}", flush=True)
    server.serve(target_loader=lambda *_arguments, **_options: application)


def serve_gunicorn(application: Any) -> None:
    Gunicorn(application).run()


class Gunicorn(BaseApplication):
    """Without a command line: gunicorn asks for its settings and for what it shall serve."""

    def __init__(self, application: Any) -> None:
        self.application = application
        super().__init__()

    def load_config(self) -> None:
        options = {"bind": "127.0.0.1:0", "worker_class": "gthread", "threads": THREADS, "keepalive": 60}
        for name, value in {**options, "when_ready": announce}.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self.application


def announce(server: Any) -> None:
    print(f"http://127.0.0.1:{server.LISTENERS[0].getsockname()[1]}", flush=True)


if __name__ == "__main__":
    main()
