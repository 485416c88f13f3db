# SPDX-License-Identifier: Apache-2.0
# Configures and builds a preset, and packs the data of the example. Source it after common.sh.

# build PRESET [TARGET…]
build() {
  local preset=$1 folder stamp targets=() target
  shift
  folder=$root/build/$preset
  # CMake configures again if its own files change, but not if presets, versions or the checkout's
  # path do.
  stamp=$({ echo "$root"; cat CMakePresets.json "$versions"; } | cksum)
  if [ ! -f "$folder/build.ninja" ] || [ "$(cat "$folder/configured" 2>/dev/null)" != "$stamp" ]; then
    if [ -f "$folder/CMakeCache.txt" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$folder/CMakeCache.txt"; then
      rm -rf "$folder"
    fi
    quietly "configuring build/$preset" cmake --preset "$preset"
    echo "$stamp" >"$folder/configured"
  fi
  for target in "$@"; do targets+=(--target "$target"); done
  if [ -t 1 ]; then
    NINJA_STATUS='[%f/%t] ' cmake --build --preset "$preset" -j "$(jobs)" "${targets[@]}" || die "the build failed"
  else
    quietly "building build/$preset with $(jobs) jobs" cmake --build --preset "$preset" -j "$(jobs)" "${targets[@]}"
  fi
}

# pack_fashion_mnist EBB: packs the distribution's Fashion-MNIST into data/. Does nothing if it is
# there.
pack_fashion_mnist() {
  local source=/usr/share/datasets/fashion-mnist split prefix
  for split in train test; do
    prefix=$([ $split = test ] && echo t10k || echo train)
    "./$1" data pack "$source/$prefix-images-idx3-ubyte.gz" --labels "$source/$prefix-labels-idx1-ubyte.gz" \
      -o data/fashion-mnist/$split
  done
}
