{{/* The release's part of every name, short enough for what is put behind it. */}}
{{- define "ebb.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects all jobs of a release, whatever their digest. */}}
{{- define "ebb.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ebb.labels" -}}
{{ include "ebb.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "ebb.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "ebb.ranks" -}}
{{- mul .Values.workers .Values.slotsPerWorker -}}
{{- end -}}

{{/* The job's name carries a digest of all that its spec says, suspension apart, of the attempt and of the configuration: the same
     job is left alone by an upgrade, another one is another job. */}}
{{- define "ebb.digest" -}}
{{- $spec := include "ebb.spec" (dict "root" . "job" "J" "config" "C" "suspend" false) -}}
{{- printf "%s\n%d\n%s\n%s" .Values.mode (int .Values.job.attempt) $spec .Values.config | sha256sum | trunc 8 -}}
{{- end -}}
{{- define "ebb.jobName" -}}
{{- printf "%s-%s" (include "ebb.fullname" .) (include "ebb.digest" .) -}}
{{- end -}}
{{- define "ebb.configName" -}}
{{- printf "%s-settings" (include "ebb.jobName" .) -}}
{{- end -}}

{{- define "ebb.checkpointClaim" -}}
{{- default (printf "%s-checkpoints" (include "ebb.fullname" .)) .Values.checkpoints.existingClaim -}}
{{- end -}}
{{- define "ebb.dataClaim" -}}
{{- default (printf "%s-data" (include "ebb.fullname" .)) .Values.data.existingClaim -}}
{{- end -}}

{{- define "ebb.uses" -}}{{/* how many of its kinds a volume is given as */}}
{{- $n := 0 -}}
{{- if .existingClaim }}{{ $n = add1 $n }}{{ end -}}
{{- if .hostPath }}{{ $n = add1 $n }}{{ end -}}
{{- if .claim.size }}{{ $n = add1 $n }}{{ end -}}
{{- if .emptyDir }}{{ $n = add1 $n }}{{ end -}}
{{- $n -}}
{{- end -}}
