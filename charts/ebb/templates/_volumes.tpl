{{/* The sources of a volume (data or checkpoints), separated by spaces. */}}
{{- define "ebb.places" -}}
{{- $places := list -}}
{{- if .existingClaim }}{{ $places = append $places "existingClaim" }}{{ end -}}
{{- if .claim.size }}{{ $places = append $places "claim.size" }}{{ end -}}
{{- if .hostPath }}{{ $places = append $places "hostPath" }}{{ end -}}
{{- if .ephemeral.size }}{{ $places = append $places "ephemeral.size" }}{{ end -}}
{{- if .emptyDir }}{{ $places = append $places "emptyDir" }}{{ end -}}
{{- join " " $places -}}
{{- end -}}

{{- define "ebb.claimSpec" -}}
accessModes:
  {{- toYaml .accessModes | nindent 2 }}
{{- if not (kindIs "invalid" .storageClassName) }}
storageClassName: {{ .storageClassName | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .size | quote }}
{{- end -}}

{{/* The source of a volume. Arguments: values (of the volume), claimName. */}}
{{- define "ebb.volumeSource" -}}
{{- if .values.emptyDir -}}
emptyDir: {}
{{- else if .values.ephemeral.size -}}
ephemeral:
  volumeClaimTemplate:
    spec:
      {{- include "ebb.claimSpec" .values.ephemeral | nindent 6 }}
{{- else if .values.hostPath -}}
hostPath:
  path: {{ .values.hostPath | quote }}
{{- else -}}
persistentVolumeClaim:
  claimName: {{ .claimName | quote }}
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
{{- end -}}
{{- end -}}

{{/* The result is not empty if every container of the pod reads the data volume without writing to
     it. A claim that allows only readers (ReadOnlyMany) needs a read-only volume, and not only
     read-only mounts. Arguments: root, role (its values). */}}
{{- define "ebb.dataIsReadOnly" -}}
{{- $writers := 0 -}}
{{- range append (concat .role.initContainers (default list .role.extraContainers)) (dict "volumeMounts" .role.extraVolumeMounts) -}}
{{- range .volumeMounts -}}
{{- if and (eq .name "data") (not .readOnly) -}}{{- $writers = 1 -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (ne (toString .root.Values.data.readOnly) "false") (not $writers) -}}
true
{{- end -}}
{{- end -}}

{{/* The result is not empty if the pod mounts the data volume. Every training pod mounts it. The
     launcher mounts it only if the tokenizer needs files, because it checks the configuration.
     Arguments: root, name (of the role). */}}
{{- define "ebb.hasData" -}}
{{- $tokenizer := include "ebb.setting" (dict "root" .root "config" (fromYaml (toString .root.Values.config)) "key" "data.tokenizer") -}}
{{- if and (include "ebb.places" .root.Values.data) (or (ne .name "launcher") (not (has $tokenizer (list "" "none" "bytes")))) -}}
true
{{- end -}}
{{- end -}}

{{/* The volumes of a pod. Arguments: root, config (name of the ConfigMap), name (of the role). */}}
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
    sizeLimit: {{ $v.shm.size | quote }}
{{- if include "ebb.hasData" . }}
- name: data
  {{- include "ebb.volumeSource" (dict "values" $v.data "claimName" (include "ebb.dataClaim" .root) "readOnly" (include "ebb.dataIsReadOnly" .)) | nindent 2 }}
{{- end }}
- name: checkpoints
  {{- include "ebb.volumeSource" (dict "values" $v.checkpoints "claimName" (include "ebb.checkpointClaim" .root)) | nindent 2 }}
{{- if ne .name "launcher" }}
{{- range $i, $secret := $v.secrets }}
- name: secret-{{ $i }}
  secret:
    secretName: {{ $secret.name | quote }}
    defaultMode: {{ include "ebb.secretMode" $.role.podSecurityContext }}
{{- end }}
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
{{- if include "ebb.hasData" . }}
- name: data
  mountPath: {{ $v.data.mountPath | quote }}
  {{- if ne (toString $v.data.readOnly) "false" }}
  readOnly: true
  {{- end }}
{{- end }}
- name: checkpoints
  mountPath: {{ $v.checkpoints.mountPath | quote }}
{{- if ne .name "launcher" }}
{{- range $i, $secret := $v.secrets }}
- name: secret-{{ $i }}
  mountPath: {{ $secret.mountPath | quote }}
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}
