{{/* What the schema cannot say. Each refusal names the values and what to do. */}}
{{- define "ebb.check" -}}
{{- include "ebb.checkConfig" . -}}
{{- include "ebb.checkNames" . -}}
{{- include "ebb.checkVolumes" . -}}
{{- include "ebb.checkPods" . -}}
{{- include "ebb.checkMetrics" . -}}
{{- end -}}

{{/* The configuration, held against the ranks and the container that it gets. */}}
{{- define "ebb.checkConfig" -}}
{{- $v := .Values -}}
{{- if not (kindIs "string" $v.config) -}}
{{- fail (printf "config is a %s, and has to be the whole configuration as one string: --set-file config=configs/vae-fashion-mnist.yaml" (kindOf $v.config)) -}}
{{- end -}}
{{- if not (trim $v.config) -}}
{{- fail "config is empty: give the run's configuration, such as --set-file config=configs/vae-fashion-mnist.yaml" -}}
{{- end -}}
{{- $config := fromYaml $v.config -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "config is no YAML: %s" (get $config "Error")) -}}
{{- end -}}
{{- $seen := dict -}}
{{- range $key := list "data.batch" "data.micro_batches" "parallel.ranks" "memory.budget" -}}
{{- $_ := set $seen $key (include "ebb.setting" (dict "root" $ "config" $config "key" $key)) -}}
{{- end -}}
{{- $ranks := int (include "ebb.ranks" .) -}}
{{- $own := get (fromYaml (include "ebb.ownDefaults" .)) "data.batch" -}}
{{- /* One that the pod's environment tells (${NAME}) is no number here, and stays unchecked. */ -}}
{{- $batch := int (default $own (get $seen "data.batch")) -}}
{{- $parts := int (mul (max 1 (int (get $seen "data.micro_batches"))) $ranks) -}}
{{- if and $batch (mod $batch $parts) -}}
{{- fail (printf "data.batch of the run is %d%s, which %d workers x %d slots (x micro-batches: %d parts) cannot share: change workers, slotsPerWorker or data.batch" $batch (ternary " (where nothing says it)" "" (empty (get $seen "data.batch"))) (int $v.workers) (int $v.slotsPerWorker) $parts) -}}
{{- end -}}
{{- $expected := int (get $seen "parallel.ranks") -}}
{{- if and $expected (ne $expected $ranks) -}}
{{- fail (printf "parallel.ranks of the run is %d, and %d workers x %d slots are %d: make them the same, or leave parallel.ranks out" $expected (int $v.workers) (int $v.slotsPerWorker) $ranks) -}}
{{- end -}}
{{- $given := dig "limits" "memory" "" $v.worker.resources -}}
{{- $limit := include "ebb.bytes" $given -}}
{{- $given = ternary $given $limit (kindIs "string" $given) -}}
{{- $budget := include "ebb.bytes" (get $seen "memory.budget") -}}
{{- if and $limit $budget (not $v.gpu.count) (gt (mul (int64 $budget) (int64 $v.slotsPerWorker)) (int64 $limit)) -}}
{{- fail (printf "memory.budget of the run is %s (%s bytes) for each of slotsPerWorker=%d ranks, and worker.resources.limits.memory=%v (%s bytes) is less: the kernel would end the worker before the budget does. Lower memory.budget to %d bytes at most, or raise the limit" (get $seen "memory.budget") $budget (int $v.slotsPerWorker) $given $limit (div (int64 $limit) (int64 $v.slotsPerWorker))) -}}
{{- end -}}
{{- $shm := include "ebb.bytes" $v.shm.size -}}
{{- if and $limit (gt (int64 $shm) (int64 $limit)) -}}
{{- fail (printf "shm.size=%s counts against worker.resources.limits.memory=%v, which is less: lower the one or raise the other" $v.shm.size $given) -}}
{{- end -}}
{{- end -}}

{{- define "ebb.checkNames" -}}
{{- $v := .Values -}}
{{- $job := include "ebb.jobName" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $job) -}}
{{- fail (printf "%s cannot be the name of a job: release names begin with a letter and hold letters, digits and - (or set fullnameOverride)" $job) -}}
{{- end -}}
{{- if and (eq $v.mode "job") (gt (int $v.workers) 1) -}}
{{- fail (printf "mode job is one pod, and workers is %d: set workers=1 and slotsPerWorker to the ranks, or mode=mpijob" (int $v.workers)) -}}
{{- end -}}
{{- /* A pod's name is a label of it, and a label holds 63 characters. */ -}}
{{- $longest := ternary (printf "%s-worker-%d" $job (sub (int $v.workers) 1)) $job (eq $v.mode "mpijob") -}}
{{- if gt (len $longest) 63 -}}
{{- fail (printf "%s is too long a name: it has %d characters, and Kubernetes allows 63. Set fullnameOverride to at most %d characters, or take a shorter release name" $longest (len $longest) (sub (len (include "ebb.fullname" .)) (sub (len $longest) 63))) -}}
{{- end -}}
{{- end -}}

{{- define "ebb.checkMetrics" -}}
{{- $v := .Values -}}
{{- if $v.metrics.enabled -}}
{{- if eq (int $v.metrics.port) 2222 -}}
{{- fail "metrics.port=2222 is sshd's port in every worker: take another one, such as 9400" -}}
{{- end -}}
{{- range $v.overrides -}}
{{- if hasPrefix "telemetry.port=" . -}}
{{- fail (printf "overrides holds %s, and the chart sets that itself, as Prometheus has to know it: set metrics.port" .) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $port := include "ebb.setting" (dict "root" . "config" (fromYaml $v.config) "key" "telemetry.port") -}}
{{- if eq $port "2222" -}}
{{- fail "telemetry.port of the run is 2222, which is sshd's port in every worker: set metrics.enabled=true and metrics.port (9400 where nothing says it), or telemetry.port=0 in overrides" -}}
{{- else if not (has $port (list "" "0")) -}}
{{- fail (printf "telemetry.port of the run is %s, and with metrics.enabled=false no pod names that port and the network policy lets nobody reach it: set metrics.enabled=true and metrics.port (9400 where nothing says it), or telemetry.port=0 in overrides" $port) -}}
{{- end -}}
{{- range $part := list "podMonitor" "prometheusRule" "dashboard" -}}
{{- if (get $v.metrics $part).enabled -}}
{{- fail (printf "metrics.%s.enabled is set, and no rank serves metrics: set metrics.enabled=true" $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
