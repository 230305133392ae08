"""Alembic's scripts: what each release changed in the database. Nobody imports them."""
