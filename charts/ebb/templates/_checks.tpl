{{/* What the schema cannot say. Each refusal names the values and what to do. */}}
{{- define "ebb.check" -}}
{{- $v := .Values -}}
{{- if not (trim $v.config) -}}
{{- fail "config is empty: give the run's configuration, such as --set-file config=configs/vae-fashion-mnist.yaml" -}}
{{- end -}}
{{- $config := fromYaml $v.config -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "config is no YAML: %s" (get $config "Error")) -}}
{{- end -}}
{{- $ranks := int (include "ebb.ranks" .) -}}
{{- /* What the run will see: the file, and overrides over it. */ -}}
{{- $data := default dict $config.data -}}
{{- $parallel := default dict $config.parallel -}}
{{- $seen := dict "data.batch" ($data.batch | default 0) "data.micro_batches" ($data.micro_batches | default 1) "parallel.ranks" ($parallel.ranks | default 0) -}}
{{- range $v.overrides -}}
{{- $key := first (splitList "=" .) -}}
{{- if hasKey $seen $key -}}{{- $_ := set $seen $key (trimPrefix (printf "%s=" $key) .) -}}{{- end -}}
{{- end -}}
{{- $batch := int (get $seen "data.batch") -}}
{{- $parts := int (mul (max 1 (int (get $seen "data.micro_batches"))) $ranks) -}}
{{- if and $batch (mod $batch $parts) -}}
{{- fail (printf "data.batch of the run is %d, which %d workers x %d slots (x micro-batches: %d parts) cannot share: change workers, slotsPerWorker or data.batch" $batch (int $v.workers) (int $v.slotsPerWorker) $parts) -}}
{{- end -}}
{{- $expected := int (get $seen "parallel.ranks") -}}
{{- if and $expected (ne $expected $ranks) -}}
{{- fail (printf "parallel.ranks of the run is %d, and %d workers x %d slots are %d: make them the same, or leave parallel.ranks out" $expected (int $v.workers) (int $v.slotsPerWorker) $ranks) -}}
{{- end -}}
{{- if and (eq $v.mode "job") (gt (int $v.workers) 1) -}}
{{- fail (printf "mode job is one pod, and workers is %d: set workers=1 and slotsPerWorker to the ranks, or mode=mpijob" (int $v.workers)) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "ebb.jobName" .)) -}}
{{- fail (printf "%s cannot be the name of a job: release names begin with a letter and hold letters, digits and -" (include "ebb.jobName" .)) -}}
{{- end -}}
{{- if gt (int (include "ebb.uses" $v.checkpoints)) 1 -}}
{{- fail "checkpoints are given more than one place: keep one of existingClaim, claim.size, hostPath and emptyDir" -}}
{{- end -}}
{{- if eq (int (include "ebb.uses" $v.checkpoints)) 0 -}}
{{- fail "checkpoints have no place: set checkpoints.claim.size (such as 100Gi), checkpoints.existingClaim, or checkpoints.emptyDir=true to lose them with the pod" -}}
{{- end -}}
{{- if and $v.checkpoints.emptyDir (eq $v.mode "mpijob") (gt (int $v.workers) 1) -}}
{{- fail (printf "checkpoints.emptyDir is another folder in each of %d workers, and a checkpoint is written by all of them into one: give checkpoints a volume, or set workers=1" (int $v.workers)) -}}
{{- end -}}
{{- if and (eq $v.mode "mpijob") (gt (int $v.workers) 1) $v.checkpoints.claim.size (not (has "ReadWriteMany" $v.checkpoints.claim.accessModes)) -}}
{{- fail (printf "checkpoints.claim.accessModes is %s, and %d workers write there: it has to hold ReadWriteMany" (join ", " $v.checkpoints.claim.accessModes) (int $v.workers)) -}}
{{- end -}}
{{- if and $v.checkpoints.emptyDir (gt (int $v.job.backoffLimit) 0) -}}
{{- fail (printf "checkpoints.emptyDir loses them with the pod, and job.backoffLimit=%d starts another one, which would begin anew: set job.backoffLimit=0, or give checkpoints a volume" (int $v.job.backoffLimit)) -}}
{{- end -}}
{{- if gt (int (include "ebb.uses" (set (deepCopy $v.data) "emptyDir" false))) 1 -}}
{{- fail "data is given more than one place: keep one of existingClaim, claim.size and hostPath" -}}
{{- end -}}
{{- if and $v.security.restricted (or $v.data.hostPath $v.checkpoints.hostPath) -}}
{{- fail "a host path is not allowed by the Pod Security Standard `restricted`: set security.restricted=false (the namespace needs the level `privileged`), or use a claim" -}}
{{- end -}}
{{- if $v.checkpointBytes -}}
{{- $needed := add 60 (div (int64 $v.checkpointBytes) (int64 $v.checkpointBytesPerSecond)) -}}
{{- if lt (int64 $v.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds=%d is too short: %d bytes at %d a second, and a step, take %d seconds" (int64 $v.terminationGracePeriodSeconds) (int64 $v.checkpointBytes) (int64 $v.checkpointBytesPerSecond) $needed) -}}
{{- end -}}
{{- end -}}
{{- range $role := list "launcher" "worker" -}}
{{- range $name := list "config" "tmp" "shm" "data" "checkpoints" -}}
{{- range $volume := (get $v $role).extraVolumes -}}
{{- if eq $volume.name $name -}}
{{- fail (printf "%s.extraVolumes holds a volume called %s, which the chart has already: give it another name" $role $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
