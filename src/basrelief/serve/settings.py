"""Settings of the server: one TOML file, read and refused as a configuration is."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from basrelief.config import InputError
from basrelief.serve.tiers import TierName
from basrelief.toml import read_toml, tell_typed
from basrelief.values import PathText, SettingsFile, StrictTable, Text

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Addresses that only this machine reaches."""

Url = Annotated[Text, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*[^\s?#/])?$")]
HttpHeader = Annotated[Text, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")]


class ProxySettings(StrictTable):
    """A proxy that says who asks, in headers that it puts there."""

    addresses: Annotated[list[Text], Field(min_length=1, max_length=50)]
    """Addresses or networks of the proxies; from no others are the headers taken."""

    user_header: HttpHeader = "X-Remote-User"
    """Who asks."""

    tier_header: HttpHeader = "X-Remote-Tier"
    """Their tier: public, analyst or custodian."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for address in self.addresses:
            try:
                ip_network(address)
            except ValueError as error:
                raise ValueError(f"addresses: {error}") from error
        return self


class OidcSettings(StrictTable):
    """A provider of OpenID Connect that people log in with."""

    issuer: Url
    """Where its ``/.well-known/openid-configuration`` is."""

    client_id: Text
    """As what this server is known there."""

    client_secret: PathText | None = None
    """File with the secret; none for a public client."""

    claim: Text = "groups"
    """Claim of the identity that the tier follows from: a text, or a list of texts."""

    tiers: Annotated[dict[str, TierName], Field(min_length=1, max_length=100)]
    """Tier by value of the claim; of several the highest."""

    session_key: PathText = "session.key"
    """File with 32 bytes or more that sessions are signed with; made where there is none."""

    session_hours: Annotated[int, Field(ge=1, le=168)] = 8
    """How long a login lasts."""


class RecordSettings(StrictTable):
    """Records of what people of the custodian's tier took."""

    folder: PathText = "records"
    """Folder of the records, a file a month."""

    keep_months: Annotated[int, Field(ge=1, le=240)] = 24
    """How many months are kept; older files are removed."""


class ServeSettings(SettingsFile):
    """All settings of the server, as read from one TOML file."""

    host: Text = "127.0.0.1"
    """Address to listen on. Any but this machine's own needs `proxy`, `oidc`, or a key."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    """Port to listen on."""

    url: Url | None = None
    """What the server is called from outside, without a ``/`` at its end: links begin with it."""

    root_path: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    """Path that a proxy puts before all others, as ``/maps``."""

    tier: TierName = "public"
    """Tier of everybody who reaches the server; above public only on this machine alone."""

    keys: PathText = "keys.json"
    """File of bearer keys, as ``basrelief keys`` writes it."""

    max_items: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Most areas in one answer."""

    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds after which an answer that has not begun is given up."""

    proxy: ProxySettings | None = None
    oidc: OidcSettings | None = None
    records: RecordSettings = RecordSettings()

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in LOOPBACK

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tier == "public":
            return self
        # Behind a proxy everybody comes from this machine.
        if not self.is_local or self.proxy or self.oidc or self.url or self.root_path:
            raise ValueError(
                f"tier: {self.tier!r} is for this machine alone, without proxy, oidc, url and "
                "root_path; give people keys instead: basrelief keys add"
            )
        return self


def load_serve_settings(path: Path | None, **typed: object) -> ServeSettings:
    """Read and check the settings of the server.

    Parameters
    ----------
    path
        A TOML file; without one everything is as it is by default, and paths start from the
        working directory.
    typed
        What options say instead; None where they say nothing.

    Raises
    ------
    InputError
        If the file is missing, is no TOML, or has a key or value that is not allowed.
    """
    try:
        table = {} if path is None else read_toml(path)
    except ValueError as error:
        raise InputError(f"{path}: {error}.") from error
    table |= {key: value for key, value in typed.items() if value is not None}
    try:
        # As text: a date, which no key wants, is then told as a wrong value.
        settings = ServeSettings.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        file = "serve" if path is None else str(path)
        raise InputError(f"{tell_typed(error, ServeSettings, file, ())}.") from error
    settings._folder = Path() if path is None else path.resolve().parent
    return settings
