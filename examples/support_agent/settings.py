"""Where the agent's services are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

STANDIN = "http://127.0.0.1:8377"


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and the model's name; the defaults point at the stand-in."""

    llm_url: str = f"{STANDIN}/v1"
    orders_url: str = f"{STANDIN}/orders"
    shipping_url: str = f"{STANDIN}/shipping"
    model: str = "gpt-4o"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; a variable that is unset or empty keeps its default."""
        return cls(
            llm_url=env.get("OPENAI_BASE_URL") or cls().llm_url,
            orders_url=env.get("ORDERS_URL") or cls().orders_url,
            shipping_url=env.get("SHIPPING_URL") or cls().shipping_url,
            model=env.get("SUPPORT_MODEL") or cls().model,
        )
