"""Ways to a Docker Engine, and ways that lead nowhere."""

import asyncio
import datetime
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key."""

    certificate: x509.Certificate
    private: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key(self) -> str:
        encryption = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        return self.private.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


def certificate(name: str, issuer: Certificate | None = None) -> Certificate:
    """One for 127.0.0.1 signed by `issuer`, or a CA."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    return Certificate(builder.sign(issuer.private if issuer else private, hashes.SHA256()), private)


@dataclass(frozen=True)
class Pki:
    """A CA, what it signed, and one that it did not sign."""

    ca: Certificate
    server: Certificate
    client: Certificate
    stranger: Certificate

    @classmethod
    def make(cls) -> "Pki":
        ca = certificate("ca")
        return cls(ca, certificate("server", ca), certificate("client", ca), certificate("stranger"))

    def server_context(self, folder: Path) -> ssl.SSLContext:
        """A server's context that demands a client certificate of the CA."""
        for file, text in (("cert", self.server.pem), ("key", self.server.key)):
            (folder / file).write_text(text)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert", folder / "key")
        context.load_verify_locations(cadata=self.ca.pem)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


@asynccontextmanager
async def relay(
    target: str, tls: ssl.SSLContext | None = None, flowing: asyncio.Event | None = None
) -> AsyncIterator[str]:
    """A port of this machine that leads to a unix socket's path or to `host:port`, behind TLS if told. Yields
    `127.0.0.1:port`. Whenever `flowing` is cleared it passes nothing on and says nothing of it."""
    running: set[asyncio.Task[None]] = set()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with closing(sink), suppress(OSError):
            while data := await source.read(65536):
                if flowing is not None:
                    await flowing.wait()
                sink.write(data)
                await sink.drain()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        if target.startswith("/"):
            inner_reader, inner_writer = await asyncio.open_unix_connection(target)
        else:
            inner_reader, inner_writer = await asyncio.open_connection(*target.split(":"))
        with suppress(asyncio.CancelledError):
            await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield "{}:{}".format(*server.sockets[0].getsockname())
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """A port that accepts and never says a word. Yields `127.0.0.1:port`."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield "{}:{}".format(*server.sockets[0].getsockname())
        for writer in writers:
            writer.close()


def closed_port() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "{}:{}".format(*probe.getsockname())


@contextmanager
def half_closing(path: str, tls: ssl.SSLContext) -> Iterator[str]:
    """As `relay` behind TLS, but as a Docker Engine's own TLS has it: where the client ends its direction
    (close_notify), the other one goes on. asyncio's servers end both. Yields `127.0.0.1:port`."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve(plain: socket.socket) -> None:
        with (
            suppress(OSError),
            tls.wrap_socket(plain, server_side=True) as outer,
            socket.socket(socket.AF_UNIX) as inner,
        ):
            inner.connect(path)
            heard = [outer, inner]
            while inner in heard:
                ready = [outer] if outer in heard and outer.pending() else select.select(heard, [], [])[0]
                for source in ready:
                    if data := source.recv(65536):
                        (inner if source is outer else outer).sendall(data)
                        continue
                    heard.remove(source)
                    if source is outer:
                        inner.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield "{}:{}".format(*server.getsockname())
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
