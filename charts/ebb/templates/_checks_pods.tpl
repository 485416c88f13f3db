{{- define "ebb.checkPods" -}}
{{- $v := .Values -}}
{{- if and $v.gpu.count (ne (int $v.gpu.count) (int $v.slotsPerWorker)) -}}
{{- fail (printf "gpu.count=%d and slotsPerWorker=%d: a rank takes one GPU, so make them the same" (int $v.gpu.count) (int $v.slotsPerWorker)) -}}
{{- end -}}
{{- if and $v.rdma.ipcLock (not $v.rdma.resource) -}}
{{- fail "rdma.ipcLock is set, but rdma.resource is empty: set it to the device plugin's name of the adapter, such as rdma/hca_shared_devices_a" -}}
{{- end -}}
{{- if and $v.security.restricted $v.rdma.ipcLock -}}
{{- fail "rdma.ipcLock adds the capability IPC_LOCK, which the Pod Security Standard `restricted` does not allow: set security.restricted=false (the namespace needs the level `privileged`), or let the nodes' container runtime lift the limit of locked memory" -}}
{{- end -}}
{{- range $name, $_ := $v.env -}}
{{- include "ebb.checkVariable" (dict "name" $name "at" (printf "env.%s" $name)) -}}
{{- if regexMatch "(?i)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)$" $name -}}
{{- fail (printf "env.%s looks like a secret, and env appears in the job and in command lines on every node: put it into a Secret, list that under secrets, and give ranks the path of its file" $name) -}}
{{- end -}}
{{- end -}}
{{- range $role := include "ebb.roles" . | splitList " " -}}
{{- include "ebb.checkRole" (dict "root" $ "name" $role "role" (get $v $role)) -}}
{{- end -}}
{{- end -}}

{{/* Refuses names that the chart sets, or that the operator silently overwrites: name, at. */}}
{{- define "ebb.checkVariable" -}}
{{- if has .name (list "HOME" "EBB_DATA" "EBB_ATTEMPT" "EBB_KILLED_FOR_MEMORY") -}}
{{- fail (printf "%s: the chart sets %s itself%s" .at .name (ternary ", from data.mountPath" "" (eq .name "EBB_DATA"))) -}}
{{- end -}}
{{- if has .name (list "K_MPI_JOB_ROLE" "OMPI_MCA_orte_keep_fqdn_hostnames" "OMPI_MCA_orte_default_hostfile" "OMPI_MCA_plm_rsh_args" "OMPI_MCA_orte_set_default_slots") -}}
{{- fail (printf "%s: the MPI operator sets %s later and overrides it: leave it out" .at .name) -}}
{{- end -}}
{{- end -}}

{{- define "ebb.checkRole" -}}
{{- $v := .root.Values -}}
{{- $name := .name -}}
{{- range .role.extraEnv -}}
{{- include "ebb.checkVariable" (dict "name" .name "at" (printf "%s.extraEnv" $name)) -}}
{{- if hasKey $v.env .name -}}
{{- fail (printf "%s.extraEnv holds %s, which env has already: keep one" $name .name) -}}
{{- end -}}
{{- end -}}
{{- $labels := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "sidecar.istio.io/inject" -}}
{{- range $key, $_ := .role.labels -}}
{{- if or (has $key $labels) (hasPrefix "training.kubeflow.org/" $key) -}}
{{- fail (printf "%s.labels holds %s, which selects the job's pods or keeps a sidecar out: use another name" $name $key) -}}
{{- end -}}
{{- end -}}
{{- if hasKey .role.annotations "sidecar.istio.io/inject" -}}
{{- fail (printf "%s.annotations holds sidecar.istio.io/inject: a sidecar would break the ranks' connections and outlive the job; leave it out" $name) -}}
{{- end -}}
{{- range $volume := .role.extraVolumes -}}
{{- if or (has $volume.name (list "config" "tmp" "shm" "data" "checkpoints" "ssh-auth" "mpi-job-config")) (hasPrefix "secret-" $volume.name) -}}
{{- fail (printf "%s.extraVolumes holds a volume called %s, which the chart or the operator has already: give it another name" $name $volume.name) -}}
{{- end -}}
{{- end -}}
{{- include "ebb.checkMounts" . -}}
{{- if $v.security.restricted -}}
{{- include "ebb.checkRestrictedRole" . -}}
{{- end -}}
{{- end -}}

{{/* Kubernetes would refuse such a pod only after the install, and helm would not report it: root, name, role. */}}
{{- define "ebb.checkMounts" -}}
{{- $v := .root.Values -}}
{{- $name := .name -}}
{{- $there := list -}}
{{- $taken := list -}}
{{- range fromYamlArray (include "ebb.mounts" .) -}}
{{- $there = append $there .name -}}
{{- $taken = append $taken (trimSuffix "/" .mountPath) -}}
{{- end -}}
{{- /* The operator's. */ -}}
{{- if eq $v.mode "mpijob" -}}
{{- $there = append $there "ssh-auth" -}}
{{- $taken = append $taken "/home/mpiuser/.ssh" -}}
{{- if eq $name "launcher" -}}
{{- $there = append $there "mpi-job-config" -}}
{{- $taken = append $taken "/etc/mpi" -}}
{{- end -}}
{{- end -}}
{{- range .role.extraVolumes -}}{{- $there = append $there .name -}}{{- end -}}
{{- $mounts := .role.extraVolumeMounts -}}
{{- range $mounts -}}
{{- if has (trimSuffix "/" .mountPath) $taken -}}
{{- fail (printf "%s.extraVolumeMounts mounts %s at %s, where something else is mounted already: use another path" $name .name .mountPath) -}}
{{- end -}}
{{- $taken = append $taken (trimSuffix "/" .mountPath) -}}
{{- end -}}
{{- $names := list "ebb" -}}
{{- range .role.initContainers -}}
{{- if has .name $names -}}
{{- fail (printf "%s.initContainers: %s is the name of another container of the pod: use another name" $name .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- $mounts = concat $mounts (default list .volumeMounts) -}}
{{- end -}}
{{- range $mounts -}}
{{- if not (has .name $there) -}}
{{- fail (printf "%s: a volume called %s is mounted at %s, but the pod has none (it has %s): add it to %s.extraVolumes, or leave the mount out" $name .name .mountPath (join ", " $there) $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
