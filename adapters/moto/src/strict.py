"""IAM and STS of moto, made as strict as the real ones are where a rotation would notice.

moto checks signatures and policies once it is told to. What it does not do, this does: a key that is inactive is refused, a new
or reactivated one is unknown for a while, a deleted one is honoured for a while, and errors have the shape of the real ones.
Under /turquoise/ it can be told to make a user, to switch new keys off, to throttle, and to lose requests or replies.

It listens on a free loopback port and makes a folder for whoever uses it, writes both on one line, and ends, the folder with it,
with its standard input.
"""

import collections
import io
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from urllib.parse import parse_qs

import moto.core.exceptions as errors
from moto import settings
from moto.iam import access_control, models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT, PARTITION = "123456789012", "aws"
NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
lock = threading.RLock()
STALL = 60  # seconds: longer than anybody waits
timing = collections.defaultdict(lambda: {"propagate": 0.0, "linger": 0.0})
born = collections.defaultdict(lambda: "Active")  # user: the status of its new keys
made = collections.defaultdict(list)  # user: the ids of all its keys ever
faults = []  # {"user", "action", "fault", "skip", "times"}
log = []  # {"key", "action", "status"}
known_from = {}  # key id: when it is accepted from
ghosts = {}  # key id: (until when it is honoured, user, secret)


def backend():
    return models.iam_backends[ACCOUNT][PARTITION]


def owner_of(key_id):
    for user in backend().list_users("/", None, None):
        for key in user.access_keys:
            if key.access_key_id == key_id:
                return user, key
    return None, None


# Who asks.

plain_init = access_control.IAMUserAccessKey.__init__


def strict_init(self, account_id, partition, access_key_id, headers):
    user, key = owner_of(access_key_id)
    until, name, secret = ghosts.get(access_key_id, (0, None, None))
    if key is None and time.monotonic() < until:
        self.account_id, self.partition = account_id, partition
        self._owner_user_name, self._access_key_id, self._secret_access_key = name, access_key_id, secret
        return
    if key is not None and (key.status != "Active" or time.monotonic() < known_from.get(access_key_id, 0)):
        raise access_control.CreateAccessKeyFailure(reason="InvalidId")
    plain_init(self, account_id, partition, access_key_id, headers)


access_control.IAMUserAccessKey.__init__ = strict_init

# What becomes of keys.

plain_create, plain_delete, plain_update = (
    models.User.create_access_key,
    models.User.delete_access_key,
    models.User.update_access_key,
)


def create(self, prefix, status="Active"):
    key = plain_create(self, prefix, status)
    made[self.name].append(key.access_key_id)
    if born[self.name] != "Active":
        plain_update(self, key.access_key_id, born[self.name])
    known_from[key.access_key_id] = time.monotonic() + timing[self.name]["propagate"]
    return key


def delete(self, key_id):
    key = self.get_access_key_by_id(key_id)
    if key.status == "Active":
        ghosts[key_id] = (time.monotonic() + timing[self.name]["linger"], self.name, key.secret_access_key)
    return plain_delete(self, key_id)


def update(self, key_id, status=None):
    if status == "Active" and self.get_access_key_by_id(key_id).status != "Active":
        known_from[key_id] = time.monotonic() + timing[self.name]["propagate"]
    return plain_update(self, key_id, status)


models.User.create_access_key, models.User.delete_access_key, models.User.update_access_key = create, delete, update

# The shape of errors: the real ones have no <Errors> around.


def reshape(error):
    plain = error.__init__

    def init(self, *args, **kwargs):
        plain(self, *args, **kwargs)
        self.description = self.description.replace("<Errors>", "").replace("</Errors>", "")

    error.__init__ = init


for error in (
    errors.InvalidClientTokenIdError,
    errors.SignatureDoesNotMatchError,
    errors.AccessDeniedError,
    errors.AuthFailureError,
):
    reshape(error)


# What a test tells and asks.


def new_user(name, policy, propagate, linger):
    user = backend().create_user("us-east-1", name, "/", [])
    for statement in policy["Statement"]:
        # moto does not know whom a request is about: what is allowed about oneself must be allowed about everybody.
        if statement["Resource"] == user.arn:
            statement["Resource"] = "*"
    backend().put_user_policy(name, "rotation", json.dumps(policy))
    key = backend().create_access_key(name)
    known_from.pop(key.access_key_id)
    timing[name] = {"propagate": propagate, "linger": linger}
    return {"id": key.access_key_id, "secret": key.secret_access_key}


def keys(name):
    return [{"id": key.access_key_id, "status": key.status} for key in backend().get_user(name).access_keys]


def told(path, body):
    if path == "user":
        return new_user(**body)
    if path == "key":
        key = backend().create_access_key(body["name"])
        return {"id": key.access_key_id, "secret": key.secret_access_key}
    if path == "keys":
        return keys(body["name"])
    if path == "delete":
        return backend().delete_access_key(body["id"], body["name"])
    if path == "used":
        return models.mark_account_as_visited(ACCOUNT, body["id"], "s3", "us-east-1")
    if path == "fault":
        return faults.append(body)
    if path == "calm":
        left = [fault for fault in faults if fault["user"] == body["name"] and fault["times"] > 0]
        faults[:] = [fault for fault in faults if fault["user"] != body["name"]]
        return len(left)
    if path == "born":
        return born.update({body["name"]: body["status"]})
    if path == "made":
        return made[body["name"]]
    if path == "log":
        return [entry for entry in log if entry["key"] in made[body["name"]]]
    raise KeyError(path)


def fault_for(user, action):
    for fault in faults:
        if fault["user"] == user and fault["action"] == action and fault["times"] > 0:
            if fault["skip"] > 0:
                fault["skip"] -= 1
                return None
            fault["times"] -= 1
            return fault["fault"]
    return None


def key_of(environ):
    return environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition("/")[0]


THROTTLED = (
    f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>Throttling</Code>'
    "<Message>Rate exceeded</Message></Error><RequestId>0</RequestId></ErrorResponse>"
)


class Strict:
    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        path = environ["PATH_INFO"]
        with lock:
            if path.startswith("/turquoise/"):
                answer = json.dumps(told(path.removeprefix("/turquoise/"), json.loads(body))).encode()
                start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
                return [answer]
            fault, answer = self.act(environ, body, start)
        if fault in ("stall-request", "stall-reply"):
            time.sleep(STALL)
        return answer

    def act(self, environ, body, start):
        environ["wsgi.input"] = io.BytesIO(body)
        form = parse_qs(body.decode()).get("Action")
        entry = {"key": key_of(environ), "action": form[0] if form else environ["REQUEST_METHOD"], "status": 0}
        log.append(entry)
        user = next((name for name, ids in made.items() if entry["key"] in ids), None)
        fault = fault_for(user, entry["action"])
        if fault == "throttle":
            start("400 Bad Request", [("Content-Type", "text/xml"), ("Content-Length", str(len(THROTTLED)))])
            return fault, [THROTTLED.encode()]
        if fault in ("lose-request", "stall-request"):
            return fault, self.cut(start)

        def begin(status, *rest):
            entry["status"] = int(status.partition(" ")[0])
            if fault is None:
                start(status, *rest)

        answer = b"".join(self.moto(environ, begin))
        return fault, [answer] if fault is None else self.cut(start)

    @staticmethod
    def cut(start):
        """An answer that breaks off: whoever reads it knows nothing."""
        start("200 OK", [("Content-Type", "text/xml"), ("Content-Length", "4096"), ("Connection", "close")])
        return [b"<"]


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


def end_with_parent():
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


folder = tempfile.mkdtemp(prefix="turquoise-moto-")
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
threading.Thread(target=end_with_parent, daemon=True).start()
server = make_server("127.0.0.1", 0, Strict(), threaded=True, request_handler=Quiet)
print(json.dumps({"port": server.server_port, "folder": folder}), flush=True)
server.serve_forever()
