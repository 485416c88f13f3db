# SPDX-License-Identifier: Apache-2.0
# Installs the wheels of a set (small, lint or full) into .deps/venv. Source it after common.sh.

install_wheels() {
  local set=$1 list total big=() rest=() name kb done=0
  if [ "$set" = lint ]; then rm -f "$deps/wheels-lint.stamp"; else rm -f "$deps"/wheels-*.stamp; fi
  prepare_venv
  list=$(missing_wheels "$set")
  total=$(megabytes <<<"$list")
  [ -z "$list" ] || say "Fetching $total MB of wheels into .deps/venv"
  while read -r name kb; do
    [ -n "$name" ] || continue
    if [ "$kb" -ge 100000 ]; then big+=("$name $kb"); else rest+=("$name"); fi
  done <<<"$list"
  # Large wheels are installed one by one, so an interrupted set-up continues where it stopped. All
  # other wheels are installed together.
  for name in "${big[@]}"; do
    kb=${name#* }
    install_some "${name% *} ($((kb / 1000)) MB; $done of $total MB are done)" "${name% *}"
    done=$((done + kb / 1000))
  done
  [ ${#rest[@]} = 0 ] || install_some "${#rest[@]} smaller wheels ($((total - done)) MB)" "${rest[@]}"
  if [ "$set" = full ]; then
    link_cuda_toolkit
    stamp_of full >"$deps/wheels-full.stamp"
  fi
  [ "$set" = small ] || stamp_of lint >"$deps/wheels-lint.stamp"
  [ "$set" = lint ] || stamp_of small >"$deps/wheels-small.stamp"
}

# Makes the virtual environment. Replaces one that is broken or was copied from another path.
prepare_venv() {
  local info
  mkdir -p "$deps"
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    # All these wheels exist for the distribution's own Python.
    quietly "virtual environment" /usr/bin/python3 -m venv "$venv"
  fi
  # pip writes INSTALLER last. A folder without it is an interrupted installation, which pip would
  # accept.
  for info in "$venv"/lib/python3*/site-packages/*.dist-info; do
    [ -e "$info/INSTALLER" ] || rm -rf "$info"
  done
}

missing_wheels() {
  local there
  there=$("$venv/bin/python" -m pip list --format=freeze --disable-pip-version-check 2>/dev/null | tr 'A-Z_' 'a-z-')
  wheels "$1" | while read -r name kb; do
    [[ $'\n'$there$'\n' == *$'\n'"$(tr 'A-Z_' 'a-z-' <<<"$name")"$'\n'* ]] || printf '%s %s\n' "$name" "$kb"
  done
}

# requirements WHEEL…: each wheel with the checksums of its files, as pip reads them. pip refuses any
# other file. In a file's name, the letters of a wheel are small, and its - and . are _.
requirements() {
  local wheel start hashes
  for wheel; do
    start=$(tr 'A-Z.-' 'a-z__' <<<"${wheel%%==*}")-${wheel#*==}-
    hashes=$(awk -v start="$start" 'index(tolower($2), start) == 1 { printf " --hash=sha256:%s", $1 }' "$root/cmake/wheels.sha256")
    [ -n "$hashes" ] || die "cmake/wheels.sha256 has no checksum of $wheel, which cmake/versions.txt names. scripts/lib/wheel_checksums.py makes that file."
    printf '%s%s\n' "$wheel" "$hashes"
  done
}

# install_some TITLE WHEEL…: downloads into .deps/tmp. Nothing stays outside the checkout, unless
# the user has set a cache for pip.
install_some() {
  local title=$1 cache=(--no-cache-dir)
  shift
  [ -z "${PIP_CACHE_DIR:-}" ] || cache=()
  rm -rf "$deps/tmp"
  mkdir -p "$deps/tmp"
  requirements "$@" >"$deps/tmp/requirements.txt"
  filling=$deps/tmp quietly "$title" env TMPDIR="$deps/tmp" \
    "$venv/bin/python" -m pip install --no-deps --no-compile --disable-pip-version-check "${cache[@]}" \
    --require-hashes -r "$deps/tmp/requirements.txt"
  rm -rf "$deps/tmp"
}

# The wheels install CUDA into one folder. Links with the names that build systems expect make it a
# toolkit.
link_cuda_toolkit() {
  local toolkit library plain
  toolkit=$(echo "$venv"/lib/python3*/site-packages/nvidia/cu13)
  [ -d "$toolkit" ] || die "the CUDA wheels did not make $toolkit"
  [ -e "$toolkit/lib64" ] || ln -s lib "$toolkit/lib64"
  for library in "$toolkit"/lib/lib*.so.*; do
    plain=${library%%.so.*}.so
    [ -e "$plain" ] || ln -s "$(basename "$library")" "$plain"
  done
}
