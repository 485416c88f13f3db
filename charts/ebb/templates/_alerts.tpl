{{/* An alert: root, name, severity, for (seconds), expr, summary, description. */}}
{{- define "ebb.alert" -}}
- alert: {{ .name }}
  expr: |-
    {{- .expr | trim | nindent 4 }}
  {{- with .for }}
  for: {{ . }}s
  {{- end }}
  labels:
    {{- toYaml (merge (dict "severity" .severity) .root.Values.metrics.prometheusRule.alertLabels) | nindent 4 }}
  annotations:
    summary: {{ .summary | quote }}
    description: {{ .description | quote }}
{{- end -}}

{{/* The seconds since the time in a gauge, once they exceed `limit`. A gauge that was 0 for all of `limit`, as nothing has
     happened yet, counts as `limit` old. metric, of (selecting labels), by (kept labels), limit. */}}
{{- define "ebb.olderThan" -}}
time() - max by ({{ .by }}) ({{ .metric }}{{ .of }} > 0) > {{ .limit }}
or
(
  max by ({{ .by }}) (max_over_time({{ .metric }}{{ .of }}[{{ .limit }}s])) == 0
  and max by ({{ .by }}) ({{ .metric }}{{ .of }} offset {{ .limit }}s) == 0
) + {{ .limit }}
{{- end -}}

{{- define "ebb.alerts" -}}
{{- $r := .Values.metrics.prometheusRule -}}
{{- $some := printf "namespace=%q,release=%q" .Release.Namespace .Release.Name -}}
{{- $of := printf "{%s}" $some -}}
{{- $job := "namespace, release, job_name" -}}
{{- $rank := "namespace, release, job_name, rank, node" -}}
{{- $look := printf "kubectl -n %s describe pods -l app.kubernetes.io/instance=%s" .Release.Namespace .Release.Name -}}
{{ include "ebb.alert" (dict "root" . "name" "EbbStalled" "severity" "critical" "for" 60
  "expr" (include "ebb.olderThan" (dict "metric" "ebb_last_step_timestamp_seconds" "of" $of "by" $job "limit" (int64 $r.stalledSeconds)))
  "summary" "{{ $labels.job_name }} makes no progress"
  "description" (printf "No rank of {{ $labels.job_name }} has ended a step for {{ $value | humanizeDuration }}. Ranks wait for the slowest one. The dashboard's time by stage shows which rank is not in reduce; the launcher's log names it after parallel.timeout. %s" $look)) }}
{{ include "ebb.alert" (dict "root" . "name" "EbbMemoryLeak" "severity" "warning"
  "expr" (printf "sum by (%[1]s) (increase(ebb_memory_leaks_total%[2]s[15m])) > 0\nor\nsum by (%[1]s) (ebb_memory_leaks_total%[2]s unless ebb_memory_leaks_total%[2]s offset 15m) > 0" $rank $of)
  "summary" "Rank {{ $labels.rank }} of {{ $labels.job_name }} keeps memory from step to step"
  "description" "In the last 15 minutes, a step of rank {{ $labels.rank }} on {{ $labels.node }} ended with more memory alive than the step before. The rank's log and memory/ of the run's folder name what stayed and its owner.") }}
{{ include "ebb.alert" (dict "root" . "name" "EbbMemoryNearBudget" "severity" "warning" "for" 120
  "expr" (printf "label_replace(\n  max by (%[1]s) (ebb_memory_resident_bytes%[2]s)\n  / max by (%[1]s) (ebb_memory_budget_bytes{%[3]s,place=\"host\"} > 0), \"place\", \"host\", \"\", \"\"\n) > %[4]v\nor\n(\n  sum by (%[1]s, place) (ebb_memory_peak_bytes{%[3]s,place=\"device\"})\n  + sum by (%[1]s, place) (ebb_memory_outside_bytes{%[3]s,place=\"device\"})\n) / max by (%[1]s, place) (ebb_memory_budget_bytes{%[3]s,place=\"device\"} > 0) > %[4]v" $rank $of $some (divf $r.budgetPercent 100))
  "summary" "Rank {{ $labels.rank }} of {{ $labels.job_name }} is near its memory budget"
  "description" "Rank {{ $labels.rank }} on {{ $labels.node }} uses {{ $value | humanizePercentage }} of its {{ $labels.place }} memory (its share of the container's limit, or the device). At the limit the run ends with code 4. The dashboard shows which class has grown. A smaller data.batch or more data.micro_batches lowers activations.") }}
{{ include "ebb.alert" (dict "root" . "name" "EbbOverflowStreak" "severity" "warning"
  "expr" (printf "max by (%s) (ebb_overflow_streak%s) >= %d" $job $of (int64 $r.overflowStreak))
  "summary" "{{ $labels.job_name }} skips its updates"
  "description" "The gradients of {{ $value }} steps in a row overflowed, and their updates were skipped. At the loss scale's floor the run ends with code 6. metrics.jsonl names the parameter (overflowed). A lower learning rate, a longer warm-up or clip_norm helps most often.") }}
{{- if $r.checkpointSeconds }}
{{ include "ebb.alert" (dict "root" . "name" "EbbCheckpointOld" "severity" "warning" "for" 60
  "expr" (include "ebb.olderThan" (dict "metric" "ebb_checkpoint_timestamp_seconds" "of" $of "by" $job "limit" (int64 $r.checkpointSeconds)))
  "summary" "The last checkpoint of {{ $labels.job_name }} is old"
  "description" "{{ $labels.job_name }} has saved nothing for {{ $value | humanizeDuration }}; a failure now would lose that time. Lower checkpoint.every, or check that the checkpoint volume accepts writes. The launcher's log has the result of the last save.") }}
{{- end }}
{{ include "ebb.alert" (dict "root" . "name" "EbbDataWait" "severity" "warning" "for" 600
  "expr" (printf "max by (%[1]s) (\n  sum by (%[2]s) (rate(ebb_stage_seconds_total{%[3]s,stage=\"load\"}[10m]))\n  / sum by (%[2]s) (rate(ebb_stage_seconds_total{%[3]s,stage=~\"load|forward|backward|reduce|update\"}[10m]))\n) > %[4]v" $job $rank $some (divf $r.dataWaitPercent 100))
  "summary" "{{ $labels.job_name }} waits for its data"
  "description" "A rank of {{ $labels.job_name }} spends {{ $value | humanizePercentage }} of its steps waiting for data, and the others wait for it. Raise data.prefetch, give workers more cores, or put the dataset on a faster volume.") }}
{{ include "ebb.alert" (dict "root" . "name" "EbbRankMissing" "severity" "critical" "for" (int64 $r.rankMissingSeconds)
  "expr" (printf "count by (%[1]s) (ebb_rank_info%[2]s) < max by (%[1]s) (ebb_ranks%[2]s)\nor\n(count by (%[1]s) (ebb_rank_info%[2]s) unless max by (%[1]s) (ebb_ranks%[2]s)) < %[3]s" $job $of (include "ebb.ranks" .))
  "summary" "Ranks of {{ $labels.job_name }} are missing"
  "description" (printf "Only {{ $value }} ranks of {{ $labels.job_name }} are seen; it was installed with %s. An evicted worker is not recreated until its pod is deleted. %s" (include "ebb.ranks" .) $look)) }}
{{- end -}}
