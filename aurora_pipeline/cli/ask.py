"""`aurora ask`: the warehouse's questions."""

from __future__ import annotations

import click

from ..settings import from_environment


@click.command()
@click.argument("question", required=False)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
def ask(question: str | None, *, as_csv: bool) -> None:
    """Answer a QUESTION from the warehouse; without one, list the questions."""
    from ..warehouse.questions import ask as answer_of
    from ..warehouse.questions import questions

    if question is None:
        width = max(len(known.name) for known in questions())
        for known in questions():
            click.echo(f"{known.name:<{width}}  {known.asks}")
        return
    answer = answer_of(from_environment(), question)
    click.echo(answer.to_csv(index=False).rstrip("\n") if as_csv else answer.to_string(index=False))
