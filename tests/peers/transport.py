"""What xmlrpc.client does below the calls: gzip, headers of one's own, encodings, and one connection for all of it."""

import sys
from xmlrpc.client import ServerProxy, Transport


class Counting(Transport):
    """Counts its connections, and packs every request."""

    encode_threshold = 0
    opened = 0

    def make_connection(self, host):
        if not (self._connection and host == self._connection[0]):
            Counting.opened += 1
        return super().make_connection(host)

    def send_content(self, connection, request_body):
        self.packed = self.encode_threshold is not None and self.encode_threshold < len(request_body)
        super().send_content(connection, request_body)


transport = Counting(headers=[("X-Custom", "a value"), ("X-Custom", "another")])
with ServerProxy(sys.argv[1] + "/diagnostics", transport=transport) as proxy:
    for _ in range(20):
        assert proxy.echo("packed " * 1000) == "packed " * 1000
        assert transport.packed
    first = transport._connection[1].sock
    assert proxy.count([1] * 1000) == 1000
    assert first is not None and transport._connection[1].sock is first
assert Counting.opened == 1, Counting.opened

for encoding in ["utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "us-ascii", "utf-16"]:
    text = "plain" if encoding == "us-ascii" else "é ü ß"
    with ServerProxy(sys.argv[1] + "/diagnostics", encoding=encoding) as proxy:
        assert proxy.echo(text) == text, encoding

# What has no place in an encoding, Python writes as character references.
assert ServerProxy(sys.argv[1] + "/diagnostics", encoding="us-ascii").echo("żółć \U0001f3b2") == "żółć \U0001f3b2"
assert ServerProxy(sys.argv[1] + "/diagnostics", encoding="iso-8859-15").echo("5 € ż") == "5 € ż"
