"""What v2 and v3 write alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .sessions import Path, Session, SuggestedPrompt

_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def encoded(session: Session, name: str, write: Callable[[], dict[str, Any]]) -> bytes:
    """A payload of a session as JSON, written once until the session changes.

    ASCII only, so that lone surrogates travel as the API sends them.
    """
    if name not in session.encoded:
        session.encoded[name] = _ENCODER.encode(write()).encode()
    return session.encoded[name]


def put(values: Any, path: Path, value: object) -> None:  # noqa: ANN401
    """Sets what stands at a path."""
    for step in path[:-1]:
        values = values[step]
    values[path[-1]] = value


def suggested_prompt(prompt: SuggestedPrompt, missing: str | None) -> dict[str, Any]:
    """The same in both versions, but for what stands in a feedback item for a missing text."""
    return {
        "original_prompt": prompt.original_prompt,
        "suggested_prompt": prompt.suggested_prompt,
        "feedback_items": [
            {
                "issue_id": each.issue_id,
                "summary": missing if each.summary is None else each.summary,
                "excerpt": missing if each.excerpt is None else each.excerpt,
                "details": missing if each.details is None else each.details,
                **each.extra,
            }
            for each in prompt.feedback_items
        ],
        **prompt.extra,
    }
