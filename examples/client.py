#!/usr/bin/env python3
"""Spins a wheel ten times, with nothing but Python's own library.

    python3 examples/client.py
    python3 examples/client.py http://127.0.0.1:8008/wheel/european
"""

import sys
import xmlrpc.client

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8008/wheel/american"

with xmlrpc.client.ServerProxy(url) as wheel:
    # One request a spin, all of them over one connection.
    for _ in range(10):
        number, color, parity, range_ = wheel.spin()
        print(f"{number:>2} {color} {parity} {range_}")

    # Several calls in one request.
    calls = xmlrpc.client.MultiCall(wheel)
    calls.spin()
    calls.spinList(3)
    one, three = calls()
    print("in one request:", one, three)

    # A method that is not there, and a parameter that is none.
    for name, params in [("spinn", ()), ("spinList", ("many",))]:
        try:
            getattr(wheel, name)(*params)
        except xmlrpc.client.Fault as fault:
            print(f"fault {fault.faultCode}: {fault.faultString}")
