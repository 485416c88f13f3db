# Configures and builds a preset. Sourced after common.sh.

# build PRESET [TARGET…]
build() {
  local preset=$1
  shift
  local folder=$root/build/$preset
  # Where nothing has changed, ninja finds so in less than a second; it configures again by itself.
  if [ ! -f "$folder/build.ninja" ]; then
    quietly "configuring build/$preset" cmake --preset "$preset"
  fi
  local targets=() target
  for target in "$@"; do targets+=(--target "$target"); done
  if [ -t 1 ]; then
    NINJA_STATUS='[%f/%t] ' cmake --build --preset "$preset" -j "$(jobs)" "${targets[@]}" || die "the build failed"
  else
    quietly "building build/$preset with $(jobs) jobs" cmake --build --preset "$preset" -j "$(jobs)" "${targets[@]}"
  fi
}
