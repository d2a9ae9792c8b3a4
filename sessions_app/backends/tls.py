"""TLS as a client, from PEM text."""

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
