#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `helm test` runs this script as user 1000 in a pod of the release. It checks the workers: their
# names in DNS, ssh, the version of ebb, and write access to the checkpoints.
# Exit code 0: all checks passed, or the run has finished and its workers are gone.
# Environment:
#   EBB_JOB, EBB_WORKERS (0: mode job), EBB_HOSTS (printf format of the worker names), EBB_PORT
#   EBB_WAIT (seconds), EBB_CHECKPOINTS (path), EBB_VOLUME (source; empty: not mounted here)
#   EBB_RUN (run folder), EBB_STEPS
set -uo pipefail
failed=0
bad() { echo "FAILED  $*"; failed=1; }
good() { echo "ok      $*"; }
remote() { ssh -n -p "$EBB_PORT" -o BatchMode=yes -o ConnectTimeout=10 "$@"; }
address() { getent ahosts "$1" | awk 'NR == 1 { print $1 }'; }

# Succeeds if the results of the run cover all its steps.
finished() {
  local steps
  [ -n "$EBB_VOLUME" ] && steps=$(sed -n 's/.*"steps": *\([0-9]*\).*/\1/p' "$EBB_RUN/results.json" 2>/dev/null | head -n 1) &&
    [ -n "$steps" ] && [ "$steps" -ge "$EBB_STEPS" ]
}

# writable WHERE COMMAND…: COMMAND runs a shell line in this pod or on a worker.
writable() {
  local where=$1 file=$EBB_CHECKPOINTS/.helm-test-$RANDOM$RANDOM said
  shift
  if said=$("$@" "echo x >'$file' && rm '$file'" 2>&1); then
    good "$where: $EBB_CHECKPOINTS is writable"
  else
    bad "$where: user $(id -u) cannot write to $EBB_CHECKPOINTS: $said. Set the group of the folder to 1000, or make it writable for user 1000"
  fi
}

done_with() {
  if [ $failed = 0 ]; then echo "$1"; else echo "$EBB_JOB: a check failed. See the FAILED lines above."; fi
  exit $failed
}

if ! mine=$(ebb --version 2>&1); then
  bad "ebb does not start in this image: $mine"
  done_with ""
fi
echo "$mine"
[ -z "$EBB_VOLUME" ] || writable "this pod" bash -c
[ -n "$EBB_VOLUME" ] || echo "        This pod cannot test the checkpoint volume. Only training pods mount it."

if [ "$EBB_WORKERS" = 0 ]; then
  if finished; then done_with "$EBB_JOB has finished: $EBB_RUN/results.json covers $EBB_STEPS steps."; fi
  done_with "$EBB_JOB is one pod (mode job). It has no workers to check."
fi

hosts=() missing=()
# The chart sets the format of the names.
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
  done_with "$EBB_JOB has finished: $EBB_RUN/results.json covers $EBB_STEPS steps. Its workers are gone, so there is nothing to check."
fi
for host in "${missing[@]}"; do bad "$host: no such name in DNS after $EBB_WAIT s"; done
if [ ${#missing[@]} = "$EBB_WORKERS" ]; then
  if [ -n "$EBB_VOLUME" ]; then
    echo "        The run has not finished: there is no $EBB_RUN/results.json for $EBB_STEPS steps."
  else
    echo "        This pod cannot check whether the run has finished."
  fi
  echo "        The job waits (suspended, queued or without resources), or it has ended. See:"
  echo "        kubectl describe mpijob $EBB_JOB"
  done_with ""
fi

for host in "${hosts[@]}"; do
  [[ " ${missing[*]} " != *" $host "* ]] || continue
  if ! theirs=$(remote "$host" ebb --version 2>&1); then
    bad "$host ($(address "$host")): ssh on port $EBB_PORT failed: $theirs"
  elif [ "$theirs" != "$mine" ]; then
    bad "$host ($(address "$host")): its version differs from the version in this pod: ${theirs//$'\n'/, }"
  else
    good "$host ($(address "$host")): answers by ssh with the same version"
    writable "$host" remote "$host"
  fi
done
done_with "$EBB_JOB: $EBB_WORKERS workers have the same version and answer by ssh. The checkpoint volume is writable."
