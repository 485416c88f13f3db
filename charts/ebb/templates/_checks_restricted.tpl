{{/* Refuses values of a role that violate the Pod Security Standard `restricted`. Arguments: root,
     name, role. */}}
{{- define "ebb.checkRestrictedRole" -}}
{{- $name := .name -}}
{{- $first := .role.initContainers -}}
{{- $kinds := list "configMap" "csi" "downwardAPI" "emptyDir" "ephemeral" "image" "persistentVolumeClaim" "projected" "secret" -}}
{{- range $volume := .role.extraVolumes -}}
{{- range $kind, $_ := omit $volume "name" -}}
{{- if not (has $kind $kinds) -}}
{{- fail (printf "%s.extraVolumes contains %s, a volume of the type %s. The Pod Security Standard `restricted` does not allow this type. Use a claim (persistentVolumeClaim), or set security.restricted=false (the namespace needs the level `%s`)" $name $volume.name $kind (ternary "privileged" "baseline" (eq $kind "hostPath"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $profile := .role.annotations -}}
{{- if and (hasPrefix "container.apparmor.security.beta.kubernetes.io/" $key) (not (regexMatch "^(runtime/default|localhost/.*)?$" $profile)) -}}
{{- fail (printf "%s.annotations contains %s=%s. The Pod Security Standard `restricted` does not allow this value. Remove it, or set security.restricted=false" $name $key $profile) -}}
{{- end -}}
{{- end -}}
{{- include "ebb.checkRestricted" (dict "at" (printf "%s.podSecurityContext" $name) "context" .role.podSecurityContext) -}}
{{- include "ebb.checkRestricted" (dict "at" (printf "%s.securityContext" $name) "context" .role.securityContext) -}}
{{- range $container := concat .role.initContainers (default list .role.extraContainers) -}}
{{- include "ebb.checkRestricted" (dict "at" (printf "%s.%s: securityContext of %s" $name (ternary "initContainers" "extraContainers" (has . $first)) .name) "context" (default dict .securityContext)) -}}
{{- $asked := list -}}
{{- range .ports -}}
{{- if .hostPort -}}{{- $asked = append $asked (printf "host port %d" (int .hostPort)) -}}{{- end -}}
{{- end -}}
{{- $handlers := list .livenessProbe .readinessProbe .startupProbe (dig "lifecycle" "postStart" dict .) (dig "lifecycle" "preStop" dict .) -}}
{{- range compact $handlers -}}
{{- $host := default (dig "tcpSocket" "host" "" .) (dig "httpGet" "host" "" .) -}}
{{- if $host -}}{{- $asked = append $asked (printf "a probe or hook with the host %s" $host) -}}{{- end -}}
{{- end -}}
{{- if $asked -}}
{{- fail (printf "%s.%s: %s violates the Pod Security Standard `restricted` (%s). Remove these settings, or set security.restricted=false" $name (ternary "initContainers" "extraContainers" (has $container $first)) .name (join ", " $asked)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses overrides of the chart's securityContext that violate the standard. Arguments: at,
     context. */}}
{{- define "ebb.checkRestricted" -}}
{{- $c := .context -}}
{{- $asked := list -}}
{{- if or (not (dig "runAsNonRoot" true $c)) (eq "0" (toString (dig "runAsUser" 1000 $c))) -}}{{- $asked = append $asked "user root" -}}{{- end -}}
{{- if $c.privileged -}}{{- $asked = append $asked "privileged" -}}{{- end -}}
{{- if $c.allowPrivilegeEscalation -}}{{- $asked = append $asked "allowPrivilegeEscalation" -}}{{- end -}}
{{- range without (default list (dig "capabilities" "add" list $c)) "NET_BIND_SERVICE" -}}{{- $asked = append $asked (printf "capability %s" .) -}}{{- end -}}
{{- if not (has "ALL" (default list (dig "capabilities" "drop" (list "ALL") $c))) -}}{{- $asked = append $asked "capabilities.drop without ALL" -}}{{- end -}}
{{- if eq "Unconfined" (dig "seccompProfile" "type" "" $c) -}}{{- $asked = append $asked "no seccomp profile" -}}{{- end -}}
{{- if eq "Unconfined" (dig "appArmorProfile" "type" "" $c) -}}{{- $asked = append $asked "no AppArmor profile" -}}{{- end -}}
{{- if not (has (dig "procMount" "" $c) (list "" "Default")) -}}{{- $asked = append $asked (printf "procMount %s" $c.procMount) -}}{{- end -}}
{{- if dig "windowsOptions" "hostProcess" false $c -}}{{- $asked = append $asked "Windows host process" -}}{{- end -}}
{{- $selinux := default dict $c.seLinuxOptions -}}
{{- if not (has (dig "type" "" $selinux) (list "" "container_t" "container_init_t" "container_kvm_t" "container_engine_t")) -}}{{- $asked = append $asked (printf "SELinux type %s" $selinux.type) -}}{{- end -}}
{{- range $key := list "user" "role" -}}
{{- with get $selinux $key -}}{{- $asked = append $asked (printf "SELinux %s %s" $key .) -}}{{- end -}}
{{- end -}}
{{- $sysctls := list "kernel.shm_rmid_forced" "net.ipv4.ip_local_port_range" "net.ipv4.ip_local_reserved_ports" "net.ipv4.ip_unprivileged_port_start" "net.ipv4.ping_group_range" "net.ipv4.tcp_fin_timeout" "net.ipv4.tcp_keepalive_intvl" "net.ipv4.tcp_keepalive_probes" "net.ipv4.tcp_keepalive_time" "net.ipv4.tcp_rmem" "net.ipv4.tcp_syncookies" "net.ipv4.tcp_wmem" -}}
{{- range $c.sysctls -}}
{{- if not (has .name $sysctls) -}}{{- $asked = append $asked (printf "sysctl %s" .name) -}}{{- end -}}
{{- end -}}
{{- if $asked -}}
{{- fail (printf "%s violates the Pod Security Standard `restricted` (%s). Remove these settings, or set security.restricted=false" .at (join ", " $asked)) -}}
{{- end -}}
{{- end -}}
