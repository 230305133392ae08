"""Fails a test that lets a key get into a log line, a file or a database."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg

KEY = re.compile(r"mxs_eval_[0-9A-Za-z]{32}")
# One statement for all tables: each row as the text that a dump of it would hold.
DUMP = """
do $$
declare name text; found boolean;
begin
  for name in select format('%I.%I', schemaname, tablename) from pg_tables
    where schemaname in ('public', 'dbos')
  loop
    execute format('select exists (select from %s t where t::text ~ %L)', name, 'mxs_eval_[0-9A-Za-z]{32}')
      into found;
    if found then raise exception 'a key stands in %', name; end if;
  end loop;
end $$
"""


class Catcher(logging.Handler):
    """Sees every record as it would be printed, with the text of its exception."""

    def __init__(self) -> None:
        super().__init__()
        self.caught: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = logging.Formatter().format(record)
        if KEY.search(line):
            self.caught.append(f"{record.name}: {KEY.sub('mxs_eval_…', line)}")


def files_with_keys(folder: Path) -> Iterator[Path]:
    """Databases, their journals, logs and whatever else a test left behind."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink() and KEY.search(file.read_bytes().decode("latin-1")):
            yield file


def require_no_key(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(DUMP)
