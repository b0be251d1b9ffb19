"""Who asks: by a key, by what a proxy says, by a login, or nobody known."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from basrelief.config import InputError
from basrelief.serve.keys import KeyRing
from basrelief.serve.settings import ServeSettings
from basrelief.serve.tiers import NOBODY, Person, Tier


class UnknownError(Exception):
    """Somebody says who they are, and is not."""


class Doorkeeper:
    """Tells who asks."""

    def __init__(self, settings: ServeSettings, keys: KeyRing) -> None:
        self.settings, self.keys = settings, keys
        self.proxies = (
            [ip_network(each) for each in settings.proxy.addresses] if settings.proxy else []
        )
        tier = Tier.named(settings.tier)
        self.anybody = NOBODY if tier == Tier.PUBLIC else Person("this machine", tier)

    def recognise(self, scope: Scope) -> Person:
        """Tell who asks.

        Raises
        ------
        UnknownError
            If they say who they are by a key that opens nothing or cannot be looked up, or a tier
            that there is not.
        """
        headers = Headers(scope=scope)
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        # First of all: who shows a wrong key is refused, and not let in as somebody else.
        if scheme.lower() == "bearer":
            try:
                found = self.keys.find(secret.strip())
            except InputError as error:
                # Their file is damaged: it opens nothing, and where it lies is nobody's business.
                raise UnknownError("Keys cannot be read at the moment.") from error
            if found is None:
                raise UnknownError("This key opens nothing, or no longer.")
            return found
        return self._by_proxy(scope, headers) or _by_login(scope) or self.anybody

    def _by_proxy(self, scope: Scope, headers: Headers) -> Person | None:
        """Tell who asks by the headers of a listed proxy; of all others they are nothing."""
        proxy = self.settings.proxy
        if proxy is None or not self._is_listed(scope):
            return None
        names, tiers = headers.getlist(proxy.user_header), headers.getlist(proxy.tier_header)
        if not names and not tiers:
            return None
        # Twice: then somebody before the proxy has put one there as well.
        if len(names) != 1 or len(tiers) != 1 or tiers[0].upper() not in Tier.__members__:
            raise UnknownError("The proxy says nothing that can be believed of who this is.")
        return Person(f"user:{names[0]}", Tier[tiers[0].upper()])

    def _is_listed(self, scope: Scope) -> bool:
        # Of the connection itself: headers that name another address can be sent by anybody.
        client = scope.get("client")
        if not client:
            return False
        try:
            address = ip_address(client[0])
        except ValueError:
            return False
        return any(address in network for network in self.proxies)


def _by_login(scope: Scope) -> Person | None:
    """Tell who asks by the session of a login, while it lasts."""
    session = scope.get("session") or {}
    login = session.get("login")
    if not login or login["until"] < time.time():
        return None
    # The session is signed: what stands in it is our own word.
    return Person(f"login:{login['name']}", Tier(login["tier"]))
