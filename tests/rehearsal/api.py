# SPDX-License-Identifier: Apache-2.0
"""A client of the Kubernetes API server."""

import json
import ssl
import urllib.error
import urllib.request

STRATEGIC = "application/strategic-merge-patch+json"


class Missing(Exception):
    """The object does not exist (404), or has changed (409)."""


class Api:
    def __init__(self, server, token, certificate):
        self.server, self.token = server, token
        self.context = ssl.create_default_context(cafile=certificate)

    def _open(self, method, path, body=None, kind="application/json", timeout=30):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, {"Authorization": f"Bearer {self.token}", "Content-Type": kind}, method=method)
        try:
            return urllib.request.urlopen(request, context=self.context, timeout=timeout)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            message = f"{method} {path}: {error.code} {text[:500]}"
            raise (Missing if error.code in (404, 409) else RuntimeError)(message) from None

    def _call(self, *arguments, **named):
        with self._open(*arguments, **named) as answer:
            return json.load(answer)

    def get(self, path):
        return self._call("GET", path)

    def post(self, path, body):
        return self._call("POST", path, body)

    def patch(self, path, body, kind=STRATEGIC):
        return self._call("PATCH", path, body, kind)

    def delete(self, path, body=None):
        return self._call("DELETE", path, body)

    def watch(self, path):
        """Yields (type, object) for each object, then for each change until the server ends it."""
        there = self.get(path)
        for thing in there["items"]:
            yield "ADDED", thing
        version = there["metadata"]["resourceVersion"]
        with self._open("GET", f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=300", timeout=330) as stream:
            for line in stream:
                event = json.loads(line)
                if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                    return  # the version is too old; the caller lists again
                yield event["type"], event["object"]


def pod_path(pod, part=""):
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}{part}"
