"""Pipelines, and the files that they need."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "pipelines",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("stop_requested", sa.Boolean, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("finished", sa.Float),
        sa.Column("heartbeat", sa.Float, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("progress", sa.Text),
        sa.Column("members", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("cluster", sa.String(200)),
    )
    op.create_index("pipelines_by_age", "pipelines", ["created"])
    op.create_index("pipelines_by_state", "pipelines", ["state"])
    op.create_table(
        "pipeline_files",
        sa.Column(
            "pipeline_id",
            sa.String(16),
            sa.ForeignKey("pipelines.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("name", sa.String(64), primary_key=True),
    )
    op.create_index("pipeline_files_by_name", "pipeline_files", ["name"])
