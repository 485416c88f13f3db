# SPDX-License-Identifier: Apache-2.0
"""The inputs of the chart: those whose renders are in golden/, and those that it must refuse, each with its message."""

VAE = "configs/vae-fashion-mnist.yaml"
CLAIM = "checkpoints.claim.size=10Gi"


def given(*settings, config=VAE, checkpoints=CLAIM):
    """helm's arguments: each setting is one `--set`."""
    arguments = ["--set-file", f"config={config}"] if config else []
    for setting in ([checkpoints] if checkpoints else []) + list(settings):
        arguments += ["--set", setting]
    return arguments


def text(config, *settings):
    return ["--set-string", f"config={config}", *given(*settings, config=None)]


METRICS = "metrics.enabled=true"
# name -> arguments after `helm template r charts/ebb`
RENDERS = {
    "mpijob": given("workers=2,slotsPerWorker=2"),
    "job": given("mode=job,slotsPerWorker=4"),
    "job-suspended": given("job.suspend=true,job.activeDeadlineSeconds=86400,job.ttlSecondsAfterFinished=0,job.backoffLimit=0,job.cleanPodPolicy=All",
                           "job.launcherCreationPolicy=AtStartup,job.waitForWorkers=60,job.attempt=2,job.restarts=2,job.preflight=true"),
    "gpu": given("gpu.count=2,slotsPerWorker=2,workers=4", "env.NCCL_SOCKET_IFNAME=eth0", "worker.tolerations[0].key=nvidia.com/gpu,worker.tolerations[0].operator=Exists",
                 "shm.size=16Gi", "worker.resources.limits.memory=64Gi", "worker.runtimeClassName=nvidia"),
    "rdma": given("gpu.count=2,slotsPerWorker=2,workers=2", "rdma.resource=rdma/hca_shared_devices_a,rdma.ipcLock=true,security.restricted=false", "env.NCCL_IB_HCA=mlx5_0"),
    "kueue": given("kueue.queueName=team,kueue.priorityClass=research", "job.schedulingPolicy.minAvailable=3,job.schedulingPolicy.queue=team", "workers=2"),
    "claims": given("checkpoints.existingClaim=runs,data.existingClaim=sets", "networkPolicy.enabled=false", "overrides[0]=optimizer.beta1=0.8", checkpoints=None),
    "host-path": given("checkpoints.hostPath=/srv/runs,data.hostPath=/srv/sets,security.restricted=false", checkpoints=None),
    "empty-folders": given("checkpoints.emptyDir=true,data.emptyDir=true,job.backoffLimit=0,job.restarts=0", checkpoints=None),
    "ephemeral": given("checkpoints.ephemeral.size=10Gi,checkpoints.ephemeral.storageClassName=fast,data.ephemeral.size=5Gi,job.backoffLimit=0,job.restarts=0", checkpoints=None),
    "secrets": given("secrets[0].name=hub,secrets[0].mountPath=/secrets/hub", "secrets[1].name=store,secrets[1].mountPath=/secrets/store",
                     "env.AWS_SHARED_CREDENTIALS_FILE=/secrets/store/credentials"),
    "metrics": given(METRICS, "metrics.port=9464", "metrics.podMonitor.enabled=true,metrics.podMonitor.labels.release=prom,metrics.podMonitor.scrapeTimeout=10s", "workers=2,slotsPerWorker=2"),
    "metrics-job": given(METRICS, "mode=job,slotsPerWorker=2", "networkPolicy.prometheus.namespaceLabels=null", "networkPolicy.prometheus.podLabels=null"),
    "alerts": given(METRICS, "metrics.prometheusRule.enabled=true", "metrics.prometheusRule.alertLabels.team=models", "workers=2,slotsPerWorker=2"),
    "dashboard": given(METRICS, "metrics.dashboard.enabled=true,metrics.dashboard.annotations.grafana_folder=Training"),
    "tokenizer": given("data.existingClaim=sets", "overrides[0]=data.tokenizer=/data/bible/tokenizer.model", config="configs/gpt-bible.yaml"),
    "openshift": given("workers=2", "worker.podSecurityContext.runAsUser=null,worker.podSecurityContext.runAsGroup=null,worker.podSecurityContext.fsGroup=null",
                       "launcher.podSecurityContext.runAsUser=null,launcher.podSecurityContext.runAsGroup=null,launcher.podSecurityContext.fsGroup=null",
                       "networkPolicy.dnsPorts={5353}", "secrets[0].name=hub,secrets[0].mountPath=/secrets/hub"),
    "data-writers": given("data.existingClaim=sets,worker.initContainers[0].name=fill", "worker.initContainers[0].image=fetcher,worker.initContainers[0].volumeMounts[0].name=data,worker.initContainers[0].volumeMounts[0].mountPath=/data"),
    "roles": ["-f", "tests/charts/roles.yaml", *given("workers=2")],
}

# message -> arguments
REFUSALS = {
    # The configuration, and its number of ranks
    "config is empty": given(config=None),
    "config is not valid YAML": text("a: ["),
    "config is a map. It must be the complete configuration as one string": given("config.run.name=x", config=None),
    "data.batch of the run is 256. For 7 workers x 1 slots (x micro-batches), it must be a multiple of 7.": given("workers=7"),
    "data.batch of the run is 9. For 2 workers x 1 slots (x micro-batches), it must be a multiple of 2.": given("workers=2", "overrides[0]=data.batch=9"),
    "data.batch of the run is 256 (the default). For 7 workers x 1 slots": text("run: {name: a}", CLAIM, "workers=7"),
    "config is not UTF-8. Its file is probably UTF-16": given(config="tests/charts/utf16.yaml"),
    "config has more than one YAML document. Line 3 begins another": text("run: {name: a}\n# b\n---\nrun: {name: c}"),
    "config contains optimizer.schedule.kind twice, on the lines 4 and 6": text("run: {name: a}\noptimizer:\n  schedule:\n    kind: cosine\n\n    \"kind\": constant"),
    "config contains run twice, on the lines 1 and 5": text("run: {name: a}\nmodel:\n  note: |\n    run: 1\nrun: {seed: 2}"),
    "config has more than one YAML document. Line 2 begins another": text("run: {name: a}\n...\nmodel: {kind: vae}"),
    "parallel.ranks of the run is 3, but 1 workers x 1 slots are 1 ranks": text("parallel: {ranks: 3}"),
    "shm.size=2Gi exceeds worker.resources.limits.memory=1Gi": given("shm.size=2Gi,worker.resources.limits.memory=1Gi"),
    "shm.size=1Gi exceeds worker.resources.limits.memory=1073741823.": given("shm.size=1Gi,worker.resources.limits.memory=1073741823"),
    "shm.size=4Gi exceeds worker.resources.limits.memory=4e9": given("shm.size=4Gi,worker.resources.limits.memory=4e9"),
    "shm.size=1.5Ki exceeds worker.resources.limits.memory=1535": given("shm.size=1.5Ki,worker.resources.limits.memory=1535"),
    "shm.size=6G exceeds worker.resources.limits.memory=5999M": given("shm.size=6G,worker.resources.limits.memory=5999M"),
    "mode=job creates one pod, but workers=2": given("mode=job,workers=2"),
    # Refused by the schema
    "at '/workers': minimum: got 0, want 1": given("workers=0"),
    "additional properties 'wrokers' not allowed": given("wrokers=2"),
    "additional properties 'lables' not allowed": given("worker.lables.a=b"),
    "additional properties 'prot' not allowed": given("metrics.prot=1"),
    "additional properties 'memroy' not allowed": given("data.claim.memroy=1"),
    "at '/job/cleanPodPolicy': value must be one of 'None', 'Running', 'All'": given("job.cleanPodPolicy=Runing"),
    "at '/job/restarts': minimum: got -1, want 0": given("job.restarts=-1"),
    "at '/job/launcherCreationPolicy': value must be one of 'WaitForWorkersReady', 'AtStartup'": given("job.launcherCreationPolicy=WaitForWorkers"),
    "at '/metrics/port': minimum: got 80, want 1,024": given("metrics.port=80"),
    "at '/worker/tolerations/0/operator'": given("worker.tolerations[0].operator=Exist"),
    "at '/worker/securityContext': additional properties 'runAsUsr' not allowed": given("worker.securityContext.runAsUsr=2000"),
    "at '/launcher/podSecurityContext': additional properties 'fsGruop' not allowed": given("launcher.podSecurityContext.fsGruop=2000"),
    "at '/worker/securityContext/seccompProfile': additional properties 'typ' not allowed": given("worker.securityContext.seccompProfile.typ=RuntimeDefault"),
    "at '/worker/topologySpreadConstraints/0': additional properties 'minDomain' not allowed":
        given("worker.topologySpreadConstraints[0].maxSkew=1,worker.topologySpreadConstraints[0].topologyKey=zone",
              "worker.topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule,worker.topologySpreadConstraints[0].minDomain=2"),
    "at '/worker/initContainers/0': additional properties 'comand' not allowed": given("worker.initContainers[0].name=a,worker.initContainers[0].comand={a}"),
    "at '/worker/initContainers/0/volumeMounts/0': additional properties 'path' not allowed":
        given("worker.initContainers[0].name=a", "worker.initContainers[0].volumeMounts[0].name=tmp,worker.initContainers[0].volumeMounts[0].mountPath=/a,worker.initContainers[0].volumeMounts[0].path=b"),
    "at '/launcher/extraVolumes/0': additional properties 'configmap' not allowed": given("launcher.extraVolumes[0].name=x,launcher.extraVolumes[0].configmap.name=a"),
    "at '/worker/extraVolumes/0/persistentVolumeClaim': additional properties 'name' not allowed":
        given("worker.extraVolumes[0].name=x,worker.extraVolumes[0].persistentVolumeClaim.claimName=a,worker.extraVolumes[0].persistentVolumeClaim.name=a"),
    "at '/worker/extraVolumeMounts/0': additional properties 'readonly' not allowed":
        given("worker.extraVolumeMounts[0].name=tmp,worker.extraVolumeMounts[0].mountPath=/a,worker.extraVolumeMounts[0].readonly=true"),
    "at '/worker/extraEnv/0/valueFrom': additional properties 'secretRef' not allowed": given("worker.extraEnv[0].name=A,worker.extraEnv[0].valueFrom.secretRef.name=a"),
    "at '/networkPolicy/extraEgress/0': additional properties 'port' not allowed": given("networkPolicy.extraEgress[0].port=443"),
    "at '/networkPolicy/extraEgress/0/to/0': additional properties 'cidr' not allowed": given("networkPolicy.extraEgress[0].to[0].cidr=10.0.0.0/8"),
    # Names
    "is not a valid name of a job": given("fullnameOverride=1st"),
    # 41 + 9 of the digest + 14 of -worker-10000 less one
    " is too long. It has 64 characters, but Kubernetes allows 63. Set fullnameOverride to at most 45 characters":
        given("fullnameOverride=a123456789b123456789c123456789d123456789e12345"),
    "Set fullnameOverride to at most 44 characters": given("fullnameOverride=a123456789b123456789c123456789d123456789e1234", "workers=16"),
    # Volumes
    "data.existingClaim and checkpoints.existingClaim are both shared": given("data.existingClaim=shared,checkpoints.existingClaim=shared", checkpoints=None),
    "checkpoints has no source": given(checkpoints=None),
    "checkpoints has more than one source (existingClaim, claim.size)": given("checkpoints.existingClaim=x"),
    "checkpoints has more than one source (claim.size, emptyDir)": given("checkpoints.emptyDir=true"),
    "data has more than one source (existingClaim, claim.size)": given("data.existingClaim=x,data.claim.size=1Gi"),
    "data has more than one source (ephemeral.size, emptyDir)": given("data.emptyDir=true,data.ephemeral.size=1Gi"),
    "checkpoints.emptyDir: Kubernetes deletes the checkpoints with the pod. With job.backoffLimit=2, the next pod would train from the beginning": given("checkpoints.emptyDir=true", checkpoints=None),
    "checkpoints.ephemeral.size: Kubernetes deletes the checkpoints with the pod": given("checkpoints.ephemeral.size=1Gi", checkpoints=None),
    "With job.restarts=5, the run would restart from the beginning in a new worker pod": given("checkpoints.emptyDir=true,job.backoffLimit=0", checkpoints=None),
    "is a separate folder in each of 2 workers": given("checkpoints.emptyDir=true,job.backoffLimit=0,job.restarts=0,workers=2", checkpoints=None),
    "checkpoints.claim.accessModes is ReadWriteOnce, but 2 pods mount this claim, possibly on different nodes (the launcher and workers=1). Add ReadWriteMany":
        given("checkpoints.claim.accessModes={ReadWriteOnce}"),
    "checkpoints.claim.accessModes is ReadWriteOnce, ReadOnlyMany, but 3 pods mount this claim": given("workers=2", "checkpoints.claim.accessModes={ReadWriteOnce,ReadOnlyMany}"),
    "data.claim.accessModes is ReadWriteOnce, but 2 pods read this claim, possibly on different nodes. Add ReadWriteMany or ReadOnlyMany":
        given("workers=2,data.claim.size=1Gi", "data.claim.accessModes={ReadWriteOnce}"),
    # The launcher reads the tokenizer beside one worker.
    "data.claim.accessModes is ReadWriteOncePod, but 2 pods read this claim":
        given("data.claim.size=1Gi", "data.claim.accessModes={ReadWriteOncePod}", "overrides[0]=data.tokenizer=${EBB_DATA:-data}/tokenizer.model"),
    "data.emptyDir is a separate folder in each pod. The launcher reads the tokenizer": given("data.emptyDir=true", "overrides[0]=data.tokenizer=/data/tokenizer.model"),
    "the run folder would be /other/vae-fashion-mnist, but this folder is not on the checkpoint volume (checkpoints.mountPath=/runs)": given("overrides[0]=run.dir=/other"),
    "the run folder would be /runs2/vae-fashion-mnist": given("overrides[0]=run.dir=/runs2"),
    "the run folder would be runs/vae-fashion-mnist": given("overrides[0]=run.dir=runs"),
    "the run folder would be /tmp/vae-fashion-mnist": given("overrides[0]=run.dir=/runs/../tmp"),
    "the run folder would be /there/vae-fashion-mnist": given("overrides[0]=run.dir='/there'"),
    "the run folder would be ${HOME}/vae-fashion-mnist": given("overrides[0]=run.dir=/runs,overrides[1]=run.dir=${HOME}"),
    "the run folder would be /tmp/x, but this folder is not on the checkpoint volume": text("run: {name: /tmp/x}", CLAIM),
    "the Pod Security Standard `restricted` does not allow a host path": given("checkpoints.hostPath=/srv", checkpoints=None),
    "terminationGracePeriodSeconds=300 is too short. A checkpoint of 100000000000 bytes at 104857600 bytes per second and a step take 1013 seconds together": given("checkpointBytes=100000000000"),
    "data.mountPath is /usr/. This would hide /usr/bin of the image, which the program needs": given("data.emptyDir=true,data.mountPath=/usr/"),
    "checkpoints.mountPath is /home. This would hide /home/mpiuser of the image": given("checkpoints.mountPath=/home"),
    "the mountPath of the secret hub is /opt/ebb. This would hide /opt/ebb/lib": given("secrets[0].name=hub,secrets[0].mountPath=/opt/ebb"),
    "the mountPath of x in worker.extraVolumeMounts is /proc/data. /proc belongs to the system":
        given("worker.extraVolumes[0].name=x,worker.extraVolumes[0].emptyDir.medium=", "worker.extraVolumeMounts[0].name=x,worker.extraVolumeMounts[0].mountPath=/proc/data"),
    "the mountPath of x in worker.extraVolumeMounts is /data/cache, a folder of data.mountPath=/data":
        given("data.existingClaim=sets,worker.extraVolumes[0].name=x", "worker.extraVolumeMounts[0].name=x,worker.extraVolumeMounts[0].mountPath=/data/cache"),
    "the mountPath of x in launcher.extraVolumeMounts is data. It must be an absolute path":
        given("launcher.extraVolumes[0].name=x,launcher.extraVolumes[0].emptyDir.medium=", "launcher.extraVolumeMounts[0].name=x,launcher.extraVolumeMounts[0].mountPath=data"),
    "checkpoints.mountPath is /data/runs, a folder of data.mountPath=/data. Kubernetes cannot mount there": given("data.existingClaim=sets,checkpoints.mountPath=/data/runs"),
    "the mountPath of the secret hub is /runs, but another volume uses this path": given("secrets[0].name=hub,secrets[0].mountPath=/runs"),
    "data.mountPath is /tmp, but another volume uses this path": given("data.emptyDir=true,data.mountPath=/tmp"),
    # Pods
    "gpu.count=4 differs from slotsPerWorker=2": given("gpu.count=4,slotsPerWorker=2"),
    "rdma.ipcLock adds the capability IPC_LOCK, but the Pod Security Standard `restricted` does not allow it": given("rdma.resource=rdma/a,rdma.ipcLock=true"),
    "rdma.resource is empty": given("rdma.ipcLock=true,security.restricted=false"),
    **{f"env.A_{end} looks like a secret": given(f"env.A_{end}=x") for end in ("PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY")},
    "env.OMPI_MCA_plm_rsh_args: the MPI operator overwrites OMPI_MCA_plm_rsh_args": given("env.OMPI_MCA_plm_rsh_args=x"),
    "env.EBB_DATA: the chart sets EBB_DATA itself, from data.mountPath": given("env.EBB_DATA=x"),
    "env.EBB_KILLED_FOR_MEMORY: the chart sets EBB_KILLED_FOR_MEMORY itself": given("env.EBB_KILLED_FOR_MEMORY=x"),
    "env.EBB_ATTEMPT: the chart sets EBB_ATTEMPT itself": given("env.EBB_ATTEMPT=x"),
    "worker.extraEnv: the chart sets HOME itself": given("worker.extraEnv[0].name=HOME"),
    "launcher.extraEnv contains A, but env also contains it": given("env.A=x", "launcher.extraEnv[0].name=A"),
    "worker.labels contains training.kubeflow.org/job-role": given("worker.labels.training\\.kubeflow\\.org/job-role=x"),
    "launcher.annotations contains linkerd.io/inject": given("launcher.annotations.linkerd\\.io/inject=enabled"),
    "worker.labels contains istio.io/dataplane-mode": given("worker.labels.istio\\.io/dataplane-mode=ambient"),
    "job.annotations contains ebb/attempt": given("job.annotations.ebb/attempt=x"),
    "worker.resourceClaims contains gpu twice": given("worker.resourceClaims[0].name=gpu,worker.resourceClaims[0].resourceClaimName=a,worker.resourceClaims[1].name=gpu"),
    "worker.resourceClaims: gpu needs either resourceClaimName or resourceClaimTemplateName": given("worker.resourceClaims[0].name=gpu"),
    "worker.resources.claims contains nic,": given("worker.initContainers[0].name=a,worker.initContainers[0].resources.claims[0].name=nic"),
    "job.labels contains kueue.x-k8s.io/queue-name, but the chart sets this label (kueue.queueName": given("job.labels.kueue\\.x-k8s\\.io/queue-name=a"),
    "worker.resources.claims contains gpu, but worker.resourceClaims does not have this claim (it has none)": given("worker.resources.claims[0].name=gpu"),
    "launcher.resources.claims contains gpu, but launcher.resourceClaims does not have this claim (it has a, b)":
        given("launcher.resources.claims[0].name=gpu", "launcher.resourceClaims[0].name=a,launcher.resourceClaims[0].resourceClaimName=x,launcher.resourceClaims[1].name=b,launcher.resourceClaims[1].resourceClaimName=y"),
    "worker.extraContainers: the job would not end before these containers end. Use worker.initContainers with restartPolicy: Always": given("mode=job,worker.extraContainers[0].name=a"),
    "launcher.extraContainers: the job would not end": given("launcher.extraContainers[0].name=a"),
    "worker.initContainers or extraContainers: a is the name of another container": given("worker.initContainers[0].name=a,worker.extraContainers[0].name=a"),
    "worker.extraContainers: securityContext of a violates the Pod Security Standard `restricted` (privileged)": given("worker.extraContainers[0].name=a,worker.extraContainers[0].securityContext.privileged=true"),
    "at '/image/digest'": given("image.digest=sha256:abc"),
    "launcher.annotations contains sidecar.istio.io/inject": given("launcher.annotations.sidecar\\.istio\\.io/inject=x"),
    "worker.extraVolumes contains the volume tmp, but the chart or the operator uses this name": given("worker.extraVolumes[0].name=tmp"),
    "worker.extraVolumes contains x, a volume of the type hostPath. The Pod Security Standard `restricted` does not allow this type. Use a claim (persistentVolumeClaim), or set security.restricted=false (the namespace needs the level `privileged`)":
        given("worker.extraVolumes[0].name=x,worker.extraVolumes[0].hostPath.path=/srv"),
    "launcher.extraVolumes contains x, a volume of the type nfs. The Pod Security Standard `restricted` does not allow this type. Use a claim (persistentVolumeClaim), or set security.restricted=false (the namespace needs the level `baseline`)":
        given("launcher.extraVolumes[0].name=x,launcher.extraVolumes[0].nfs.server=s,launcher.extraVolumes[0].nfs.path=/"),
    "launcher: a container mounts the volume data at /data, but the pod does not have this volume (it has config, tmp, shm, checkpoints, ssh-auth, mpi-job-config)":
        given("data.existingClaim=sets", "launcher.initContainers[0].name=a,launcher.initContainers[0].volumeMounts[0].name=data,launcher.initContainers[0].volumeMounts[0].mountPath=/data"),
    "worker: a container mounts the volume scrach at /scratch": given("worker.extraVolumes[0].name=scratch,worker.extraVolumeMounts[0].name=scrach,worker.extraVolumeMounts[0].mountPath=/scratch"),
    "worker: a container mounts the volume mpi-job-config at /a, but the pod does not have this volume": given("worker.extraVolumeMounts[0].name=mpi-job-config,worker.extraVolumeMounts[0].mountPath=/a"),
    "worker: a container mounts the volume ssh-auth at /a, but the pod does not have this volume (it has config, tmp, shm, checkpoints)":
        given("mode=job", "worker.extraVolumeMounts[0].name=ssh-auth,worker.extraVolumeMounts[0].mountPath=/a"),
    "worker.extraVolumeMounts mounts tmp at /runs/, but another volume uses this path": given("worker.extraVolumeMounts[0].name=tmp,worker.extraVolumeMounts[0].mountPath=/runs/"),
    "launcher.extraVolumeMounts mounts shm at /a, but another volume uses this path":
        given("launcher.extraVolumeMounts[0].name=tmp,launcher.extraVolumeMounts[0].mountPath=/a,launcher.extraVolumeMounts[1].name=shm,launcher.extraVolumeMounts[1].mountPath=/a"),
    "worker.initContainers or extraContainers: ebb is the name of another container of the pod": given("worker.initContainers[0].name=ebb"),
    "worker.securityContext violates the Pod Security Standard `restricted` (privileged)": given("worker.securityContext.privileged=true"),
    "launcher.podSecurityContext violates the Pod Security Standard `restricted` (user root)": given("launcher.podSecurityContext.runAsUser=0"),
    "(allowPrivilegeEscalation, capability SYS_ADMIN, capabilities.drop without ALL, no seccomp profile)":
        given("worker.securityContext.allowPrivilegeEscalation=true", "worker.securityContext.capabilities.add={SYS_ADMIN},worker.securityContext.capabilities.drop={}",
              "worker.securityContext.seccompProfile.type=Unconfined"),
    "(no AppArmor profile, procMount Unmasked, Windows host process, SELinux type spc_t, SELinux user u, SELinux role r)":
        given("worker.securityContext.appArmorProfile.type=Unconfined,worker.securityContext.procMount=Unmasked,worker.securityContext.windowsOptions.hostProcess=true",
              "worker.securityContext.seLinuxOptions.type=spc_t,worker.securityContext.seLinuxOptions.user=u,worker.securityContext.seLinuxOptions.role=r"),
    "launcher.podSecurityContext violates the Pod Security Standard `restricted` (sysctl kernel.msgmax)":
        given("launcher.podSecurityContext.sysctls[0].name=net.ipv4.tcp_rmem,launcher.podSecurityContext.sysctls[0].value=a,launcher.podSecurityContext.sysctls[1].name=kernel.msgmax,launcher.podSecurityContext.sysctls[1].value=b"),
    "worker.annotations contains container.apparmor.security.beta.kubernetes.io/ebb=unconfined": given("worker.annotations.container\\.apparmor\\.security\\.beta\\.kubernetes\\.io/ebb=unconfined"),
    "worker.initContainers: a violates the Pod Security Standard `restricted` (host port 80, a probe or hook with the host 10.0.0.1)":
        given("worker.initContainers[0].name=a,worker.initContainers[0].ports[0].containerPort=80,worker.initContainers[0].ports[0].hostPort=80",
              "worker.initContainers[0].startupProbe.httpGet.host=10.0.0.1"),
    "worker.initContainers: securityContext of a violates the Pod Security Standard `restricted`": given("worker.initContainers[0].name=a,worker.initContainers[0].securityContext.runAsUser=0"),
    # Metrics
    "metrics.port=2222 is the port of sshd": given(METRICS, "metrics.port=2222"),
    "overrides contains telemetry.port=1": given(METRICS, "overrides[0]=telemetry.port=1"),
    "telemetry.port of the run is 2222, the port of sshd in every worker": given("overrides[0]=telemetry.port=2222"),
    "telemetry.port of the run is 9464, but metrics.enabled=false. No pod declares this port, and the network policy blocks it. Set metrics.enabled=true and metrics.port":
        given("overrides[0]=telemetry.port=9464"),
    "telemetry.port of the run is 8080, but metrics.enabled=false": text("telemetry: {port: 8080}", CLAIM),
    "metrics.podMonitor.enabled is set, but no rank serves metrics": given("metrics.podMonitor.enabled=true"),
}
