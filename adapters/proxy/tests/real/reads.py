"""Reads a secret through the proxy with one client that knows one token, until standard input ends; prints what became of it."""

import os
import sys
import threading

import hvac

client = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])
assert client.is_authenticated()
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
served, failures = 0, []
while not over.wait(0.01):
    try:
        read = client.secrets.kv.v2.read_secret_version(path="app", raise_on_deleted_version=True)
        assert read["data"]["data"] == {"motto": "never dark"}, read
        if served % 50 == 0:
            client.auth.token.renew_self()
            client.auth.token.lookup_self()
        served += 1
    except Exception as why:
        failures.append(repr(why))
# What many programs do when they end: it must not end the others.
client.auth.token.revoke_self()
print(served, len(failures), failures[:3])
