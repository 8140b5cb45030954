"""The fixtures that script answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replay.plugin.stages import asked, script

if TYPE_CHECKING:
    from replay.mocks.fixtures import MockHTTP, MockLLM


@pytest.fixture
def mock_llm(request: pytest.FixtureRequest) -> MockLLM:
    """
    Script what models answer: `mock_llm.reply("…")`, `.tool_call(…)`, `.stream(…)`, `.error(429)`.

    `mock_llm.requests` are those that were sent. In GOLDEN and LIVE_SMOKE, nobody asks the script.
    """
    from replay.mocks.fixtures import MockLLM

    return MockLLM(script(request.node), asked(request))


@pytest.fixture
def mock_http(request: pytest.FixtureRequest) -> MockHTTP:
    """
    Script what plain HTTP answers: `mock_http("GET", "https://…", json={…})`.

    In GOLDEN and LIVE_SMOKE, nobody asks the script.
    """
    from replay.mocks.fixtures import MockHTTP

    return MockHTTP(script(request.node), asked(request))
