# Installs the wheels of a set (small or full) into .deps/venv. Sourced after common.sh.

install_wheels() {
  local set=$1 list total done=0 name kb
  # A venv that was made by another checkout, or half made, is made anew.
  if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null || ! [ -x "$venv/bin/pip" ] ||
     ! "$venv/bin/pip" --version >/dev/null 2>&1; then
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
  fi
  list=$(wheels "$set")
  total=$(megabytes <<<"$list")
  say "Fetching $total MB of wheels into .deps/venv"
  rm -f "$deps/wheels-$set.stamp"
  # Big ones one by one, so that it can be seen how far it is; the rest in one go.
  while read -r name kb; do
    [ "$kb" -ge 100000 ] || continue
    quietly "$name ($((kb / 1000)) MB; $done of $total MB are there)" "$venv/bin/pip" install --no-deps --disable-pip-version-check "$name"
    done=$((done + kb / 1000))
  done <<<"$list"
  local small=()
  while read -r name kb; do [ "$kb" -ge 100000 ] || small+=("$name"); done <<<"$list"
  quietly "${#small[@]} smaller ones" "$venv/bin/pip" install --no-deps --disable-pip-version-check "${small[@]}"
  if [ "$set" = full ]; then link_cuda_toolkit; fi
  stamp_of "$set" >"$deps/wheels-$set.stamp"
}

# The wheels put CUDA into one folder that becomes a toolkit with the names that build systems look for.
link_cuda_toolkit() {
  local toolkit library
  toolkit=$(echo "$venv"/lib/python3*/site-packages/nvidia/cu13)
  [ -d "$toolkit" ] || die "the CUDA wheels did not make $toolkit"
  [ -e "$toolkit/lib64" ] || ln -s lib "$toolkit/lib64"
  for library in "$toolkit"/lib/lib*.so.*; do
    local plain=${library%%.so.*}.so
    [ -e "$plain" ] || ln -s "$(basename "$library")" "$plain"
  done
}
