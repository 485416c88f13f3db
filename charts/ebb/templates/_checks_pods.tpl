{{- define "ebb.checkPods" -}}
{{- $v := .Values -}}
{{- if and $v.gpu.count (ne (int $v.gpu.count) (int $v.slotsPerWorker)) -}}
{{- fail (printf "gpu.count=%d differs from slotsPerWorker=%d. Each rank uses one GPU. Set both to the same number" (int $v.gpu.count) (int $v.slotsPerWorker)) -}}
{{- end -}}
{{- if and $v.rdma.ipcLock (not $v.rdma.resource) -}}
{{- fail "rdma.ipcLock is set, but rdma.resource is empty. Set rdma.resource to the resource name of the adapter, such as rdma/hca_shared_devices_a" -}}
{{- end -}}
{{- if and $v.security.restricted $v.rdma.ipcLock -}}
{{- fail "rdma.ipcLock adds the capability IPC_LOCK, but the Pod Security Standard `restricted` does not allow it. Set security.restricted=false (the namespace needs the level `privileged`), or remove the limit of locked memory in the container runtime of the nodes" -}}
{{- end -}}
{{- range $name, $_ := $v.env -}}
{{- include "ebb.checkVariable" (dict "name" $name "at" (printf "env.%s" $name)) -}}
{{- if regexMatch "(?i)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)$" $name -}}
{{- fail (printf "env.%s looks like a secret. The job and command lines on every node show env. Put the value into a Secret, add the Secret to secrets, and give the ranks the path of its file" $name) -}}
{{- end -}}
{{- end -}}
{{- range $role := include "ebb.roles" . | splitList " " -}}
{{- include "ebb.checkRole" (dict "root" $ "name" $role "role" (get $v $role)) -}}
{{- end -}}
{{- end -}}

{{/* Refuses variables that the chart sets or the operator overwrites. Arguments: name, at. */}}
{{- define "ebb.checkVariable" -}}
{{- if has .name (list "HOME" "EBB_DATA" "EBB_ATTEMPT" "EBB_KILLED_FOR_MEMORY") -}}
{{- fail (printf "%s: the chart sets %s itself%s" .at .name (ternary ", from data.mountPath" "" (eq .name "EBB_DATA"))) -}}
{{- end -}}
{{- if has .name (list "K_MPI_JOB_ROLE" "OMPI_MCA_orte_keep_fqdn_hostnames" "OMPI_MCA_orte_default_hostfile" "OMPI_MCA_plm_rsh_args" "OMPI_MCA_orte_set_default_slots") -}}
{{- fail (printf "%s: the MPI operator overwrites %s. Remove this variable" .at .name) -}}
{{- end -}}
{{- end -}}

{{- define "ebb.checkRole" -}}
{{- $v := .root.Values -}}
{{- $name := .name -}}
{{- range .role.extraEnv -}}
{{- include "ebb.checkVariable" (dict "name" .name "at" (printf "%s.extraEnv" $name)) -}}
{{- if hasKey $v.env .name -}}
{{- fail (printf "%s.extraEnv contains %s, but env also contains it. Remove one of them" $name .name) -}}
{{- end -}}
{{- end -}}
{{- $labels := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "sidecar.istio.io/inject" "istio.io/dataplane-mode" -}}
{{- range $key, $_ := .role.labels -}}
{{- if or (has $key $labels) (hasPrefix "training.kubeflow.org/" $key) -}}
{{- fail (printf "%s.labels contains %s. This label selects the pods of the job or excludes a service mesh. Use another name" $name $key) -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := fromYaml (include "ebb.meshAnnotations" .) -}}
{{- if hasKey $.role.annotations $key -}}
{{- fail (printf "%s.annotations contains %s. A sidecar would break the connections of the ranks, and would run after the end of the job. Remove this annotation" $name $key) -}}
{{- end -}}
{{- end -}}
{{- $claims := list -}}
{{- range .role.resourceClaims -}}
{{- if has .name $claims -}}
{{- fail (printf "%s.resourceClaims contains %s twice. Remove one of them" $name .name) -}}
{{- end -}}
{{- if eq (empty .resourceClaimName) (empty .resourceClaimTemplateName) -}}
{{- fail (printf "%s.resourceClaims: %s needs either resourceClaimName or resourceClaimTemplateName" $name .name) -}}
{{- end -}}
{{- $claims = append $claims .name -}}
{{- end -}}
{{- $users := list .role.resources -}}
{{- range concat .role.initContainers (default list .role.extraContainers) -}}{{- $users = append $users (default dict .resources) -}}{{- end -}}
{{- range $user := $users -}}
{{- range $user.claims -}}
{{- if not (has .name $claims) -}}
{{- fail (printf "%s.resources.claims contains %s, but %s.resourceClaims does not have this claim (it has %s). Add it there" $name .name $name (default "none" (join ", " $claims))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .role.extraContainers (or (eq $v.mode "job") (eq $name "launcher")) -}}
{{- fail (printf "%s.extraContainers: the job would not end before these containers end. Use %s.initContainers with restartPolicy: Always (a sidecar container)" $name $name) -}}
{{- end -}}
{{- range $volume := .role.extraVolumes -}}
{{- if or (has $volume.name (list "config" "tmp" "shm" "data" "checkpoints" "ssh-auth" "mpi-job-config")) (hasPrefix "secret-" $volume.name) -}}
{{- fail (printf "%s.extraVolumes contains the volume %s, but the chart or the operator uses this name. Use another name" $name $volume.name) -}}
{{- end -}}
{{- end -}}
{{- include "ebb.checkMounts" . -}}
{{- if $v.security.restricted -}}
{{- include "ebb.checkRestrictedRole" . -}}
{{- end -}}
{{- end -}}

{{/* Checks the mounts of a role. Kubernetes would refuse such a pod only after the install, and
     helm would not report it. Arguments: root, name, role. */}}
{{- define "ebb.checkMounts" -}}
{{- $v := .root.Values -}}
{{- $name := .name -}}
{{- $there := list -}}
{{- $taken := list -}}
{{- range fromYamlArray (include "ebb.mounts" .) -}}
{{- $there = append $there .name -}}
{{- $taken = append $taken (trimSuffix "/" .mountPath) -}}
{{- end -}}
{{- /* Volumes of the operator. */ -}}
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
{{- include "ebb.checkMountPath" (dict "of" (printf "the mountPath of %s in %s.extraVolumeMounts" .name $name) "path" .mountPath "data" (ternary $v.data nil (eq (include "ebb.hasData" $) "true"))) -}}
{{- if has (trimSuffix "/" .mountPath) $taken -}}
{{- fail (printf "%s.extraVolumeMounts mounts %s at %s, but another volume uses this path. Use another path" $name .name .mountPath) -}}
{{- end -}}
{{- $taken = append $taken (trimSuffix "/" .mountPath) -}}
{{- end -}}
{{- $names := list "ebb" -}}
{{- range concat .role.initContainers (default list .role.extraContainers) -}}
{{- if has .name $names -}}
{{- fail (printf "%s.initContainers or extraContainers: %s is the name of another container of the pod. Use another name" $name .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- $mounts = concat $mounts (default list .volumeMounts) -}}
{{- end -}}
{{- range $mounts -}}
{{- if not (has .name $there) -}}
{{- fail (printf "%s: a container mounts the volume %s at %s, but the pod does not have this volume (it has %s). Add the volume to %s.extraVolumes, or remove the mount" $name .name .mountPath (join ", " $there) $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
