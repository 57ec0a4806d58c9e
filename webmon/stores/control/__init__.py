"""The control database: sites, staff, notices, ledger, accounts, rules, audit (SQLAlchemy 2, Alembic)."""
