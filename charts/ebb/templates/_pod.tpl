{{- define "ebb.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
{{- if .Values.security.restricted }}
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- end -}}

{{- define "ebb.containerSecurity" -}}
{{- if .Values.security.restricted }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
{{- end -}}

{{/* What every pod sees: root, config (the ConfigMap's name). */}}
{{- define "ebb.volumes" -}}
{{- $v := .root.Values -}}
- name: config
  configMap:
    name: {{ .config }}
- name: tmp
  emptyDir: {}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ $v.shm.size }}
{{- if gt (int (include "ebb.uses" (set (deepCopy $v.data) "emptyDir" false))) 0 }}
- name: data
  {{- if $v.data.hostPath }}
  hostPath:
    path: {{ $v.data.hostPath }}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ include "ebb.dataClaim" .root }}
  {{- end }}
{{- end }}
- name: checkpoints
  {{- if $v.checkpoints.emptyDir }}
  emptyDir: {}
  {{- else if $v.checkpoints.hostPath }}
  hostPath:
    path: {{ $v.checkpoints.hostPath }}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ include "ebb.checkpointClaim" .root }}
  {{- end }}
{{- end -}}

{{- define "ebb.mounts" -}}
{{- $v := .root.Values -}}
- name: config
  mountPath: /config
  readOnly: true
- name: tmp
  mountPath: /tmp
- name: shm
  mountPath: /dev/shm
{{- if gt (int (include "ebb.uses" (set (deepCopy $v.data) "emptyDir" false))) 0 }}
- name: data
  mountPath: {{ $v.data.mountPath }}
{{- end }}
- name: checkpoints
  mountPath: {{ $v.checkpoints.mountPath }}
{{- end -}}

{{/* Where a pod may run, of a role's values. */}}
{{- define "ebb.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- end -}}

{{- define "ebb.environment" -}}
- name: HOME
  value: /tmp
- name: EBB_DATA
  value: {{ .Values.data.mountPath }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "ebb.resources" -}}
{{- $resources := deepCopy .role.resources -}}
{{- if .gpus -}}
{{- $limits := merge (dict .resource (.gpus | toString)) (default dict $resources.limits) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* root, config, role (its values), name (of the role), command and args, gpus. */}}
{{- define "ebb.podTemplate" -}}
{{- $v := .root.Values -}}
metadata:
  labels:
    {{- include "ebb.selectorLabels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    sidecar.istio.io/inject: "false"
    {{- with .role.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    sidecar.istio.io/inject: "false"
    {{- with .role.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int64 $v.terminationGracePeriodSeconds }}
  {{- with $v.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with (include "ebb.podSecurity" .root | trim) }}
  securityContext:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with (include "ebb.placement" .role | trim) }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: ebb
      image: {{ include "ebb.image" .root | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      command:
        {{- toYaml .command | nindent 8 }}
      {{- with .args }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      env:
        {{- include "ebb.environment" .root | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      {{- with .probe }}
      readinessProbe:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .preStop }}
      lifecycle:
        preStop:
          exec:
            command:
              {{- toYaml . | nindent 14 }}
      {{- end }}
      resources:
        {{- include "ebb.resources" (dict "role" .role "gpus" .gpus "resource" $v.gpu.resource) | nindent 8 }}
      {{- with (include "ebb.containerSecurity" .root | trim) }}
      securityContext:
        {{- . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- include "ebb.mounts" . | nindent 8 }}
        {{- with .role.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "ebb.volumes" . | nindent 4 }}
    {{- with .role.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
