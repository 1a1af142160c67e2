#!/usr/bin/env python3
"""An upstream server whose one method returns a very long array of records, in XML-RPC, JSON-RPC or SOAP, by the path.

Usage: arrays.py BYTES, about how long an array is.
"""
import socket
import sys
import threading

NAMESPACE = "urn:arrays"
# How many rows are sent at a time.
BLOCK = 5000


def records(row, separator=b""):
    """Rows to send at a time: numbers of different lengths, and texts that have to be escaped."""
    return separator.join(row % (i, i * 7919 % 100_003, i * 31 % 977) for i in range(BLOCK))


XML_RPC = (
    b'<?xml version="1.0"?>\n<methodResponse><params><param><value><array><data>',
    records(b"<value><struct><member><name>number</name><value><int>%d</int></value></member>"
            b"<member><name>name</name><value><string>row %d &amp; more</string></value></member>"
            b"<member><name>share</name><value><double>%d.25</double></value></member></struct></value>"),
    b"", b"</data></array></value></param></params></methodResponse>\n", b"text/xml")
JSON_RPC = (
    b'{"jsonrpc":"2.0","id":1,"result":[',
    records(b'{"number":%d,"name":"row %d & more","share":%d.25}', b","),
    b",", b"]}", b"application/json")
SOAP = (
    b'<?xml version="1.0"?>\n<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    b'<m:listResponse xmlns:m="urn:arrays">',
    records(b"<m:result><m:number>%d</m:number><m:name>row %d &amp; more</m:name><m:share>%d.25</m:share></m:result>"),
    b"", b"</m:listResponse></e:Body></e:Envelope>\n", b"text/xml; charset=utf-8")
RESPONSES = {b"/xml-rpc": XML_RPC, b"/json-rpc": JSON_RPC, b"/soap": SOAP}

WSDL = b"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:m="urn:arrays" targetNamespace="urn:arrays">
<types><x:schema targetNamespace="urn:arrays" elementFormDefault="qualified">
 <x:complexType name="record"><x:sequence><x:element name="number" type="x:int"/><x:element name="name" type="x:string"/>
  <x:element name="share" type="x:double"/></x:sequence></x:complexType>
 <x:element name="list"><x:complexType><x:sequence/></x:complexType></x:element>
 <x:element name="listResponse"><x:complexType><x:sequence>
  <x:element name="result" type="m:record" minOccurs="0" maxOccurs="unbounded"/></x:sequence></x:complexType></x:element>
</x:schema></types>
<message name="in"><part name="parameters" element="m:list"/></message>
<message name="out"><part name="parameters" element="m:listResponse"/></message>
<portType name="port"><operation name="list"><input message="m:in"/><output message="m:out"/></operation></portType>
<binding name="binding" type="m:port"><s:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
 <operation name="list"><s:operation soapAction=""/><input><s:body use="literal"/></input>
 <output><s:body use="literal"/></output></operation></binding>
<service name="arrays"><port name="port" binding="m:binding"><s:address location="http://%s/soap"/></port></service>
</definitions>
"""


def read_request(connection):
    """The path of a request that is read to its end; nothing if there is none."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(65536)
        if not more:
            return b""
        head += more
    head, _, body = head.partition(b"\r\n\r\n")
    fields = [line.partition(b":") for line in head.lower().split(b"\r\n")]
    length = sum(int(value) for name, _, value in fields if name == b"content-length")
    while len(body) < length:
        body += connection.recv(65536)
    return head.split(b" ")[1]


def serve(connection, address, size):
    with connection:
        while path := read_request(connection):
            path, _, query = path.partition(b"?")
            if query == b"wsdl":
                wsdl = WSDL % address
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(wsdl) + wsdl)
                continue
            before, rows, between, behind, media = RESPONSES[path]
            count = max(1, size // (len(rows) + len(between)))
            length = len(before) + count * len(rows) + (count - 1) * len(between) + len(behind)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (media, length) + before)
            again = between + rows
            connection.sendall(rows)
            for _ in range(count - 1):
                connection.sendall(again)
            connection.sendall(behind)


def main():
    size = int(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "%s:%d" % listener.getsockname()
        print(f"listens on http://{address}", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, address.encode(), size), daemon=True).start()


if __name__ == "__main__":
    main()
