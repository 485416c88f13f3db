{{/* An alert. Arguments: root, name, severity, for (seconds), expr, summary, description. */}}
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

{{/* The seconds since the timestamp in a gauge, if they exceed `limit`. The age of a gauge is
     `limit` if the gauge was 0 for the whole `limit`, because the event has not happened yet.
     Arguments: metric, of (selecting labels), by (kept labels), limit. */}}
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
  "description" (printf "No rank of {{ $labels.job_name }} has completed a step for {{ $value | humanizeDuration }}. All ranks wait for the slowest rank. The dashboard panel Time by stage and rank shows the rank that is not in reduce. After parallel.timeout, the launcher's log names this rank. Inspect the pods: %s" $look)) }}
{{ include "ebb.alert" (dict "root" . "name" "EbbMemoryLeak" "severity" "warning"
  "expr" (printf "sum by (%[1]s) (increase(ebb_memory_leaks_total%[2]s[15m])) > 0\nor\nsum by (%[1]s) (ebb_memory_leaks_total%[2]s unless ebb_memory_leaks_total%[2]s offset 15m) > 0" $rank $of)
  "summary" "Rank {{ $labels.rank }} of {{ $labels.job_name }} leaks memory"
  "description" "In the last 15 minutes, a step of rank {{ $labels.rank }} on {{ $labels.node }} ended with more live memory than the previous step. The rank's log and the folder memory/ of the run name the leaked memory and its owner.") }}
{{ include "ebb.alert" (dict "root" . "name" "EbbMemoryNearBudget" "severity" "warning" "for" 120
  "expr" (printf "label_replace(\n  max by (%[1]s) (ebb_memory_resident_bytes%[2]s)\n  / max by (%[1]s) (ebb_memory_budget_bytes{%[3]s,place=\"host\"} > 0), \"place\", \"host\", \"\", \"\"\n) > %[4]v\nor\n(\n  sum by (%[1]s, place) (ebb_memory_peak_bytes{%[3]s,place=\"device\"})\n  + sum by (%[1]s, place) (ebb_memory_outside_bytes{%[3]s,place=\"device\"})\n) / max by (%[1]s, place) (ebb_memory_budget_bytes{%[3]s,place=\"device\"} > 0) > %[4]v" $rank $of $some (divf $r.budgetPercent 100))
  "summary" "Rank {{ $labels.rank }} of {{ $labels.job_name }} is near its memory budget"
  "description" "Rank {{ $labels.rank }} on {{ $labels.node }} uses {{ $value | humanizePercentage }} of its {{ $labels.place }} memory budget (its share of the container's limit, or the device memory). At the limit, the run ends with exit code 4. The dashboard shows the class that has grown. A smaller data.batch or a larger data.micro_batches reduces activations.") }}
{{ include "ebb.alert" (dict "root" . "name" "EbbOverflowStreak" "severity" "warning"
  "expr" (printf "max by (%s) (ebb_overflow_streak%s) >= %d" $job $of (int64 $r.overflowStreak))
  "summary" "{{ $labels.job_name }} skips updates"
  "description" "The gradients of {{ $value }} consecutive steps overflowed, and the run skipped their updates. If the loss scale falls below its floor, the run ends with exit code 6. The field overflowed in metrics.jsonl names the parameter. A lower learning rate, a longer warm-up or clip_norm usually helps.") }}
{{- if $r.checkpointSeconds }}
{{ include "ebb.alert" (dict "root" . "name" "EbbCheckpointOld" "severity" "warning" "for" 60
  "expr" (include "ebb.olderThan" (dict "metric" "ebb_checkpoint_timestamp_seconds" "of" $of "by" $job "limit" (int64 $r.checkpointSeconds)))
  "summary" "The last checkpoint of {{ $labels.job_name }} is old"
  "description" "{{ $labels.job_name }} has saved no checkpoint for {{ $value | humanizeDuration }}, and a failure would lose this time. Lower checkpoint.every, or check that the checkpoint volume accepts writes. The launcher's log contains the result of the last save.") }}
{{- end }}
{{ include "ebb.alert" (dict "root" . "name" "EbbDataWait" "severity" "warning" "for" 600
  "expr" (printf "max by (%[1]s) (\n  sum by (%[2]s) (rate(ebb_stage_seconds_total{%[3]s,stage=\"load\"}[10m]))\n  / sum by (%[2]s) (rate(ebb_stage_seconds_total{%[3]s,stage=~\"load|forward|backward|reduce|update\"}[10m]))\n) > %[4]v" $job $rank $some (divf $r.dataWaitPercent 100))
  "summary" "{{ $labels.job_name }} waits for data"
  "description" "A rank of {{ $labels.job_name }} spends {{ $value | humanizePercentage }} of its step time waiting for data, and the other ranks wait for this rank. Raise data.prefetch, give the workers more CPU cores, or put the dataset on a faster volume.") }}
{{ include "ebb.alert" (dict "root" . "name" "EbbRankMissing" "severity" "critical" "for" (int64 $r.rankMissingSeconds)
  "expr" (printf "count by (%[1]s) (ebb_rank_info%[2]s) < max by (%[1]s) (ebb_ranks%[2]s)\nor\n(count by (%[1]s) (ebb_rank_info%[2]s) unless max by (%[1]s) (ebb_ranks%[2]s)) < %[3]s" $job $of (include "ebb.ranks" .))
  "summary" "Ranks of {{ $labels.job_name }} are missing"
  "description" (printf "Only {{ $value }} ranks of {{ $labels.job_name }} report metrics, but the release specifies %s ranks. The MPI operator recreates an evicted worker only after you delete its pod. Inspect the pods: %s" (include "ebb.ranks" .) $look)) }}
{{- end -}}
