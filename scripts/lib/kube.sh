# SPDX-License-Identifier: Apache-2.0
# Builds a Kubernetes control plane for the rehearsal of the chart: programs in .deps/bin, all else
# in .deps/kube. Source it after common.sh, go.sh and unpacked.sh. Modules and compiled packages
# stay in Go's own caches, so another checkout or version builds only what changed.

kube_disk_mb=5000
kube_recipe=1  # a new number builds the same versions again
# One stamp file describes the programs, and one the tree of the image.
kube_wanted() { { listed kube older deb; echo $kube_recipe; } | cksum | tr ' ' '-'; }
kube_programs_ready() { [ "$(cat "$deps/kube/version" 2>/dev/null)" = "$(kube_wanted)" ]; }
kube_root_wanted() { cat "$root"/docker/{install-runtime,sshd_config,ssh_config,ebb-stop,ebb-launcher,ebb-worker,ebb-ready,ebb-user} | cksum | tr ' ' '-'; }
# Namespaces for pods and debootstrap need root. Elsewhere the rehearsal is skipped with a reason.
kube_possible() {
  [ "$(id -u)" = 0 ] && [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ] && unshare --mount --net --pid --fork true 2>/dev/null
}
kube_root_ready() { [ "$(cat "$deps/kube/root.version" 2>/dev/null)" = "$(kube_root_wanted)" ]; }
kube_ready() { kube_programs_ready && kube_root_ready; }
# kube_module MODULE [KIND]: MODULE@VERSION
kube_module() { listed "${2:-kube}" | awk -v name="$1" 'index($1, name "@") == 1 { print $1 }'; }

# kube_source MODULE TO [KIND]: a writable copy of a module's source.
kube_source() {
  local found
  found=$("$go" mod download -json "$(kube_module "$1" "${3:-kube}")" | awk -F '"' '$2 == "Dir" { print $4 }')
  [ -n "$found" ] || die "the Go module $1 could not be fetched"
  rm -rf "$2"
  cp -r "$found" "$2"
  chmod -R u+w "$2"
}

# kube_build FOLDER PACKAGE…: builds programs into .deps/bin, all at once, so one links while others
# compile.
kube_build() (
  cd "$1" || exit
  shift
  nice -n 15 "$go" build -trimpath "$go_compile_flags" "-ldflags=-s -w ${kube_ldflags:-}" -o "$deps/bin/" "$@"
)

# The repository of Kubernetes contains its parts as folders. Its module lacks them, so take them as
# modules.
kube_control_plane() {
  local tree=$work/kubernetes version
  kube_source k8s.io/kubernetes "$tree"
  version=$(kube_module k8s.io/kubernetes)
  version=${version#*@v1.}
  sed -i -E "s#=> \./staging/src/(k8s\.io/[a-z0-9-]+)#=> \1 v0.$version#" "$tree/go.mod"
  rm -f "$tree/go.work" "$tree/go.work.sum"
  # Without a version number the server reports v0.0.0, and helm refuses it as too old.
  kube_ldflags="-X k8s.io/component-base/version.gitVersion=v1.$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${version%%.*}" \
    kube_build "$tree" ./cmd/kube-apiserver ./cmd/kube-controller-manager
  rm -rf "$tree"
}

kube_operator() {
  kube_source github.com/kubeflow/mpi-operator "$work/operator"
  kube_build "$work/operator" ./cmd/mpi-operator
  cp "$work/operator/manifests/base/kubeflow.org_mpijobs.yaml" "$deps/kube/crds/"
  mv "$deps/bin/mpi-operator" "$deps/bin/mpi-operator.new"
  kube_source github.com/kubeflow/mpi-operator "$work/older" older
  kube_build "$work/older" ./cmd/mpi-operator
  mv "$deps/bin/mpi-operator" "$deps/bin/mpi-operator-older"
  mv "$deps/bin/mpi-operator.new" "$deps/bin/mpi-operator"
}

kube_monitoring() {
  kube_source github.com/prometheus-operator/prometheus-operator "$work/monitoring"
  cp "$work"/monitoring/example/prometheus-operator-crd/*_{podmonitors,prometheusrules}.yaml "$deps/kube/crds/"
}

# The distribution's package would start a daemon, so it is unpacked and not installed.
kube_etcd() {
  unpack_one etcd-server
  install -m 755 "$deps/unpacked/etcd-server/usr/bin/etcd" "$deps/bin/etcd"
}

# Makes the tree of the image without a container: runs the image's scripts in a bare Debian.
kube_root() (
  tree=$deps/kube/root
  rm -rf "$deps/kube/root.version" "$tree"
  debootstrap --variant=minbase bookworm "$tree"
  # Packages must not start services in there.
  printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
  chmod 755 "$tree/usr/sbin/policy-rc.d"
  mkdir -p "$tree/usr/local/share/ebb"
  cp -r "$root/docker" "$tree/usr/local/share/ebb/docker"
  unshare --mount --propagation private sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" /usr/local/share/ebb/docker/install-runtime' sh "$tree"
  rm "$tree/usr/sbin/policy-rc.d"
  kube_root_wanted >"$deps/kube/root.version"
)

install_kube() {
  kube_programs_ready || install_kube_programs
  kube_root_ready || quietly "the image's tree (debootstrap and docker/install-runtime; 2 minutes)" kube_root
}

install_kube_programs() {
  local go work=$deps/kube/work
  install_go
  go=$(go_program)
  rm -f "$deps/kube/version"
  rm -rf "$work"
  mkdir -p "$deps/bin" "$deps/kube/crds" "$work"
  # A larger heap avoids the compiler's garbage collection, which takes a quarter of the time.
  export GOFLAGS=-mod=mod GOWORK=off GOGC=400
  quietly "etcd" kube_etcd
  quietly "the MPI operator (from source; 2 minutes)" kube_operator
  quietly "kube-apiserver and kube-controller-manager (from source; 4 minutes)" kube_control_plane
  quietly "definitions of the monitoring operator" kube_monitoring
  unset GOFLAGS GOWORK GOGC
  rm -rf "$work"
  kube_wanted >"$deps/kube/version"
}
