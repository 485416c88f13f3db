# SPDX-License-Identifier: Apache-2.0
"""The volumes of a pod: folders of this machine with the owners and modes that a kubelet sets."""

import base64
import os
import subprocess

from api import Missing


class NotYet(Exception):
    """The source of a volume does not exist yet. A kubelet retries."""


def megabytes(quantity):
    for suffix, factor in (("Ki", 2**-10), ("Mi", 1), ("Gi", 2**10), ("Ti", 2**20)):
        if quantity.endswith(suffix):
            return max(1, int(float(quantity[:-2]) * factor))
    raise ValueError(f"the replacement of the kubelet does not know the size {quantity}")


def cores(quantity):
    """CPU time per time: 2, "1.5" or "500m"."""
    text = str(quantity)
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


class Volumes:
    def __init__(self, api, pod, folder, key_owner=None):
        self.api, self.pod, self.folder, self.key_owner = api, pod, folder, key_owner
        self.namespace = pod["metadata"]["namespace"]
        self.group = pod["spec"].get("securityContext", {}).get("fsGroup")
        self.paths, self.readonly, self.mounted = {}, set(), []

    def prepare(self):
        for volume in self.pod["spec"].get("volumes", []):
            name = volume["name"]
            kind = next(key for key in volume if key != "name")
            make = getattr(self, f"_{kind}", None)
            if make is None:
                raise ValueError(f"the replacement of the kubelet does not know volumes of type {kind}")
            if name not in self.paths:
                self.paths[name] = make(volume[kind] or {}, self.folder / "volumes" / name)
        return self.paths

    def close(self):
        for path in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", path], check=True)
        self.mounted = []

    def _get(self, what, name, optional=False):
        try:
            return self.api.get(f"/api/v1/namespaces/{self.namespace}/{what}/{name}")
        except Missing:
            if optional:
                return {}
            raise NotYet(f"{what} {name} does not exist") from None

    def _own(self, path, writable):
        """Applies fsGroup: the group owns all files, and may read them or also write them."""
        if self.group is None:
            return
        for place, folders, files in os.walk(path):
            for entry in [place] + [os.path.join(place, name) for name in folders + files]:
                if os.path.islink(entry):
                    continue
                os.chown(entry, -1, self.group)
                is_folder = os.path.isdir(entry)
                mode = os.stat(entry).st_mode & 0o7777 | (0o660 if writable else 0o440) | (0o2110 if is_folder else 0)
                os.chmod(entry, mode)

    def _files(self, path, content, source):
        path.mkdir(parents=True)
        items = source.get("items") or [{"key": key, "path": key} for key in content]
        for item in items:
            if item["key"] not in content:
                raise NotYet(f"key {item['key']} does not exist")
            file = path / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content[item["key"]])
            os.chmod(file, item.get("mode") or source.get("defaultMode") or 0o644)
        self._own(path, writable=False)
        return path

    def _configMap(self, source, path):
        found = self._get("configmaps", source["name"], source.get("optional"))
        content = {key: text.encode() for key, text in found.get("data", {}).items()}
        content.update({key: base64.b64decode(text) for key, text in found.get("binaryData", {}).items()})
        self.readonly.add(path.name)
        return self._files(path, content, source)

    def _secret(self, source, path):
        found = self._get("secrets", source["secretName"], source.get("optional"))
        self.readonly.add(path.name)
        self._files(path, {key: base64.b64decode(text) for key, text in found.get("data", {}).items()}, source)
        part, owner, mode = self.key_owner or (None, None, None)
        for file in path.iterdir() if part and part in self.pod["metadata"]["name"] else ():
            os.chown(file, owner, -1)
            os.chmod(file, mode)
        return path

    def _emptyDir(self, source, path):
        path.mkdir(parents=True)
        if source.get("medium") == "Memory":
            size = f",size={megabytes(source['sizeLimit'])}m" if "sizeLimit" in source else ""
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=777{size}", "tmpfs", path], check=True)
            self.mounted.append(path)
        os.chmod(path, 0o777)
        self._own(path, writable=True)
        return path

    def _hostPath(self, source, _):
        return source["path"]

    def _persistentVolumeClaim(self, source, path):
        claim = self._get("persistentvolumeclaims", source["claimName"])
        if claim.get("status", {}).get("phase") != "Bound":
            raise NotYet(f"claim {source['claimName']} is not bound")
        volume = self.api.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")
        if source.get("readOnly"):
            self.readonly.add(path.name)
        folder = volume["spec"]["hostPath"]["path"]
        # As network volumes do by default: recursively, only if the top folder has another group.
        if self.group is not None and os.stat(folder).st_gid != self.group:
            self._own(folder, writable=True)
        return folder
