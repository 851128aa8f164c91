"""What a provider remembers, in a relational database. The only package that imports SQLAlchemy and Alembic."""

from provider.store.database import Database, open_database

__all__ = ["Database", "open_database"]
