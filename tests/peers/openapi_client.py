"""Makes a client of an OpenAPI document with openapi-python-client, and calls with it.

Usage: openapi_client.py wheel|orders URL, where URL is that of a group. Prints what came back as JSON."""

import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request


def generate(url, folder):
    """The client as a package named `made`; nothing of the document may be left out."""
    document = pathlib.Path(folder, "openapi.json")
    document.write_bytes(urllib.request.urlopen(f"{url}/openapi.json").read())
    made = pathlib.Path(folder, "made")
    options = pathlib.Path(folder, "options.yml")
    options.write_text("post_hooks: []\n")
    command = ["openapi-python-client", "generate", "--path", document, "--output-path", made, "--meta", "none"]
    done = subprocess.run([*command, "--config", options, "--fail-on-warning"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr, done.stdout + done.stderr
    sys.path.insert(0, folder)


def wheel(url):
    from made import Client, models
    from made.api.default import pockets_get, spin_get, spin_list_get, spin_list_post

    client = Client(base_url=url)
    pockets = pockets_get.sync(client=client)
    spun = [spin_get.sync(client=client) for _ in range(3)]
    listed = spin_list_get.sync(client=client, spins=4)
    posted = spin_list_post.sync(client=client, body=models.SpinListPostByName(spins=5))
    by_position = spin_list_post.sync(client=client, body=[6])
    refused = spin_list_get.sync_detailed(client=client, spins=-1)
    return {
        "pockets": pockets,
        "spun": spun,
        "listed": listed,
        "posted": posted,
        "by_position": by_position,
        "refused": [refused.status_code, refused.parsed.kind, refused.parsed.parameter],
    }


def orders(url):
    from made import Client, models
    from made.api.default import place_post

    shelf = models.Category(title="Shelf", id=8)
    # An attribute beside an element of the same name is no member of the class.
    shelf["@type"] = "leaf"
    order = models.Order(
        buyer=models.CompanyDerived(name="A & B", vat="X1", type_="Company", owner=models.PartyPlain(name="C")),
        total=models.Money(value=12.5, currency="EUR"),
        status=models.Status.ON_HOLD,
        payment=models.Payment(iban="XX00"),
        category=models.Category(title="Wood", id=7, type_="an element", sub=[shelf]),
        number=-3,
    )
    returned = place_post.sync(client=Client(base_url=url), body=models.PlacePostByName(order=order))
    return {"sent": order.to_dict(), "returned": returned.to_dict(), "class": type(returned.buyer).__name__}


with tempfile.TemporaryDirectory() as folder:
    kind, url = sys.argv[1:]
    generate(url, folder)
    print(json.dumps({"wheel": wheel, "orders": orders}[kind](url)))
