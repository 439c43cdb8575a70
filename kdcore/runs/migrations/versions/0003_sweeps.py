"""Sweeps, whose members are runs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("sweep", sa.Text, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_index("sweeps_by_age", "sweeps", ["created"])
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("task", sa.String(40)))
        runs.add_column(sa.Column("sweep_id", sa.String(16)))
        runs.add_column(sa.Column("place", sa.Integer))
        runs.add_column(sa.Column("summary", sa.Text))
        runs.create_foreign_key(
            "runs_sweep_id_fkey", "sweeps", ["sweep_id"], ["id"], ondelete="CASCADE"
        )
    op.create_index("runs_by_sweep", "runs", ["sweep_id", "place"])
