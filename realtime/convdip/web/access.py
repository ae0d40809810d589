"""Who may look: pages of this server alone, and beyond this computer only with the token."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
TOKEN_BYTES = 16


def is_loopback(host: str) -> bool:
    """Whether an address is this computer's own, out of reach of others."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Access:
    """Checks what a browser says of itself.

    On this computer's own address, names other than its own are refused: else a foreign page whose
    name is made to lead here (DNS rebinding) could read along. Beyond it names cannot be known, and
    the token keeps such pages out.

    Attributes
    ----------
    host : str
        Address that is listened on.
    port : int
    token : str
        Empty on this computer's own address.
    """

    host: str
    port: int
    token: str = field(default="", repr=False)

    @classmethod
    def to(cls, host: str, port: int) -> Access:
        """Return the access to an address, with a new token where it needs one."""
        return cls(host, port, "" if is_loopback(host) else secrets.token_urlsafe(TOKEN_BYTES))

    @property
    def url(self) -> str:
        """What to open in a browser."""
        host = self.host
        if host in ("0.0.0.0", "::", ""):
            host = _own_address()
        host = f"[{host}]" if ":" in host else host
        # After the hash: browsers keep it out of what they ask servers for, and proxies write down.
        return f"http://{host}:{self.port}/" + (f"#{self.token}" if self.token else "")

    def refusal(self, host: str | None, origin: str | None) -> str:
        """Say why a request is refused; empty for nothing.

        Parameters
        ----------
        host, origin : str or None
            What the request says: a browser always states the host, and for a WebSocket the origin.
        """
        if not self.token:
            names = {LOOPBACK, "localhost", "[::1]", self.host}
            # Browsers leave the usual port out.
            if host not in {f"{name}:{self.port}" for name in names} | (
                names if self.port == 80 else set()
            ):
                return f"this is not {host}: open {self.url}"
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return f"a page of {origin} may not look here"
        return ""

    def admits(self, token: str) -> bool:
        """Whether a token is the right one; it takes as long whatever it is."""
        return not self.token or hmac.compare_digest(token.encode(), self.token.encode())


def _own_address() -> str:
    """Return the address that others reach this computer at, as far as it knows."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
