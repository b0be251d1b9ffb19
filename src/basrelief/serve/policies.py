"""What pages that a run brings along may do: run their own scripts, and nothing of anybody's."""

from __future__ import annotations

import base64
import hashlib
import re


def _list_scripts(page: bytes) -> tuple[str, ...]:
    """List the hashes of the scripts in a page, as a policy has them."""
    # Those without a type alone: the others hold data, and run nothing.
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    hashes = (base64.b64encode(hashlib.sha256(each).digest()).decode() for each in scripts)
    return tuple(f"'sha256-{each}'" for each in hashes)


def is_page(name: str) -> bool:
    """Whether a browser opens a file as a page."""
    # A drawing can carry scripts, too.
    return name.endswith((".html", ".svg"))


def make_policy(data: bytes) -> dict[str, str]:
    """Make the headers of a page of a run.

    A page is shut away from this server: it may run the scripts that it was written with, and
    can ask for nothing in the name of whoever looks at it.
    """
    scripts = " ".join(_list_scripts(data)) or "'none'"
    policy = (
        "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; "
        f"script-src {scripts}; style-src 'unsafe-inline'; worker-src blob:; "
        "img-src data: blob:; connect-src data: blob:; frame-ancestors 'self'; base-uri 'none'"
    )
    return {"Content-Security-Policy": policy}
