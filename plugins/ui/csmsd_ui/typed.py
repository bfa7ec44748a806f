"""What somebody has typed into a form."""

from __future__ import annotations

from csmsd_ui.principal import AnyRequest


class Typed(dict[str, str]):
    """Fields by name; one that was not sent is empty."""

    def __missing__(self, name: str) -> str:
        """Nothing was typed."""
        return ""


async def typed_in(request: AnyRequest) -> Typed:
    """The fields of a form that was sent."""
    return Typed({name: str(value) for name, value in (await request.form()).items()})
