"""A provider of OpenID Connect that believes everybody, as a process of its own on loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CODES: dict[str, dict[str, str]] = {}


def make_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


class Provider(BaseHTTPRequestHandler):
    key: RSAKey
    signs_with: RSAKey
    """That of somebody else, where identities are forged."""

    groups: list[str]

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"  # type: ignore[index]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            ends = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            paths = ("/authorize", "/token", "/jwks")
            told = {end: self.issuer + path for end, path in zip(ends, paths, strict=True)}
            signed = {"id_token_signing_alg_values_supported": ["RS256"]}
            self.say({"issuer": self.issuer, **told, **signed})
        elif url.path == "/jwks":
            self.say({"keys": [self.key.as_dict(private=False)]})
        else:
            # Without a challenge nobody is let in: this is what PKCE is.
            assert asked["code_challenge_method"] == "S256"
            code = f"code{len(CODES)}"
            CODES[code] = asked
            back = urlencode({"code": code, "state": asked["state"]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = {key: values[0] for key, values in parse_qs(body).items()}
        asked = CODES.pop(sent["code"])
        hashed = hashlib.sha256(sent["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() == asked["code_challenge"]
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": asked["client_id"], "sub": "7", "iat": now}
        claims |= {"exp": now + 60, "nonce": asked["nonce"], "groups": self.groups}
        claims["preferred_username"] = "ann"
        identity = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.signs_with)
        self.say({"access_token": "a", "token_type": "Bearer", "id_token": identity})

    def say(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


if __name__ == "__main__":
    Provider.groups = sys.argv[1].split(",")
    Provider.key = make_key()
    Provider.signs_with = make_key() if sys.argv[2:] == ["forge"] else Provider.key
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    print(server.server_address[1], flush=True)
    server.serve_forever()
