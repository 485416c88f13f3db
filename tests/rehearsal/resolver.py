# SPDX-License-Identifier: Apache-2.0
"""The cluster's name service for pods of a headless Service.

It resolves HOSTNAME.SERVICE.NAMESPACE.svc to an address.
"""

import socket
import struct
import threading

DOMAIN = "cluster.local"


class Resolver(threading.Thread):
    def __init__(self, address, lookup):
        """lookup: (hostname, service, namespace) -> address or None."""
        super().__init__(daemon=True)
        self.lookup = lookup
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))

    def run(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            try:
                self.socket.sendto(self.answer(query), client)
            except (IndexError, struct.error, UnicodeDecodeError):
                continue

    def answer(self, query):
        identity, flags, questions = struct.unpack(">HHH", query[:6])
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        address = self.find(labels)
        record = b""
        if address and kind == 1:  # type A, the only one supported
            record = struct.pack(">HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address)
        code = 0 if address else 3
        head = struct.pack(">HHHHHH", identity, 0x8480 | (flags & 0x0100) | code, 1, bool(record), 0, 0)
        return head + query[12:at + 5] + record

    def find(self, labels):
        if labels[-2:] == DOMAIN.split("."):
            labels = labels[:-2]
            if len(labels) == 4 and labels[3] == "svc":
                return self.lookup(*labels[:3])
        return None

    def close(self):
        self.socket.close()
