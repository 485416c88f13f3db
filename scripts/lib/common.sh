# Shared by the scripts: where things are, what to install, and how to say so. Sourced, not run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
deps=$root/.deps
venv=$deps/venv
versions=$root/cmake/versions.txt
export CCACHE_DIR=$deps/ccache CCACHE_MAXSIZE=3G
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

case "$root" in
  *[[:space:]]*) die "this checkout lies in '$root'. Virtual environments do not work below a path with spaces: move it." ;;
esac

# Lines of versions.txt of the kinds asked for: third field (kB) is empty for packages.
listed() { awk -v kinds=" $* " '!/^#/ && NF && index(kinds, " " $1 " ") { print $2, $3 }' "$versions"; }
packages() { listed apt data | awk '{ print $1 }'; }
wheels() { if [ "$1" = small ]; then listed small; else listed small full; fi; }

has_gpu() { [ -e /proc/driver/nvidia/version ] && ldconfig -p | grep -q 'libcuda\.so\.1'; }

missing_packages() {
  local name
  for name in $(packages); do
    dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || printf '%s\n' "$name"
  done
}

# The set-up of wheels is whole when the stamp names these very lines.
stamp_of() { { wheels "$1"; cat "$root/scripts/lib/wheels.sh"; } | cksum | tr ' ' '-'; }
wheels_ready() { [ -x "$venv/bin/python" ] && [ "$(cat "$deps/wheels-$1.stamp" 2>/dev/null)" = "$(stamp_of "$1")" ]; }

megabytes() { awk '{ kb += $2 } END { printf "%d", kb / 1000 }'; }
free_megabytes() { df -Pk "$1" | awk 'NR == 2 { printf "%d", $4 / 1000 }'; }

# Build jobs: one for each core, at most one for each 2 GiB of memory that is free.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ { printf "%d", $2 / 2097152 }' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  [ "$cores" -le "$memory" ] && echo "$cores" || echo "$memory"
}

# Runs a command whose output only matters when it fails; without a terminal a line every 15 s says that it goes on.
quietly() {
  local title=$1 log start pid
  shift
  log=$(mktemp "${TMPDIR:-/tmp}/ebb-setup.XXXXXX")
  start=$SECONDS
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    for _ in $(seq 15); do
      kill -0 "$pid" 2>/dev/null || break
      [ -t 1 ] && printf '\r  %s … %d s' "$title" $((SECONDS - start))
      sleep 1
    done
    if [ ! -t 1 ] && kill -0 "$pid" 2>/dev/null; then say "  $title … $((SECONDS - start)) s"; fi
  done
  if wait "$pid"; then
    [ -t 1 ] && printf '\r\033[K'
    say "  $title: done in $((SECONDS - start)) s"
    rm -f "$log"
  else
    say
    tail -n 20 "$log" >&2
    die "$title failed; the whole output is in $log"
  fi
}
