"""Searches, whose trials Optuna keeps in tables of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("search", sa.Text, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("stop_requested", sa.Boolean, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("finished", sa.Float),
        sa.Column("heartbeat", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("standing", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("cluster", sa.String(200)),
        sa.Column("handed", sa.Integer, nullable=False),
        sa.Column("tested", sa.Integer),
        sa.Column("test_run", sa.String(16)),
    )
    op.create_index("searches_by_age", "searches", ["created"])
    op.create_index("searches_by_state", "searches", ["state"])
