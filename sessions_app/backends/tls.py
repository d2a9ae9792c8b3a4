"""TLS as a client, from PEM text, and the end of one direction of a connection."""

import asyncio
import ssl
import tempfile
from pathlib import Path

from sessions_app.backends.base import ProviderMisconfigured


def client_context(ca: str, cert: str, key: str, *, verify: bool) -> ssl.SSLContext:
    """A context that trusts `ca` alone (empty: the machine's CAs) and shows `cert`, if any. Raises
    `ProviderMisconfigured`."""
    try:
        context = ssl.create_default_context(cadata=ca or None)
        # Many a cluster's own CA lacks extensions that Python 3.13 asks for and no other client does.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if cert or key:
            _load_client_certificate(context, cert, key)
    except (ssl.SSLError, ValueError) as error:
        raise ProviderMisconfigured(
            "The provider's TLS files cannot be used: the CA, the client certificate and its key must be PEM text, "
            "the key without a passphrase and belonging to the certificate."
        ) from error
    return context


def _load_client_certificate(context: ssl.SSLContext, cert: str, key: str) -> None:
    # The ssl module reads them from files only: a private folder, gone at once.
    with tempfile.TemporaryDirectory(prefix="porthole-") as folder:
        cert_file, key_file = Path(folder, "cert.pem"), Path(folder, "key.pem")
        for file, text in ((cert_file, cert), (key_file, key)):
            file.touch(mode=0o600)
            file.write_text(text)
        # A key with a passphrase must fail and not ask on the portal's terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: "")


class HalfClose:
    """Ends what we send on a connection, with TLS or without, and goes on reading.

    asyncio cannot do that under TLS. TLS can: `close_notify` ends one direction, which is how the docker command closes
    an exec's stdin. `SSLObject.unwrap` sends it, then looks for the other side's, and fails for good if it meets data
    in its place. So it is called only when everything that has come was read.
    """

    def __init__(self) -> None:
        self.asked = False
        """Nothing may be written any more."""
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._more = False

    def read(self, *, full: bool) -> None:
        """Something was read; if it filled the buffer there may be more, for which asyncio comes back at once."""
        self._more = full

    def paused(self) -> None:
        """Nothing is read from now on."""
        self._paused = True

    def resumed(self) -> None:
        """Reading goes on: to be called after the transport was told."""
        self._paused = False
        if self._transport is not None:
            asyncio.get_running_loop().call_soon(self._notify)

    def ask(self, transport: asyncio.Transport) -> None:
        """End our direction once what was written has gone."""
        if self.asked:
            return
        self.asked = True
        if transport.can_write_eof():
            transport.write_eof()
        else:
            self._transport = transport
            self._notify()

    def _notify(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or self._paused:
            return
        if self._more:
            # asyncio's own next read stands in the queue before this.
            self._more = False
            asyncio.get_running_loop().call_soon(self._notify)
            return
        self._transport = None
        try:
            transport.get_extra_info("ssl_object").unwrap()
        except ssl.SSLError as error:
            if not isinstance(error, ssl.SSLWantReadError):
                transport.abort()
                return
        # asyncio sends what TLS has ready only when it reads or writes; there is nothing left to write.
        transport.pause_reading()
        transport.resume_reading()
