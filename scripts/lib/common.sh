# Shared by the scripts: where things are, what to install, and how to say so. Sourced, not run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
deps=$root/.deps
venv=$deps/venv
versions=$root/cmake/versions.txt

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

case "$root" in
  *[!A-Za-z0-9/._+~@%=-]*)
    die "this checkout lies in '$root'. Some of the tools that build it take no spaces or special characters in a path: move it to one of letters, digits and -_.+ only." ;;
esac

# Lines of versions.txt of the kinds asked for: third field (kB) is empty for packages.
listed() { awk -v kinds=" $* " '!/^#/ && NF && index(kinds, " " $1 " ") { print $2, $3 }' "$versions"; }
packages() {
  local kinds=(apt data)
  case "$1" in lint) echo python3-venv; return ;; full) kinds+=(test) ;; all) kinds+=(test check) ;; image) kinds+=(test image) ;; esac
  listed "${kinds[@]}" | awk '{ print $1 }'
}
wheels() { case "$1" in small | lint) listed "$1" ;; *) listed small lint full ;; esac; }

# A driver is a loaded kernel module and its library. No pipe: under pipefail grep -q may fail its writer.
has_gpu() {
  local cache
  [ -e /proc/driver/nvidia/version ] || return 1
  cache=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null) || return 1
  [[ $cache == *libcuda.so.1* ]]
}

missing_packages() {
  local there name
  command -v dpkg-query >/dev/null || die "dpkg is not here: the scripts know Debian 12 and 13, and Ubuntu 24.04 has the same names. Elsewhere, install by hand what cmake/versions.txt names."
  there=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' $(packages "$1") 2>/dev/null || true)
  for name in $(packages "$1"); do
    [[ $'\n'$there$'\n' == *$'\nii '"$name"$'\n'* ]] || printf '%s\n' "$name"
  done
}

# The set-up of wheels is whole when the stamp names these very lines.
stamp_of() { { wheels "$1"; cat "$root/scripts/lib/wheels.sh"; } | cksum | tr ' ' '-'; }
wheels_ready() {
  [ -x "$venv/bin/python" ] && [ "$(cat "$deps/wheels-$1.stamp" 2>/dev/null)" = "$(stamp_of "$1")" ]
}

megabytes() { awk '{ kb += $2 } END { printf "%d", kb / 1000 }'; }
free_megabytes() { df -Pk "$1" | awk 'NR == 2 { printf "%d", $4 * 1.024 / 1000 }'; }
megabytes_in() { du -s --block-size=1000000 "$1" 2>/dev/null | cut -f1; }

# need_room FOLDER MEGABYTES WHAT: refuses, with the figures, where the disk has less.
need_room() {
  local free
  free=$(free_megabytes "$1")
  [ "$free" -ge "$2" ] ||
    die "the disk under $1 has $free MB free, and $3 needs $2 MB. Free $(($2 - free)) MB there, or move the checkout to another disk."
}

# Build jobs: one for each core, at most one for each 2 GiB of memory that is free, to this container as well.
jobs() {
  local cores memory limit used
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ { printf "%d", $2 / 2097152 }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [ "$limit" != max ]; then
    used=$(cat /sys/fs/cgroup/memory.current 2>/dev/null || echo 0)
    limit=$(((limit - used) / 2147483648))
    [ "$memory" -le "$limit" ] || memory=$limit
  fi
  [ "$memory" -ge 1 ] || memory=1
  if [ "$cores" -le "$memory" ]; then echo "$cores"; else echo "$memory"; fi
}

# What a running step has reached: megabytes in the folder that it fills, or the last [n/m] of the build.
reached() {
  local line=
  if [ -n "${filling:-}" ]; then
    line=$(megabytes_in "$filling")
    printf ', %s MB' "${line:-0}"
  else
    line=$(grep -oE '^\[[0-9]+/[0-9]+\]' "$1" | tail -n 1) || return 0
    [ -z "$line" ] || printf ', %s' "$line"
  fi
}

# Runs a command whose output only matters when it fails, and shows that it goes on: one line that renews itself on a
# terminal, else a line every 10 s. Ctrl-C ends the command too. With filling=FOLDER it shows how much is there.
quietly() {
  local title=$1 log start pid second=0
  shift
  mkdir -p "$deps/log"
  log=$(mktemp "$deps/log/XXXXXX")
  start=$SECONDS
  # A group of its own can be stopped as a whole. Not for sudo: it must stay in the terminal's group, and half a
  # package installation is better finished than broken.
  [ "$1" = sudo ] || set -m
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  trap 'kill -TERM -- "-$pid" 2>/dev/null || true; say; die "interrupted; run the same again to go on"' INT TERM HUP
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 1 ]; then
      printf '\r\033[K  %s … %d s%s' "$title" $((SECONDS - start)) "$(reached "$log")"
    elif [ $((second % 10)) = 9 ]; then
      say "  $title … $((SECONDS - start)) s$(reached "$log")"
    fi
    second=$((second + 1))
    if [ $second -le 2 ]; then sleep 0.2; else sleep 1; fi
  done
  trap - INT TERM HUP
  [ ! -t 1 ] || printf '\r\033[K'
  if wait "$pid"; then
    say "  $title: done in $((SECONDS - start)) s"
    rm -f "$log"
  else
    tail -n 30 "$log" >&2
    die "$title failed; the whole output is in $log"
  fi
}
