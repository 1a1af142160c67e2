"""The ten spins of an unmodified xmlrpc.client, at each path of a wheel."""

import sys
from xmlrpc.client import ServerProxy

COLOURS = {"GREEN", "RED", "BLACK"}
POCKETS = {"/": 38, "/RPC2": 38, "/wheel/american": 38, "/wheel/european": 37}

for path, pockets in POCKETS.items():
    with ServerProxy(sys.argv[1] + path) as wheel:
        for _ in range(10):
            number, colour, parity, range_ = wheel.spin()
            assert number == "00" or 0 <= int(number) <= 36, number
            assert colour in COLOURS and (colour == "GREEN") == (number in {"0", "00"}), (number, colour)
            assert parity in {"EVEN", "ODD", "ZERO"} and range_ in {"LOW", "HIGH", "ZERO"}, (parity, range_)
        assert len(wheel.spinList(1000)) == 1000
        assert len(wheel.spinList()) == 1
        assert wheel.spinList(0) == []
        around = wheel.pockets()
        assert len(around) == pockets, (path, len(around))
        assert {tuple(spin) for spin in wheel.spinList(1000)} <= {tuple(pocket) for pocket in around}

# A URL without a path goes to /RPC2.
assert len(ServerProxy(sys.argv[1]).spin()) == 4
