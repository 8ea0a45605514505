"""What a client is told where there is no answer: a status, a code of this package, a sentence, and what to do."""

from __future__ import annotations

from typing import Any

from jptextclf.messages import text


class Problem(Exception):  # noqa: N818 - the word of RFC 9457 for it
    """An answer that says why there is none.

    :param status: of HTTP
    :param code: of the catalogue, without its prefix
    :param retry_after: seconds after which it may work
    """

    def __init__(self, status: int, code: str, *, retry_after: int | None = None, **fields: Any) -> None:
        self.status, self.code, self.retry_after = status, f"JPT-{code}", retry_after
        self.message = text(f"{code}.message", **fields)
        self.hint = text(f"{code}.hint", **fields)
        super().__init__(f"{self.code} {self.message}")

    def to_json(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}

    @property
    def headers(self) -> dict[str, str]:
        found = {"connection": "close"} if self.status == 413 else {}
        if self.retry_after is not None:
            found["retry-after"] = str(self.retry_after)
        if self.status == 401:
            found["www-authenticate"] = "Bearer"
        return found
