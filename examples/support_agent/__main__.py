"""Ask the agent from a shell."""

import asyncio

import click

from .agent import answer, answer_async


@click.command()
@click.argument("question")
@click.option("--customer", required=True, help="Who asks.")
@click.option("--async", "use_async", is_flag=True, help="Run the async agent.")
@click.option("--model", help="The model's id or alias; default: SUPPORT_MODEL or gpt-4o.")
def main(question: str, customer: str, use_async: bool, model: str | None) -> None:
    """Answer QUESTION and print the resolution as JSON."""
    if use_async:
        resolution = asyncio.run(answer_async(question, customer, model))
    else:
        resolution = answer(question, customer, model)
    click.echo(resolution.model_dump_json(indent=2))


if __name__ == "__main__":
    main(prog_name="python -m examples.support_agent")
