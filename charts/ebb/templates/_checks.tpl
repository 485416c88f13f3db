{{/* Checks that the schema cannot express. Each message names the values and the remedy. */}}
{{- define "ebb.check" -}}
{{- include "ebb.checkConfig" . -}}
{{- include "ebb.checkNames" . -}}
{{- include "ebb.checkVolumes" . -}}
{{- include "ebb.checkPods" . -}}
{{- include "ebb.checkMetrics" . -}}
{{- end -}}

{{/* Checks the configuration against the ranks and the container. */}}
{{- define "ebb.checkConfig" -}}
{{- $v := .Values -}}
{{- if not (kindIs "string" $v.config) -}}
{{- fail (printf "config is a %s. It must be the complete configuration as one string, such as --set-file config=configs/vae-fashion-mnist.yaml" (kindOf $v.config)) -}}
{{- end -}}
{{- if not (trim $v.config) -}}
{{- fail "config is empty. Set it to the configuration of the run, such as --set-file config=configs/vae-fashion-mnist.yaml" -}}
{{- end -}}
{{- include "ebb.checkText" $v.config -}}
{{- $config := fromYaml $v.config -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "config is not valid YAML: %s" (get $config "Error")) -}}
{{- end -}}
{{- $seen := dict -}}
{{- range $key := list "data.batch" "data.micro_batches" "parallel.ranks" -}}
{{- $_ := set $seen $key (include "ebb.setting" (dict "root" $ "config" $config "key" $key)) -}}
{{- end -}}
{{- $ranks := int (include "ebb.ranks" .) -}}
{{- $own := get (fromYaml (include "ebb.ownDefaults" .)) "data.batch" -}}
{{- /* The chart cannot check a value from the pod's environment (${NAME}). */ -}}
{{- $batch := int (default $own (get $seen "data.batch")) -}}
{{- $parts := int (mul (max 1 (int (get $seen "data.micro_batches"))) $ranks) -}}
{{- if and $batch (mod $batch $parts) -}}
{{- fail (printf "data.batch of the run is %d%s. For %d workers x %d slots (x micro-batches), it must be a multiple of %d. Change workers, slotsPerWorker or data.batch" $batch (ternary " (the default)" "" (empty (get $seen "data.batch"))) (int $v.workers) (int $v.slotsPerWorker) $parts) -}}
{{- end -}}
{{- $expected := int (get $seen "parallel.ranks") -}}
{{- if and $expected (ne $expected $ranks) -}}
{{- fail (printf "parallel.ranks of the run is %d, but %d workers x %d slots are %d ranks. Set both to the same number, or remove parallel.ranks" $expected (int $v.workers) (int $v.slotsPerWorker) $ranks) -}}
{{- end -}}
{{- $given := dig "limits" "memory" "" $v.worker.resources -}}
{{- $limit := include "ebb.bytes" $given -}}
{{- $given = ternary $given $limit (kindIs "string" $given) -}}
{{- $shm := include "ebb.bytes" $v.shm.size -}}
{{- if and $limit (gt (int64 $shm) (int64 $limit)) -}}
{{- fail (printf "shm.size=%s exceeds worker.resources.limits.memory=%v. /dev/shm counts against this limit. Lower shm.size, or raise the limit" $v.shm.size $given) -}}
{{- end -}}
{{- end -}}

{{- define "ebb.checkNames" -}}
{{- $v := .Values -}}
{{- $own := merge (fromYaml (include "ebb.labels" .)) (dict "kueue.x-k8s.io/queue-name" "" "kueue.x-k8s.io/priority-class" "") -}}
{{- range $key, $_ := $v.job.labels -}}
{{- if hasKey $own $key -}}
{{- fail (printf "job.labels contains %s, but the chart sets this label%s. Remove it" $key (ternary " (kueue.queueName, kueue.priorityClass)" "" (hasPrefix "kueue." $key))) -}}
{{- end -}}
{{- end -}}
{{- if hasKey (default dict $v.job.annotations) "ebb/attempt" -}}
{{- fail "job.annotations contains ebb/attempt, but the chart sets this annotation (job.attempt). Remove it" -}}
{{- end -}}
{{- $job := include "ebb.jobName" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $job) -}}
{{- fail (printf "%s is not a valid name of a job. Use a release name that begins with a lower-case letter and has only lower-case letters, digits and hyphens, or set fullnameOverride" $job) -}}
{{- end -}}
{{- if and (eq $v.mode "job") (gt (int $v.workers) 1) -}}
{{- fail (printf "mode=job creates one pod, but workers=%d. Set workers=1 and slotsPerWorker to the number of ranks, or set mode=mpijob" (int $v.workers)) -}}
{{- end -}}
{{- /* The name of a pod is one of its labels. A label has at most 63 characters. */ -}}
{{- $longest := ternary (printf "%s-worker-%d" $job (sub (int $v.workers) 1)) $job (eq $v.mode "mpijob") -}}
{{- if gt (len $longest) 63 -}}
{{- fail (printf "the name %s is too long. It has %d characters, but Kubernetes allows 63. Set fullnameOverride to at most %d characters, or use a shorter release name" $longest (len $longest) (sub (len (include "ebb.fullname" .)) (sub (len $longest) 63))) -}}
{{- end -}}
{{- end -}}

{{- define "ebb.checkMetrics" -}}
{{- $v := .Values -}}
{{- if $v.metrics.enabled -}}
{{- if eq (int $v.metrics.port) 2222 -}}
{{- fail "metrics.port=2222 is the port of sshd in every worker. Use another port, such as 9400" -}}
{{- end -}}
{{- range $v.overrides -}}
{{- if hasPrefix "telemetry.port=" . -}}
{{- fail (printf "overrides contains %s, but the chart sets telemetry.port from metrics.port. Set metrics.port instead" .) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $port := include "ebb.setting" (dict "root" . "config" (fromYaml $v.config) "key" "telemetry.port") -}}
{{- if eq $port "2222" -}}
{{- fail "telemetry.port of the run is 2222, the port of sshd in every worker. Set metrics.enabled=true and metrics.port (default 9400), or telemetry.port=0 in overrides" -}}
{{- else if not (has $port (list "" "0")) -}}
{{- fail (printf "telemetry.port of the run is %s, but metrics.enabled=false. No pod declares this port, and the network policy blocks it. Set metrics.enabled=true and metrics.port (default 9400), or telemetry.port=0 in overrides" $port) -}}
{{- end -}}
{{- range $part := list "podMonitor" "prometheusRule" "dashboard" -}}
{{- if (get $v.metrics $part).enabled -}}
{{- fail (printf "metrics.%s.enabled is set, but no rank serves metrics. Set metrics.enabled=true" $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
