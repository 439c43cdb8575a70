"""What the students of a sweep cost."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("sweeps", sa.Column("costs", sa.Text))
