{{- define "ebb.checkVolumes" -}}
{{- $v := .Values -}}
{{- range $name := list "data" "checkpoints" -}}
{{- $places := include "ebb.places" (get $v $name) | splitList " " -}}
{{- if gt (len $places) 1 -}}
{{- fail (printf "%s has more than one source (%s). Set only one of existingClaim, claim.size, hostPath, ephemeral.size and emptyDir" $name (join ", " $places)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.data.existingClaim (eq $v.data.existingClaim $v.checkpoints.existingClaim) -}}
{{- fail (printf "data.existingClaim and checkpoints.existingClaim are both %s. Kubernetes cannot mount a claim read-only and writable in one pod. Use two claims" $v.data.existingClaim) -}}
{{- end -}}
{{- $place := include "ebb.places" $v.checkpoints -}}
{{- if not $place -}}
{{- fail "checkpoints has no source. Set checkpoints.claim.size (such as 100Gi) or checkpoints.existingClaim. With checkpoints.emptyDir=true, Kubernetes deletes the checkpoints with the pod" -}}
{{- end -}}
{{- $several := and (eq $v.mode "mpijob") (gt (int $v.workers) 1) -}}
{{- if has $place (list "emptyDir" "ephemeral.size") -}}
{{- if gt (int (include "ebb.backoffLimit" .)) 0 -}}
{{- fail (printf "checkpoints.%s: Kubernetes deletes the checkpoints with the pod. With job.backoffLimit=%d, the next pod would train from the beginning. Set job.backoffLimit=0, or use a claim for checkpoints" $place (int (include "ebb.backoffLimit" .))) -}}
{{- end -}}
{{- if and (eq $v.mode "mpijob") (gt (int64 $v.job.restarts) 0) -}}
{{- fail (printf "checkpoints.%s: Kubernetes deletes the checkpoints with the pod. With job.restarts=%d, the run would restart from the beginning in a new worker pod. Set job.restarts=0, or use a claim for checkpoints" $place (int64 $v.job.restarts)) -}}
{{- end -}}
{{- if $several -}}
{{- fail (printf "checkpoints.%s is a separate folder in each of %d workers, but all workers write a checkpoint to one folder. Use a claim for checkpoints, or set workers=1" $place (int $v.workers)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.mode "mpijob") (eq $place "claim.size") (not (has "ReadWriteMany" $v.checkpoints.claim.accessModes)) -}}
{{- fail (printf "checkpoints.claim.accessModes is %s, but %d pods mount this claim, possibly on different nodes (the launcher and workers=%d). Add ReadWriteMany, or train in one pod with mode=job. If all pods run on one node, use an existing claim (checkpoints.existingClaim). The chart does not check its access modes" (join ", " $v.checkpoints.claim.accessModes) (add1 (int $v.workers)) (int $v.workers)) -}}
{{- end -}}
{{- $folder := include "ebb.runFolder" . -}}
{{- $there := clean $v.checkpoints.mountPath -}}
{{- if not (hasPrefix (printf "%s/" $there) (printf "%s/" $folder)) -}}
{{- fail (printf "the run folder would be %s, but this folder is not on the checkpoint volume (checkpoints.mountPath=%s). Kubernetes would delete its checkpoints with the pod. Remove run.dir from overrides, or keep it below %s. Do not set run.name to an absolute path" $folder $v.checkpoints.mountPath $there) -}}
{{- end -}}
{{- $readers := 0 -}}
{{- range $name := include "ebb.roles" . | splitList " " -}}
{{- if include "ebb.hasData" (dict "root" $ "name" $name) -}}{{- $readers = add $readers (ternary 1 (int $v.workers) (eq $name "launcher")) -}}{{- end -}}
{{- end -}}
{{- $own := include "ebb.places" $v.data -}}
{{- if and (eq $v.mode "mpijob") (has $own (list "emptyDir" "ephemeral.size")) (include "ebb.hasData" (dict "root" $ "name" "launcher")) (not $v.launcher.initContainers) -}}
{{- fail (printf "data.%s is a separate folder in each pod. The launcher reads the tokenizer of the run from its own folder, which is empty. Fill it with launcher.initContainers, or use a claim for data" $own) -}}
{{- end -}}
{{- $modes := $v.data.claim.accessModes -}}
{{- if and $v.data.claim.size (gt $readers 1) (not (or (has "ReadWriteMany" $modes) (has "ReadOnlyMany" $modes))) -}}
{{- fail (printf "data.claim.accessModes is %s, but %d pods read this claim, possibly on different nodes. Add ReadWriteMany or ReadOnlyMany. If all pods run on one node, use an existing claim (data.existingClaim). The chart does not check its access modes" (join ", " $modes) $readers) -}}
{{- end -}}
{{- if and $v.security.restricted (or $v.data.hostPath $v.checkpoints.hostPath) -}}
{{- fail "the Pod Security Standard `restricted` does not allow a host path. Set security.restricted=false (the namespace needs the level `privileged`), or use a claim" -}}
{{- end -}}
{{- if $v.checkpointBytes -}}
{{- $needed := add 60 (div (int64 $v.checkpointBytes) (int64 $v.checkpointBytesPerSecond)) -}}
{{- if lt (int64 $v.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds=%d is too short. A checkpoint of %d bytes at %d bytes per second and a step take %d seconds together. Set terminationGracePeriodSeconds to at least this number" (int64 $v.terminationGracePeriodSeconds) (int64 $v.checkpointBytes) (int64 $v.checkpointBytesPerSecond) $needed) -}}
{{- end -}}
{{- end -}}
{{- $taken := list "/config" "/tmp" "/dev/shm" "/home/mpiuser/.ssh" "/etc/mpi" -}}
{{- $mounts := list (dict "of" "checkpoints.mountPath" "path" $v.checkpoints.mountPath) -}}
{{- if include "ebb.places" $v.data -}}{{- $mounts = append $mounts (dict "of" "data.mountPath" "path" $v.data.mountPath) -}}{{- end -}}
{{- range $v.secrets -}}{{- $mounts = append $mounts (dict "of" (printf "the mountPath of the secret %s" .name) "path" .mountPath) -}}{{- end -}}
{{- range $mount := $mounts -}}
{{- include "ebb.checkMountPath" (merge (dict "data" (ternary $v.data nil (not (empty (include "ebb.places" $v.data))))) $mount) -}}
{{- if has (trimSuffix "/" $mount.path) $taken -}}
{{- fail (printf "%s is %s, but another volume uses this path. Use another path" $mount.of $mount.path) -}}
{{- end -}}
{{- $taken = append $taken (trimSuffix "/" $mount.path) -}}
{{- end -}}
{{- end -}}

{{/* Refuses a mount that hides the program, its key or folders of the system, or that Kubernetes cannot
     make. Arguments: of, path, data (the values of the data volume of the pod; nil: it has none). */}}
{{- define "ebb.checkMountPath" -}}
{{- $path := clean .path -}}
{{- if and .data (ne (toString (default dict .data).readOnly) "false") (hasPrefix (printf "%s/" (clean (default dict .data).mountPath)) $path) -}}
{{- fail (printf "%s is %s, a folder of data.mountPath=%s. Kubernetes cannot mount there, because the data volume is read-only. Use another path, or set data.readOnly=false" .of .path .data.mountPath) -}}
{{- end -}}
{{- if not (hasPrefix "/" $path) -}}
{{- fail (printf "%s is %s. It must be an absolute path, such as /data" .of .path) -}}
{{- end -}}
{{- range list "/bin" "/sbin" "/lib" "/lib64" "/usr/bin" "/usr/sbin" "/usr/lib" "/usr/local/bin" "/usr/local/lib" "/usr/share" "/usr/local/share" "/etc/ebb" "/etc/ssh" "/etc/openmpi" "/opt/ebb/lib" "/home/mpiuser" "/run/sshd" -}}
{{- if or (eq $path .) (eq $path "/") (hasPrefix (printf "%s/" $path) .) -}}
{{- fail (printf "%s is %s. This would hide %s of the image, which the program needs. Use another path, such as /data" $.of $.path .) -}}
{{- end -}}
{{- end -}}
{{- range list "/proc" "/sys" "/dev/shm" "/dev/mqueue" "/dev/pts" "/dev/termination-log" -}}
{{- if or (eq $path .) (eq $path (dir .)) (hasPrefix (printf "%s/" .) $path) -}}
{{- fail (printf "%s is %s. %s belongs to the system. Use another path, such as /data" $.of $.path .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
