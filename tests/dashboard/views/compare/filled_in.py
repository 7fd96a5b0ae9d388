"""How a small comparison is asked for, and what the page then shows."""

from tests.dashboard.conftest import run_until

GO = "compare.go"


QUICK = {
    "compare.samplers": ["euler", "heun"],
    "compare.seeds": "0",
    "compare.align": "Steps",
    "compare.budget": "3",
    "compare.more": "2",
    "compare.reference": "4",
    "compare.prompts": "a sun in the sky",
}


def headers(at) -> list[str]:
    return [header.value for header in at.header]


def go(at):
    at.button(key=GO).click().run()
    return run_until(at, lambda a: "Measurements" in headers(a))


def shown(at) -> str:
    """Return the id in the address."""
    one = at.query_params["id"]
    return one[0] if isinstance(one, list) else one
