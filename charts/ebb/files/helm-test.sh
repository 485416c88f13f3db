#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `helm test` runs this as user 1000 in a pod of the release. It checks that workers are found and reached, that all have one
# version, and that checkpoints can be written. Code 0: all is well, or the run is over and its workers are gone.
#   EBB_JOB, EBB_WORKERS (0: mode job), EBB_HOSTS (a printf format of a worker's name), EBB_PORT, EBB_WAIT (seconds)
#   EBB_CHECKPOINTS (path), EBB_VOLUME (how it is given; empty: not mounted here), EBB_RUN (the run's folder), EBB_STEPS
set -uo pipefail
failed=0
bad() { echo "FAILED  $*"; failed=1; }
good() { echo "ok      $*"; }
remote() { ssh -n -p "$EBB_PORT" -o BatchMode=yes -o ConnectTimeout=10 "$@"; }
address() { getent ahosts "$1" | awk 'NR == 1 { print $1 }'; }

# Succeeds if the run's results cover all its steps.
finished() {
  local steps
  [ -n "$EBB_VOLUME" ] && steps=$(sed -n 's/.*"steps": *\([0-9]*\).*/\1/p' "$EBB_RUN/results.json" 2>/dev/null | head -n 1) &&
    [ -n "$steps" ] && [ "$steps" -ge "$EBB_STEPS" ]
}

# writable WHERE COMMAND…: COMMAND runs a line of shell, here or on a worker.
writable() {
  local where=$1 file=$EBB_CHECKPOINTS/.helm-test-$RANDOM$RANDOM said
  shift
  if said=$("$@" "echo x >'$file' && rm '$file'" 2>&1); then
    good "$where: $EBB_CHECKPOINTS can be written"
  else
    bad "$where: $EBB_CHECKPOINTS cannot be written by user $(id -u): $said. Set its group to 1000, or make its folder writable by user 1000"
  fi
}

done_with() {
  if [ $failed = 0 ]; then echo "$1"; else echo "$EBB_JOB: a check failed; see FAILED above"; fi
  exit $failed
}

if ! mine=$(ebb --version 2>&1); then
  bad "ebb does not start in this image: $mine"
  done_with ""
fi
echo "$mine"
[ -z "$EBB_VOLUME" ] || writable "this pod" bash -c
[ -n "$EBB_VOLUME" ] || echo "        only pods that train mount the checkpoint volume, so it is not tested from here"

if [ "$EBB_WORKERS" = 0 ]; then
  if finished; then done_with "$EBB_JOB has finished: $EBB_RUN/results.json covers $EBB_STEPS steps."; fi
  done_with "$EBB_JOB is one pod (mode job): there are no workers to reach."
fi

hosts=() missing=()
# The chart provides the format of the names.
# shellcheck disable=SC2059
for ((i = 0; i < EBB_WORKERS; ++i)); do hosts+=("$(printf "$EBB_HOSTS" "$i")"); done
end=$((SECONDS + EBB_WAIT))
while :; do
  missing=()
  for host in "${hosts[@]}"; do [ -n "$(address "$host")" ] || missing+=("$host"); done
  if [ ${#missing[@]} = 0 ] || [ $SECONDS -ge $end ]; then break; fi
  if [ ${#missing[@]} = "$EBB_WORKERS" ] && finished; then break; fi
  sleep 2
done

if [ ${#missing[@]} = "$EBB_WORKERS" ] && finished; then
  done_with "$EBB_JOB has finished: $EBB_RUN/results.json covers $EBB_STEPS steps, and its workers are gone. Nothing is left to check."
fi
for host in "${missing[@]}"; do bad "$host: no such name in DNS after $EBB_WAIT s"; done
if [ ${#missing[@]} = "$EBB_WORKERS" ]; then
  if [ -n "$EBB_VOLUME" ]; then
    echo "        The run has not finished: no $EBB_RUN/results.json covers $EBB_STEPS steps."
  else
    echo "        This pod cannot see whether the run has finished."
  fi
  echo "        The job waits (suspended, queued, no room), or it has ended and its workers were removed:"
  echo "        kubectl describe mpijob $EBB_JOB"
  done_with ""
fi

for host in "${hosts[@]}"; do
  [[ " ${missing[*]} " != *" $host "* ]] || continue
  if ! theirs=$(remote "$host" ebb --version 2>&1); then
    bad "$host ($(address "$host")): ssh on port $EBB_PORT: $theirs"
  elif [ "$theirs" != "$mine" ]; then
    bad "$host ($(address "$host")): a different version from this pod's: ${theirs//$'\n'/, }"
  else
    good "$host ($(address "$host")): reached by ssh, the same version"
    writable "$host" remote "$host"
  fi
done
done_with "$EBB_JOB: $EBB_WORKERS workers are found and reached, with one version, and checkpoints can be written."
