{{- define "ebb.checkVolumes" -}}
{{- $v := .Values -}}
{{- range $name := list "data" "checkpoints" -}}
{{- $places := include "ebb.places" (get $v $name) | splitList " " -}}
{{- if gt (len $places) 1 -}}
{{- fail (printf "%s has more than one source (%s): keep one of existingClaim, claim.size, hostPath, ephemeral.size and emptyDir" $name (join ", " $places)) -}}
{{- end -}}
{{- end -}}
{{- $place := include "ebb.places" $v.checkpoints -}}
{{- if not $place -}}
{{- fail "checkpoints has no source: set checkpoints.claim.size (such as 100Gi), checkpoints.existingClaim, or checkpoints.emptyDir=true to lose them with the pod" -}}
{{- end -}}
{{- $several := and (eq $v.mode "mpijob") (gt (int $v.workers) 1) -}}
{{- if has $place (list "emptyDir" "ephemeral.size") -}}
{{- if gt (int $v.job.backoffLimit) 0 -}}
{{- fail (printf "checkpoints.%s loses checkpoints with the pod, and job.backoffLimit=%d starts another pod, which would begin anew: set job.backoffLimit=0, or give checkpoints a claim" $place (int $v.job.backoffLimit)) -}}
{{- end -}}
{{- if and (eq $v.mode "mpijob") (gt (int64 $v.job.restarts) 0) -}}
{{- fail (printf "checkpoints.%s loses checkpoints with the pod, and job.restarts=%d would restart the run from the beginning in a new worker's pod: set job.restarts=0, or give checkpoints a claim" $place (int64 $v.job.restarts)) -}}
{{- end -}}
{{- if $several -}}
{{- fail (printf "checkpoints.%s is a separate folder in each of %d workers, but all of them write a checkpoint into one folder: give checkpoints a claim, or set workers=1" $place (int $v.workers)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.mode "mpijob") (eq $place "claim.size") (not (has "ReadWriteMany" $v.checkpoints.claim.accessModes)) -}}
{{- fail (printf "checkpoints.claim.accessModes is %s, but %d pods mount that claim, maybe on as many nodes (the launcher and workers=%d): add ReadWriteMany, or train in one pod with mode=job. If one node runs all the pods, use a claim made beforehand (checkpoints.existingClaim), which is not checked" (join ", " $v.checkpoints.claim.accessModes) (add1 (int $v.workers)) (int $v.workers)) -}}
{{- end -}}
{{- $folder := include "ebb.runFolder" . -}}
{{- $there := clean $v.checkpoints.mountPath -}}
{{- if not (hasPrefix (printf "%s/" $there) (printf "%s/" $folder)) -}}
{{- fail (printf "the run's folder would be %s, which is not on the checkpoint volume (checkpoints.mountPath=%s), so its checkpoints would go with the pod: leave run.dir out of overrides or keep it below %s, and give run.name no path of its own" $folder $v.checkpoints.mountPath $there) -}}
{{- end -}}
{{- $readers := 0 -}}
{{- range $name := include "ebb.roles" . | splitList " " -}}
{{- if include "ebb.hasData" (dict "root" $ "name" $name) -}}{{- $readers = add $readers (ternary 1 (int $v.workers) (eq $name "launcher")) -}}{{- end -}}
{{- end -}}
{{- $own := include "ebb.places" $v.data -}}
{{- if and (eq $v.mode "mpijob") (has $own (list "emptyDir" "ephemeral.size")) (include "ebb.hasData" (dict "root" $ "name" "launcher")) (not $v.launcher.initContainers) -}}
{{- fail (printf "data.%s is a separate folder of each pod, and the launcher looks for the tokenizer of the run in its own, which is empty: fill it by launcher.initContainers, or give data a claim" $own) -}}
{{- end -}}
{{- $modes := $v.data.claim.accessModes -}}
{{- if and $v.data.claim.size (gt $readers 1) (not (or (has "ReadWriteMany" $modes) (has "ReadOnlyMany" $modes))) -}}
{{- fail (printf "data.claim.accessModes is %s, but %d pods read that claim, maybe on as many nodes: add ReadWriteMany or ReadOnlyMany. If one node runs all the pods, use a claim made beforehand (data.existingClaim), which is not checked" (join ", " $modes) $readers) -}}
{{- end -}}
{{- if and $v.security.restricted (or $v.data.hostPath $v.checkpoints.hostPath) -}}
{{- fail "a host path is not allowed by the Pod Security Standard `restricted`: set security.restricted=false (the namespace needs the level `privileged`), or use a claim" -}}
{{- end -}}
{{- if $v.checkpointBytes -}}
{{- $needed := add 60 (div (int64 $v.checkpointBytes) (int64 $v.checkpointBytesPerSecond)) -}}
{{- if lt (int64 $v.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds=%d is too short: %d bytes at %d a second, and a step, take %d seconds: set it to at least that" (int64 $v.terminationGracePeriodSeconds) (int64 $v.checkpointBytes) (int64 $v.checkpointBytesPerSecond) $needed) -}}
{{- end -}}
{{- end -}}
{{- $taken := list "/config" "/tmp" "/dev/shm" "/home/mpiuser/.ssh" "/etc/mpi" -}}
{{- $mounts := list (dict "of" "checkpoints.mountPath" "path" $v.checkpoints.mountPath) -}}
{{- if include "ebb.places" $v.data -}}{{- $mounts = append $mounts (dict "of" "data.mountPath" "path" $v.data.mountPath) -}}{{- end -}}
{{- range $v.secrets -}}{{- $mounts = append $mounts (dict "of" (printf "the mountPath of the secret %s" .name) "path" .mountPath) -}}{{- end -}}
{{- range $mount := $mounts -}}
{{- if has (trimSuffix "/" $mount.path) $taken -}}
{{- fail (printf "%s is %s, where something else is mounted already: use another path" $mount.of $mount.path) -}}
{{- end -}}
{{- $taken = append $taken (trimSuffix "/" $mount.path) -}}
{{- end -}}
{{- end -}}
