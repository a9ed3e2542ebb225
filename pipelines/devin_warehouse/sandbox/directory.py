"""Who is there: the organizations and users of the world's sessions, with invented names.

A name follows from the id and from who was met before, so that it stays while the world is served.
Some users have no name, some no e-mail address, as the documentation allows.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Any

from .faults import lot
from .parameters import InvalidParameterError
from .world import World

ORGANIZATIONS = "/v3/enterprise/organizations"
USERS = "/v3/enterprise/members/users"

_OTHER_ORGANIZATIONS = ("identity", "search", "billing", "logistics", "growth", "risk", "support")
_FIRST_NAMES = (
    "Ada", "Bruno", "Chidi", "Dana", "Emre", "Freya", "Goran", "Hana", "Ines", "Jonas", "Kamala",
    "Leo", "Mina", "Nils", "Olga", "Priya", "Quentin", "Rosa", "Samir", "Tove", "Uma", "Viktor",
    "Wanda", "Yusuf",
)  # fmt: skip
_LAST_NAMES = (
    "Moreau", "Okafor", "Lindqvist", "Tanaka", "Costa", "Novak", "Haddad", "Iyer", "Keller",
    "Larsen", "Mendes", "Nowak", "Ortiz", "Petrov", "Rossi", "Sato", "Tran", "Ulmer", "Vargas",
    "Weiss", "Yilmaz", "Zhou",
)  # fmt: skip
_PEOPLE = tuple(f"{first} {last}" for last in _LAST_NAMES for first in _FIRST_NAMES)
_CREATED_AT = 1_735_689_600

Item = dict[str, Any]


class Directory:
    """Both lists. `changes` sets keys of an id's entry, `gone` are ids that have left."""

    def __init__(self, world: World) -> None:
        self.changes: dict[str, Item] = {}
        self.gone: set[str] = set()
        self._world = world
        self._names: dict[str, str] = {}

    def organizations(self) -> list[Item]:
        """OrganizationResponse of each, by id."""
        return self._listed((s.org_id for s in self._world.sessions.values()), self._organization)

    def users(self) -> list[Item]:
        """Each user with their memberships, by id."""
        return self._listed((s.user_id for s in self._world.sessions.values()), self._user)

    def _listed(self, ids: Iterable[str | None], entry: Callable[[str], Item]) -> list[Item]:
        present = sorted({each for each in ids if each} - self.gone)
        return [{**entry(each), **self.changes.get(each, {})} for each in present]

    def _organization(self, org_id: str) -> Item:
        return {
            "org_id": org_id,
            "name": self._org_name(org_id).capitalize(),
            "created_at": _CREATED_AT,
            "updated_at": _CREATED_AT,
            "max_session_acu_limit": None,
            "max_cycle_acu_limit": None,
        }

    def _org_name(self, org_id: str) -> str:
        return self._world.org_names.get(org_id) or self._named(org_id, _OTHER_ORGANIZATIONS)

    def _user(self, user_id: str) -> Item:
        name = self._named(user_id, _PEOPLE)
        email = f"{name.lower().replace(' ', '.')}@acme.example"
        return {
            "user_id": user_id,
            "name": None if lot("nameless", user_id) < 0.08 else name,
            "email": None if lot("without email", user_id) < 0.08 else email,
            "role_assignments": [],
        }

    def _named(self, key: str, names: tuple[str, ...]) -> str:
        """The name of an id: a free one, from a place on that follows from the id."""
        if key not in self._names:
            taken = set(self._names.values())
            start = int(lot("name", key) * len(names))
            drawn = names[start:] + names[:start]
            spare = f"{drawn[0]} {len(taken)}"
            self._names[key] = next((name for name in drawn if name not in taken), spare)
        return self._names[key]


def token(last_id: str) -> str:
    """The token for what follows the entry of that id."""
    return b64encode(json.dumps([last_id]).encode()).decode()


def parse(text: str) -> str:
    """The id that a token names; whatever the sandbox has not issued is refused."""
    try:
        (last_id,) = json.loads(b64decode(text, validate=True))
        return str(last_id)
    except (ValueError, TypeError) as error:
        raise InvalidParameterError("after", "Invalid cursor", "value_error") from error
