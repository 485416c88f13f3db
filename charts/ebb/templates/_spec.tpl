{{/* The arguments of `ebb launch`. */}}
{{- define "ebb.launchArguments" -}}
{{- $v := .Values -}}
- launch
- -n
- {{ include "ebb.ranks" . | quote }}
- --termination-message
- /dev/termination-log
{{- if $v.job.preflight }}
- --preflight
{{- end }}
{{- if eq $v.mode "mpijob" }}
- --supervise
- --restarts
- {{ int64 $v.job.restarts | quote }}
- --hostfile
- /etc/mpi/hostfile
- --wait
- {{ printf "%ds" (int $v.job.waitForWorkers) | quote }}
- --port
- "2222"
- --forward
- EBB_DATA
{{- range $name, $_ := $v.env }}
- --forward
- {{ $name | quote }}
{{- end }}
{{- end }}
- /config/config.yaml
- {{ printf "run.dir=%s" $v.checkpoints.mountPath | quote }}
{{- if $v.metrics.enabled }}
- {{ printf "telemetry.port=%d" (int $v.metrics.port) | quote }}
- "telemetry.address=all"
{{- end }}
{{- range $v.overrides }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Kubernetes waits 10, 20, 40 … seconds between the launchers of an MPIJob. With a limit of 2 the
     job ends within a minute of a failure that a retry cannot fix. In mode `job`, a
     podFailurePolicy ends the job at once. */}}
{{- define "ebb.backoffLimit" -}}
{{- $given := .Values.job.backoffLimit -}}
{{- if kindIs "invalid" $given -}}{{- ternary 2 20 (eq .Values.mode "mpijob") -}}{{- else -}}{{- int64 $given -}}{{- end -}}
{{- end -}}

{{/* The spec of the job. Arguments: root, job, config, suspend. */}}
{{- define "ebb.spec" -}}
{{- $root := .root -}}
{{- $v := $root.Values -}}
{{- $arguments := fromYamlArray (include "ebb.launchArguments" $root) -}}
{{- $common := dict "root" $root "config" .config -}}
{{- if eq $v.mode "mpijob" }}
{{- $launcher := merge (dict "role" $v.launcher "name" "launcher" "command" (list "/usr/bin/tini" "--" "ebb-user" "ebb-launcher") "args" $arguments "attempt" true) $common -}}
{{- $sshd := list "/usr/local/bin/ebb-user" "/usr/local/bin/ebb-worker" -}}
{{- $probe := dict "exec" (dict "command" (list "/usr/local/bin/ebb-ready")) "periodSeconds" 5 "timeoutSeconds" 10 -}}
{{- $stop := list "/usr/local/bin/ebb-stop" -}}
{{- $worker := merge (dict "role" $v.worker "name" "worker" "command" $sshd "probe" $probe "preStop" $stop) $common -}}
slotsPerWorker: {{ int $v.slotsPerWorker }}
sshAuthMountPath: /home/mpiuser/.ssh
launcherCreationPolicy: {{ $v.job.launcherCreationPolicy }}
runPolicy:
  cleanPodPolicy: {{ $v.job.cleanPodPolicy }}
  backoffLimit: {{ include "ebb.backoffLimit" $root }}
  {{- if not (kindIs "invalid" $v.job.activeDeadlineSeconds) }}
  activeDeadlineSeconds: {{ int64 $v.job.activeDeadlineSeconds }}
  {{- end }}
  {{- if not (kindIs "invalid" $v.job.ttlSecondsAfterFinished) }}
  ttlSecondsAfterFinished: {{ int64 $v.job.ttlSecondsAfterFinished }}
  {{- end }}
  {{- if .suspend }}
  suspend: true
  {{- end }}
  {{- with $v.job.schedulingPolicy }}
  schedulingPolicy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
mpiReplicaSpecs:
  Launcher:
    replicas: 1
    restartPolicy: Never
    template:
      {{- include "ebb.podTemplate" $launcher | nindent 6 }}
  Worker:
    replicas: {{ int $v.workers }}
    restartPolicy: OnFailure
    template:
      {{- include "ebb.podTemplate" $worker | nindent 6 }}
{{- else }}
{{- $pod := merge (dict "role" $v.worker "name" "trainer" "command" (list "/usr/bin/tini" "--" "ebb-user" "ebb") "args" $arguments "restartPolicy" "Never") $common -}}
backoffLimit: {{ include "ebb.backoffLimit" $root }}
{{- if .suspend }}
suspend: true
{{- end }}
{{- if not (kindIs "invalid" $v.job.activeDeadlineSeconds) }}
activeDeadlineSeconds: {{ int64 $v.job.activeDeadlineSeconds }}
{{- end }}
{{- if not (kindIs "invalid" $v.job.ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ int64 $v.job.ttlSecondsAfterFinished }}
{{- end }}
# A retry cannot fix the exit codes 2 (configuration), 3 (data), 4 (memory), 6 (diverged) and 7
# (checkpoint). Code 75 is a requested stop with a saved checkpoint. Another pod then resumes, and
# Kubernetes does not count the stop as a failure.
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes:
        containerName: ebb
        operator: In
        values: [2, 3, 4, 6, 7]
    - action: Ignore
      onExitCodes:
        containerName: ebb
        operator: In
        values: [75]
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
template:
  {{- include "ebb.podTemplate" $pod | nindent 2 }}
{{- end }}
{{- end -}}
