"""Alembic's entry: runs the migrations on the connection that kdcore hands over."""

from alembic import context

from kdcore.runs.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    render_as_batch=True,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
