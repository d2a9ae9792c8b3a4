"""What the kernel knows of the other end of a TCP connection."""

import socket
import struct

DEAD_PEER_SECONDS = 60
"""Seconds after which an idle TCP peer that has vanished is given up; probes begin at half of it."""

UNANSWERED = 3
"""Packets without an answer that are no chance any more. A peer that takes nothing now, as its program does not read,
still answers each probe of its window."""

# struct tcp_info of linux/tcp.h: retransmits and probes are its third and fourth byte, the milliseconds since the last
# acknowledgement its 13th number.
_TCP_INFO = struct.Struct("=2xBB4x13I")


def watch_peer(peer: socket.socket) -> None:
    """Let the kernel notice a peer that has vanished, and keep middleboxes from forgetting a silent connection."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", DEAD_PEER_SECONDS // 2),
        ("TCP_KEEPINTVL", DEAD_PEER_SECONDS // 6),
        ("TCP_KEEPCNT", 3),
    ):
        if hasattr(socket, option):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def peer_is_silent(peer: socket.socket | None, seconds: float) -> bool:
    """Whether the other end's kernel has left our packets unanswered for so long. False where that is unknown."""
    if peer is None or not hasattr(socket, "TCP_INFO"):
        return False
    try:
        info = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return False  # It is closed already, and its reader knows.
    if len(info) < _TCP_INFO.size:
        return False
    retransmits, probes, *numbers = _TCP_INFO.unpack(info)
    return int(retransmits) + int(probes) >= UNANSWERED and numbers[-1] > seconds * 1000
