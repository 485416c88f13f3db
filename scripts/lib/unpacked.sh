# SPDX-License-Identifier: Apache-2.0
# Unpacks distribution packages into .deps/unpacked/NAME. The tests need single programs of them,
# but an installation would start a daemon. Source it after common.sh.
unpacked_disk_mb=200

# A package with a codename is one that only this release has.
unpacked() {
  listed unpack | awk -v release="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" '$2 == "" || $2 == release { print $1 }'
}
# The stamp is written last. A folder without one is incomplete.
missing_unpacked() {
  local name
  for name in $(unpacked); do [ -f "$deps/unpacked/$name/.complete" ] || printf '%s\n' "$name"; done
}

unpack_one() {
  local name=$1 folder=$deps/unpacked/$1
  rm -rf "$folder"
  mkdir -p "$folder/.deb"
  (cd "$folder/.deb" && apt-get -o Acquire::Retries=3 download "$name")
  dpkg-deb -x "$folder"/.deb/*.deb "$folder"
  rm -rf "$folder/.deb"
  touch "$folder/.complete"
}

install_unpacked() {
  local name
  for name in "$@"; do quietly "$name (unpacked, not installed)" unpack_one "$name"; done
}
