"""
A customer-support agent, as people write them.

It sorts the question (Responses API), looks things up (chat completions with tools, over httpx and
requests), and streams the reply. `answer` and `answer_async` behave the same.
"""

import asyncio

import httpx
from openai import AsyncOpenAI, OpenAI

from .conversation import Conversation, Order, Resolution
from .prompts import TRIAGE
from .settings import Settings
from .tools import TIMEOUT, TOOLS, run_tool, run_tool_async

__all__ = ["Order", "Resolution", "answer", "answer_async"]


def answer(question: str, customer: str, model: str | None = None) -> Resolution:
    """Answer *question* of *customer*; needs OPENAI_API_KEY, see `Settings` for the rest."""
    settings = Settings.from_env()
    model = model or settings.model
    case = Conversation(question, customer)
    with OpenAI(base_url=settings.llm_url) as llm, httpx.Client(timeout=TIMEOUT) as http:
        case.triaged(
            llm.responses.create(model=model, instructions=TRIAGE, input=question, temperature=0)
        )
        while calls := case.heard(
            llm.chat.completions.create(
                model=model, messages=case.messages, tools=TOOLS, temperature=0
            )
        ):
            case.learned([run_tool(call, settings, http) for call in calls])
        with llm.chat.completions.create(
            model=model,
            messages=case.messages,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        ) as chunks:
            for chunk in chunks:
                case.streamed(chunk)
    return case.resolution()


async def answer_async(question: str, customer: str, model: str | None = None) -> Resolution:
    """Answer as `answer` does; tools that the model asks for in one turn run at the same time."""
    settings = Settings.from_env()
    model = model or settings.model
    case = Conversation(question, customer)
    async with (
        AsyncOpenAI(base_url=settings.llm_url) as llm,
        httpx.AsyncClient(timeout=TIMEOUT) as http,
    ):
        case.triaged(
            await llm.responses.create(
                model=model, instructions=TRIAGE, input=question, temperature=0
            )
        )
        while calls := case.heard(
            await llm.chat.completions.create(
                model=model, messages=case.messages, tools=TOOLS, temperature=0
            )
        ):
            case.learned(
                await asyncio.gather(*(run_tool_async(call, settings, http) for call in calls))
            )
        async with await llm.chat.completions.create(
            model=model,
            messages=case.messages,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        ) as chunks:
            async for chunk in chunks:
                case.streamed(chunk)
    return case.resolution()
