{{/* The Pod Security Standard `restricted` requires all these settings. A host path or RDMA does
     not change them. A null in the values removes a setting. With OnRootMismatch, Kubernetes does
     not change the group of every file of a large volume at each start. */}}
{{- define "ebb.podSecurity" -}}
{{- $own := dict "runAsNonRoot" true "runAsUser" 1000 "runAsGroup" 1000 "fsGroup" 1000 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- $seen := mergeOverwrite $own (deepCopy .) -}}
{{- if kindIs "invalid" (get $seen "fsGroup") -}}{{- $_ := unset $seen "fsGroupChangePolicy" -}}{{- end -}}
{{- range $key, $value := deepCopy $seen -}}
{{- if kindIs "invalid" $value -}}{{- $_ := unset $seen $key -}}{{- end -}}
{{- end -}}
{{- toYaml $seen -}}
{{- end -}}

{{/* The mode of the files of a Secret. The pod's group can read them. Without fsGroup the files
     belong to root, so all users of the pod can read them. Argument: podSecurityContext. */}}
{{- define "ebb.secretMode" -}}
{{- ternary "0440" "0444" (hasKey (fromYaml (include "ebb.podSecurity" .)) "fsGroup") -}}
{{- end -}}

{{/* Arguments: root, role (its values), name (of the role). */}}
{{- define "ebb.containerSecurity" -}}
{{- $capabilities := dict "drop" (list "ALL") -}}
{{- if and .root.Values.rdma.resource .root.Values.rdma.ipcLock (ne .name "launcher") -}}
{{- $_ := set $capabilities "add" (list "IPC_LOCK") -}}
{{- end -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" $capabilities -}}
{{- toYaml (mergeOverwrite $own (deepCopy .role.securityContext)) -}}
{{- end -}}

{{/* The scheduling settings of a pod. Arguments: root, role (its values), name (of the role). */}}
{{- define "ebb.placement" -}}
{{- with .role.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .role.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .role.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .role.topologySpreadConstraints }}
{{- /* An entry without a labelSelector has no effect. */}}
{{- $labels := merge (dict "app.kubernetes.io/component" .name) (fromYaml (include "ebb.selectorLabels" .root)) }}
topologySpreadConstraints:
  {{- range .role.topologySpreadConstraints }}
  {{- toYaml (list (merge (deepCopy .) (ternary dict (dict "labelSelector" (dict "matchLabels" $labels)) (hasKey . "labelSelector")))) | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .role.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .role.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .role.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "ebb.environment" -}}
- name: HOME
  value: /tmp
- name: EBB_DATA
  value: {{ .Values.data.mountPath | quote }}
{{- range $name, $value := .Values.env }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Only pods with ranks get GPUs and RDMA adapters. Without requests, Kubernetes would evict these
     pods first. A limit is also a request. Arguments: root, role (its values), name (of the role). */}}
{{- define "ebb.resources" -}}
{{- $v := .root.Values -}}
{{- $resources := deepCopy .role.resources -}}
{{- $slots := int $v.slotsPerWorker -}}
{{- $least := dict "cpu" (printf "%dm" (mul 500 $slots)) "memory" (printf "%dMi" (mul 512 $slots)) -}}
{{- if has .name (list "launcher" "test") -}}{{- $least = dict "cpu" "100m" "memory" "128Mi" -}}{{- end -}}
{{- range $what, $_ := default dict $resources.limits -}}{{- $_ := unset $least $what -}}{{- end -}}
{{- if $least -}}
{{- $_ := set $resources "requests" (merge (default dict $resources.requests) $least) -}}
{{- end -}}
{{- $devices := dict -}}
{{- if not (has .name (list "launcher" "test")) -}}
{{- if $v.gpu.count -}}{{- $_ := set $devices $v.gpu.resource ($v.gpu.count | toString) -}}{{- end -}}
{{- if $v.rdma.resource -}}{{- $_ := set $devices $v.rdma.resource ($v.rdma.count | toString) -}}{{- end -}}
{{- end -}}
{{- if $devices -}}
{{- $_ := set $resources "limits" (merge $devices (default dict $resources.limits)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* These keep service meshes away from a pod: the sidecars of Istio and Linkerd, and the proxies of
     Istio's ambient mode. A proxy would break the connections of the ranks. */}}
{{- define "ebb.meshLabels" -}}
istio.io/dataplane-mode: none
sidecar.istio.io/inject: "false"
{{- end -}}
{{- define "ebb.meshAnnotations" -}}
linkerd.io/inject: disabled
sidecar.istio.io/inject: "false"
{{- end -}}

{{- define "ebb.podMetadata" -}}
{{- $labels := merge (dict "app.kubernetes.io/component" .name) (fromYaml (include "ebb.meshLabels" .)) (fromYaml (include "ebb.selectorLabels" .root)) (deepCopy .role.labels) -}}
labels:
  {{- toYaml $labels | nindent 2 }}
annotations:
  {{- toYaml (merge (fromYaml (include "ebb.meshAnnotations" .)) (deepCopy .role.annotations)) | nindent 2 }}
{{- end -}}

{{/* Arguments: root, config, role (its values), name (of the role), command and args, attempt,
     probe, preStop, restartPolicy. */}}
{{- define "ebb.podTemplate" -}}
{{- $v := .root.Values -}}
{{- $security := include "ebb.containerSecurity" . -}}
metadata:
  {{- include "ebb.podMetadata" . | nindent 2 }}
spec:
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with (default (include "ebb.serviceAccount" .root) .role.serviceAccountName) }}
  serviceAccountName: {{ . | quote }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int64 $v.terminationGracePeriodSeconds }}
  {{- with $v.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "ebb.podSecurity" .role.podSecurityContext | nindent 4 }}
  {{- with (include "ebb.placement" . | trim) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .role.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .role.resourceClaims }}
  resourceClaims:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .role.initContainers }}
  initContainers:
    {{- range . }}
    {{- $context := mergeOverwrite (fromYaml $security) (deepCopy (default dict .securityContext)) }}
    {{- toYaml (list (merge (dict "securityContext" $context) (deepCopy .))) | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- /* The operator mounts its hostfile and keys only into the first container. */}}
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
        {{- if .attempt }}
        {{- /* A stored verdict is valid for this job only. The operator's label contains the job's
               name with the digest. The spec cannot contain its own digest. */}}
        - name: EBB_ATTEMPT
          valueFrom:
            fieldRef:
              fieldPath: metadata.labels['training.kubeflow.org/job-name']
        {{- end }}
        {{- with .role.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .role.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if and $v.metrics.enabled (ne .name "launcher") }}
      ports:
        - name: metrics
          containerPort: {{ int $v.metrics.port }}
      {{- end }}
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
        {{- include "ebb.resources" . | nindent 8 }}
      securityContext:
        {{- $security | nindent 8 }}
      volumeMounts:
        {{- include "ebb.mounts" . | nindent 8 }}
        {{- with .role.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- range .role.extraContainers }}
    {{- $context := mergeOverwrite (fromYaml $security) (deepCopy (default dict .securityContext)) }}
    {{- toYaml (list (merge (dict "securityContext" $context) (deepCopy .))) | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "ebb.volumes" . | nindent 4 }}
    {{- with .role.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
