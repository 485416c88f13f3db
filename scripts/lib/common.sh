# SPDX-License-Identifier: Apache-2.0
# Common functions of the scripts: paths, lists of packages, messages. Source it; it is not a program.
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
    die "this checkout is in '$root'. Some build tools do not support spaces or special characters in a path. Move it to a path of letters, digits and -_.+ only." ;;
esac

# listed KIND…: names and sizes (kB) of these kinds in versions.txt. Packages have no size.
listed() { awk -v kinds=" $* " '!/^#/ && NF && index(kinds, " " $1 " ") { print $2, $3 }' "$versions"; }
packages() {
  local kinds=(apt data)
  case "$1" in lint) echo python3-venv; return ;; full) kinds+=(test) ;; all) kinds+=(test check) ;; image) kinds+=(test image) ;; esac
  listed "${kinds[@]}" | awk '{ print $1 }'
}
wheels() { case "$1" in small | lint) listed "$1" ;; *) listed small lint full ;; esac; }

# A driver is a loaded kernel module and its library. No pipe here: with pipefail, grep -q may fail
# the program before it.
has_gpu() {
  local cache
  [ -e /proc/driver/nvidia/version ] || return 1
  cache=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null) || return 1
  [[ $cache == *libcuda.so.1* ]]
}

missing_packages() {
  local there name
  command -v dpkg-query >/dev/null || die "dpkg is missing. The scripts support Debian 12 and 13, and Ubuntu 24.04 has the same package names. On other systems, install the packages of cmake/versions.txt by hand."
  there=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' $(packages "$1") 2>/dev/null || true)
  for name in $(packages "$1"); do
    [[ $'\n'$there$'\n' == *$'\nii '"$name"$'\n'* ]] || printf '%s\n' "$name"
  done
}

# A set of wheels is complete if the stamp has the checksum of its lines and of wheels.sh.
stamp_of() { { wheels "$1"; cat "$root/scripts/lib/wheels.sh"; } | cksum | tr ' ' '-'; }
wheels_ready() {
  [ -x "$venv/bin/python" ] && [ "$(cat "$deps/wheels-$1.stamp" 2>/dev/null)" = "$(stamp_of "$1")" ]
}

megabytes() { awk '{ kb += $2 } END { printf "%d", kb / 1000 }'; }
free_megabytes() { df -Pk "$1" | awk 'NR == 2 { printf "%d", $4 * 1.024 / 1000 }'; }
megabytes_in() { du -s --block-size=1000000 "$1" 2>/dev/null | cut -f1; }

# need_room FOLDER MEGABYTES WHAT: fails with the figures if the disk has less free space.
need_room() {
  local free
  free=$(free_megabytes "$1")
  [ "$free" -ge "$2" ] ||
    die "the disk under $1 has $free MB free, and $3 needs $2 MB. Free $(($2 - free)) MB there, or move the checkout to another disk."
}

# Build jobs: one for each core, and at most one for each 2 GiB of free memory of machine and
# container.
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

# progress LOG: how far a command is, as megabytes in its folder or as the last [n/m] of the build.
progress() {
  local line=
  if [ -n "${filling:-}" ]; then
    line=$(megabytes_in "$filling")
    printf ', %s MB' "${line:-0}"
  else
    line=$(grep -oE '^\[[0-9]+/[0-9]+\]' "$1" | tail -n 1) || return 0
    [ -z "$line" ] || printf ', %s' "$line"
  fi
}

# quietly TITLE COMMAND…: runs a command and shows its output only if it fails. Meanwhile it shows
# the progress: on a terminal in one line, else in a line every 10 s. Ctrl-C ends the command too.
# With filling=FOLDER it shows the size of that folder.
quietly() {
  local title=$1 log start pid second=0
  shift
  mkdir -p "$deps/log"
  log=$(mktemp "$deps/log/XXXXXX")
  start=$SECONDS
  # Ctrl-C stops the command's whole process group. sudo has none of its own: it must stay in the
  # terminal's group, and an interrupted installation of packages would be worse than a finished
  # one.
  [ "$1" = sudo ] || set -m
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  trap 'kill -TERM -- "-$pid" 2>/dev/null || true; say; die "interrupted; run the same command again to continue"' INT TERM HUP
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 1 ]; then
      printf '\r\033[K  %s … %d s%s' "$title" $((SECONDS - start)) "$(progress "$log")"
    elif [ $((second % 10)) = 9 ]; then
      say "  $title … $((SECONDS - start)) s$(progress "$log")"
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
