"""What `mixus serve` serves, on another parser, with MIXUS_DATA: `python -m benchmarks.stack_mixus h11`."""

import sys

from benchmarks.stack_bare import serve
from mixus.agents.catalog import Catalog
from mixus.cli import settings as cli_settings
from mixus.cli.database import open_database
from mixus.keys.pepper import open_pepper
from mixus.server.app import create_app

if __name__ == "__main__":
    settings = cli_settings.load()
    database = open_database(settings)
    with database.transaction() as tx:
        pepper = open_pepper(tx, settings.pepper_path)
    serve(create_app(settings, database, pepper, Catalog(settings.model)), *sys.argv[1:])
