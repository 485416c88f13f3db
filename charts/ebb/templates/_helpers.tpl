{{/* The release's part of every name. It is never truncated, since two releases could then have the same name. */}}
{{- define "ebb.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- default $name .Values.fullnameOverride -}}
{{- end -}}

{{/* Labels that select all jobs of a release, with any digest. */}}
{{- define "ebb.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "ebb.labels" -}}
{{ include "ebb.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "ebb.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "ebb.ranks" -}}
{{- mul .Values.workers .Values.slotsPerWorker -}}
{{- end -}}

{{/* The job's name carries a digest of its spec (except for suspension), of the attempt and of the configuration. An upgrade
     leaves the same job alone; a changed one is another job. */}}
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

{{- define "ebb.serviceAccount" -}}
{{- default (ternary (include "ebb.fullname" .) "" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{/* The roles whose values are used, separated by spaces. */}}
{{- define "ebb.roles" -}}
{{- ternary "launcher worker" "worker" (eq .Values.mode "mpijob") -}}
{{- end -}}

{{/* The run's value of a key such as data.batch: of the file, or of an override (YAML if quoted). root, config (parsed), key. */}}
{{- define "ebb.setting" -}}
{{- $seen := .config -}}
{{- range splitList "." .key -}}
{{- $seen = ternary (get (ternary $seen dict (kindIs "map" $seen)) .) "" (kindIs "map" $seen) -}}
{{- end -}}
{{- $text := ternary (printf "%.0f" (float64 (ternary $seen 0 (kindIs "float64" $seen)))) (toString $seen) (kindIs "float64" $seen) -}}
{{- range .root.Values.overrides -}}
{{- if hasPrefix (printf "%s=" $.key) . -}}{{- $text = trimPrefix (printf "%s=" $.key) . -}}{{- end -}}
{{- end -}}
{{- if regexMatch "^[\"']" $text -}}{{- $text = get (fromYaml (printf "v: %s" $text)) "v" | toString -}}{{- end -}}
{{- $text -}}
{{- end -}}

{{/* Defaults of the program: tests/charts compares them with its source. */}}
{{- define "ebb.ownDefaults" -}}
data.batch: "256"
run.steps: "2000"
{{- end -}}

{{/* The run's folder. The chart sets run.dir, so only an override can change it; an absolute run.name is a path of its own. */}}
{{- define "ebb.runFolder" -}}
{{- $dir := default .Values.checkpoints.mountPath (include "ebb.setting" (dict "root" . "config" dict "key" "run.dir")) -}}
{{- $name := include "ebb.setting" (dict "root" . "config" (fromYaml (toString .Values.config)) "key" "run.name") -}}
{{- ternary $name (printf "%s/%s" $dir $name) (hasPrefix "/" $name) | clean -}}
{{- end -}}

{{/* A size in Kubernetes' units (64Gi) as a number of bytes; empty if it is not a size. */}}
{{- define "ebb.bytes" -}}
{{- $text := ternary (printf "%.0f" (float64 (ternary . 0 (kindIs "float64" .)))) (toString .) (kindIs "float64" .) -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?([eE][0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- $power := dict "k" 1 "K" 1 "M" 2 "G" 3 "T" 4 "P" 5 "E" 6 -}}
{{- $letter := trimSuffix "i" $unit -}}
{{- if and $number (or (not $unit) (hasKey $power $letter)) -}}
{{- $bytes := float64 $number -}}
{{- range until (int (default 0 (get $power $letter))) -}}
{{- $bytes = mulf $bytes (ternary 1024.0 1000.0 (hasSuffix "i" $unit)) -}}
{{- end -}}
{{- printf "%.0f" $bytes -}}
{{- end -}}
{{- end -}}
