# SPDX-License-Identifier: Apache-2.0
# Installs distribution packages. Source it after common.sh.
packages_fetch_mb=150
packages_disk_mb=800
checks_fetch_mb=70
checks_disk_mb=400

# install_packages NAME…: none of the packages starts a service. sudo runs only apt-get, and only if
# not root.
install_packages() {
  local as_root=() apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -o DPkg::Lock::Timeout=600
                        -o Acquire::Retries=3)
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die "packages are missing, and so is sudo. As root: apt-get install -y --no-install-recommends $*"
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n)  # without a terminal, sudo would wait for a password for ever
    "${as_root[@]}" apt-get --version >/dev/null ||
      die "sudo refused. As root: apt-get install -y --no-install-recommends $*"
  fi
  quietly "list of packages" "${as_root[@]}" "${apt[@]}" update
  quietly "packages" "${as_root[@]}" "${apt[@]}" install -y --no-install-recommends "$@"
}
