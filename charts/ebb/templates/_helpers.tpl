{{/* The prefix of all names of a release. The chart does not truncate it, because two releases
     could then have the same name. */}}
{{- define "ebb.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- default $name .Values.fullnameOverride -}}
{{- end -}}

{{/* These labels select all jobs of a release, with any digest. */}}
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
{{- $image := .Values.image -}}
{{- ternary (printf "%s@%s" $image.repository $image.digest) (printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag)) (not (empty $image.digest)) -}}
{{- end -}}

{{- define "ebb.ranks" -}}
{{- mul .Values.workers .Values.slotsPerWorker -}}
{{- end -}}

{{/* The job's name contains a digest of the spec (without `suspend`), the attempt and the
     configuration. An upgrade does not change an unchanged job. A changed job is another job. */}}
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

{{/* The roles of this mode, separated by spaces. */}}
{{- define "ebb.roles" -}}
{{- ternary "launcher worker" "worker" (eq .Values.mode "mpijob") -}}
{{- end -}}

{{/* The value of a configuration key, such as data.batch. An override has precedence over the file.
     A quoted override is YAML. Arguments: root, config (parsed), key. */}}
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

{{/* Defaults of the program. tests/charts compares them with the source of the program. */}}
{{- define "ebb.ownDefaults" -}}
data.batch: "256"
run.steps: "2000"
{{- end -}}

{{/* The run folder. The chart sets run.dir, so only an override can change it. An absolute run.name
     replaces the whole path. */}}
{{- define "ebb.runFolder" -}}
{{- $dir := default .Values.checkpoints.mountPath (include "ebb.setting" (dict "root" . "config" dict "key" "run.dir")) -}}
{{- $name := include "ebb.setting" (dict "root" . "config" (fromYaml (toString .Values.config)) "key" "run.name") -}}
{{- ternary $name (printf "%s/%s" $dir $name) (hasPrefix "/" $name) | clean -}}
{{- end -}}

{{/* Converts a size in the units of Kubernetes (64Gi) to bytes. The result is empty for other
     texts. */}}
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
