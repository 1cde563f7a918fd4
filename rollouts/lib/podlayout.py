"""The order and presence of members in Go's JSON of pod templates and of canary steps.

Hashes of templates are hashes of text, so the text must be the one Go's encoder makes of the Kubernetes structs.
Those facts are the table below, one line a struct: `member:type` in order of declaration.

    s string   i integer   b boolean   x int or string   q quantity   r raw JSON   {s} {q} maps   [T] list   Name struct
    *T         pointer: left out when absent, kept when zero
    !          kept even when absent or zero

Plain strings, numbers and booleans are left out when zero; plain structs are always kept. `@Name` continues with the
members of another struct. Encoding is hashing.py's and podjson.py's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

ROOT = "PodTemplateSpec"
STEP = "Step"

_TABLE = """
PodTemplateSpec metadata:ObjectMeta spec:PodSpec
ObjectMeta name:s generateName:s namespace:s labels:{s} annotations:{s} finalizers:[s]
PodSpec volumes:[Volume] initContainers:[Container] containers:[Container]! ephemeralContainers:[EphemeralContainer]
  restartPolicy:s terminationGracePeriodSeconds:*i activeDeadlineSeconds:*i dnsPolicy:s nodeSelector:{s}
  serviceAccountName:s serviceAccount:s automountServiceAccountToken:*b nodeName:s hostNetwork:b hostPID:b hostIPC:b
  shareProcessNamespace:*b securityContext:*PodSecurityContext imagePullSecrets:[LocalRef] hostname:s subdomain:s
  affinity:*Affinity schedulerName:s tolerations:[Toleration] hostAliases:[HostAlias] priorityClassName:s priority:*i
  dnsConfig:*DNSConfig readinessGates:[ReadinessGate] runtimeClassName:*s enableServiceLinks:*b preemptionPolicy:*s
  overhead:{q} topologySpreadConstraints:[Spread] setHostnameAsFQDN:*b os:*Named hostUsers:*b schedulingGates:[Named]
  resourceClaims:[PodResourceClaim] resources:*Resources hostnameOverride:*s
  schedulingGroup:*SchedulingGroup evictionResponders:[EvictionResponder]
Container name:s! image:s command:[s] args:[s] workingDir:s ports:[Port] envFrom:[EnvFrom] env:[Env]
  resources:Resources resizePolicy:[Resize] restartPolicy:*s restartPolicyRules:[RestartRule] volumeMounts:[Mount]
  volumeDevices:[Device] livenessProbe:*Probe readinessProbe:*Probe startupProbe:*Probe lifecycle:*Lifecycle
  terminationMessagePath:s terminationMessagePolicy:s imagePullPolicy:s securityContext:*SecurityContext
  stdin:b stdinOnce:b tty:b
EphemeralContainer @Container targetContainerName:s
Port name:s hostPort:i containerPort:i! protocol:s hostIP:s
EnvFrom prefix:s configMapRef:*OptionalRef secretRef:*OptionalRef
Env name:s! value:s valueFrom:*EnvSource
EnvSource fieldRef:*FieldRef resourceFieldRef:*ResourceFieldRef configMapKeyRef:*KeyRef secretKeyRef:*KeyRef
  fileKeyRef:*FileKeyRef
FieldRef apiVersion:s fieldPath:s!
ResourceFieldRef containerName:s resource:s! divisor:q
KeyRef name:s key:s! optional:*b
FileKeyRef volumeName:s! path:s! key:s! optional:*b
OptionalRef name:s optional:*b
LocalRef name:s
Named name:s!
Resources limits:{q} requests:{q} claims:[Claim]
Claim name:s! request:s
Resize resourceName:s! restartPolicy:s!
RestartRule action:s exitCodes:*ExitCodes
ExitCodes operator:s values:[i]
Mount name:s! readOnly:b recursiveReadOnly:*s mountPath:s! subPath:s mountPropagation:*s subPathExpr:s
  bindMountOptions:[s]
Device name:s! devicePath:s!
Probe exec:*Exec httpGet:*HTTPGet tcpSocket:*TCPSocket grpc:*GRPC initialDelaySeconds:i timeoutSeconds:i
  periodSeconds:i successThreshold:i failureThreshold:i terminationGracePeriodSeconds:*i
Exec command:[s]
HTTPGet path:s port:x! host:s scheme:s httpHeaders:[Header] protocol:*s
Header name:s! value:s!
TCPSocket port:x! host:s
GRPC port:i! service:*s! mode:*s
Lifecycle postStart:*Handler preStop:*Handler stopSignal:*s
Handler exec:*Exec httpGet:*HTTPGet tcpSocket:*TCPSocket sleep:*Sleep
Sleep seconds:i!
SecurityContext capabilities:*Capabilities privileged:*b seLinuxOptions:*SELinux windowsOptions:*Windows runAsUser:*i
  runAsGroup:*i runAsNonRoot:*b readOnlyRootFilesystem:*b allowPrivilegeEscalation:*b procMount:*s
  seccompProfile:*Profile appArmorProfile:*Profile
PodSecurityContext seLinuxOptions:*SELinux windowsOptions:*Windows runAsUser:*i runAsGroup:*i runAsNonRoot:*b
  supplementalGroups:[i] supplementalGroupsPolicy:*s fsGroup:*i sysctls:[Header] fsGroupChangePolicy:*s
  seccompProfile:*Profile appArmorProfile:*Profile seLinuxChangePolicy:*s
Capabilities add:[s] drop:[s]
SELinux user:s role:s type:s level:s
Windows gmsaCredentialSpecName:*s gmsaCredentialSpec:*s runAsUserName:*s hostProcess:*b
Profile type:s! localhostProfile:*s
Affinity nodeAffinity:*NodeAffinity podAffinity:*PodAffinity podAntiAffinity:*PodAffinity
NodeAffinity requiredDuringSchedulingIgnoredDuringExecution:*NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution:[PreferredTerm]
NodeSelector nodeSelectorTerms:[NodeTerm]!
NodeTerm matchExpressions:[Requirement] matchFields:[Requirement]
Requirement key:s! operator:s! values:[s]
PreferredTerm weight:i! preference:NodeTerm
PodAffinity requiredDuringSchedulingIgnoredDuringExecution:[PodTerm]
  preferredDuringSchedulingIgnoredDuringExecution:[WeightedTerm]
PodTerm labelSelector:*LabelSelector namespaces:[s] topologyKey:s! namespaceSelector:*LabelSelector matchLabelKeys:[s]
  mismatchLabelKeys:[s]
WeightedTerm weight:i! podAffinityTerm:PodTerm
LabelSelector matchLabels:{s} matchExpressions:[Requirement]
Toleration key:s operator:s value:s effect:s tolerationSeconds:*i
HostAlias ip:s! hostnames:[s]
DNSConfig nameservers:[s] searches:[s] options:[DNSOption]
DNSOption name:s value:*s
ReadinessGate conditionType:s!
Spread maxSkew:i! topologyKey:s! whenUnsatisfiable:s! labelSelector:*LabelSelector minDomains:*i nodeAffinityPolicy:*s
  nodeTaintsPolicy:*s matchLabelKeys:[s]
PodResourceClaim name:s! resourceClaimName:*s resourceClaimTemplateName:*s
Volume name:s! hostPath:*HostPath emptyDir:*EmptyDir gcePersistentDisk:*GCEDisk awsElasticBlockStore:*AWSDisk
  gitRepo:*GitRepo secret:*SecretVolume nfs:*NFS iscsi:*ISCSI glusterfs:*Glusterfs persistentVolumeClaim:*ClaimVolume
  rbd:*RBD flexVolume:*Flex cinder:*Cinder cephfs:*CephFS flocker:*Flocker downwardAPI:*DownwardVolume fc:*FC
  azureFile:*AzureFile configMap:*ConfigMapVolume vsphereVolume:*VSphere quobyte:*Quobyte azureDisk:*AzureDisk
  photonPersistentDisk:*Photon projected:*Projected portworxVolume:*Portworx scaleIO:*ScaleIO storageos:*StorageOS
  csi:*CSI ephemeral:*Ephemeral image:*Image
HostPath path:s! type:*s
EmptyDir medium:s sizeLimit:*q mode:*i
GCEDisk pdName:s! fsType:s partition:i readOnly:b
AWSDisk volumeID:s! fsType:s partition:i readOnly:b
GitRepo repository:s! revision:s directory:s
SecretVolume secretName:s items:[KeyPath] defaultMode:*i optional:*b defaultUser:*i
KeyPath key:s! path:s! mode:*i user:*i
NFS server:s! path:s! readOnly:b
ISCSI targetPortal:s! iqn:s! lun:i! iscsiInterface:s fsType:s readOnly:b portals:[s] chapAuthDiscovery:b
  chapAuthSession:b secretRef:*LocalRef initiatorName:*s
Glusterfs endpoints:s! path:s! readOnly:b
ClaimVolume claimName:s! readOnly:b
RBD monitors:[s]! image:s! fsType:s pool:s user:s keyring:s secretRef:*LocalRef readOnly:b
Flex driver:s! fsType:s secretRef:*LocalRef readOnly:b options:{s}
Cinder volumeID:s! fsType:s readOnly:b secretRef:*LocalRef
CephFS monitors:[s]! path:s user:s secretFile:s secretRef:*LocalRef readOnly:b
Flocker datasetName:s datasetUUID:s
DownwardVolume items:[DownwardFile] defaultMode:*i defaultUser:*i
DownwardFile path:s! fieldRef:*FieldRef resourceFieldRef:*ResourceFieldRef mode:*i user:*i
FC targetWWNs:[s] lun:*i fsType:s readOnly:b wwids:[s]
AzureFile secretName:s! shareName:s! readOnly:b
ConfigMapVolume name:s items:[KeyPath] defaultMode:*i optional:*b defaultUser:*i
VSphere volumePath:s! fsType:s storagePolicyName:s storagePolicyID:s
Quobyte registry:s! volume:s! readOnly:b user:s group:s tenant:s
AzureDisk diskName:s! diskURI:s! cachingMode:*s fsType:*s readOnly:*b kind:*s
Photon pdID:s! fsType:s
Projected sources:[Projection]! defaultMode:*i defaultUser:*i
Projection secret:*SomeKeys downwardAPI:*DownwardItems configMap:*SomeKeys serviceAccountToken:*TokenProjection
  clusterTrustBundle:*TrustBundle podCertificate:*PodCertificate
SomeKeys name:s items:[KeyPath] optional:*b
DownwardItems items:[DownwardFile]
TokenProjection audience:s expirationSeconds:*i path:s! user:*i
TrustBundle name:*s signerName:*s labelSelector:*LabelSelector optional:*b path:s! user:*i
PodCertificate signerName:s keyType:s maxExpirationSeconds:*i credentialBundlePath:s keyPath:s certificateChainPath:s
  userAnnotations:{s} user:*i
Portworx volumeID:s! fsType:s readOnly:b
ScaleIO gateway:s! system:s! secretRef:*LocalRef! sslEnabled:b protectionDomain:s storagePool:s storageMode:s
  volumeName:s fsType:s readOnly:b
StorageOS volumeName:s volumeNamespace:s fsType:s readOnly:b secretRef:*LocalRef
CSI driver:s! readOnly:*b fsType:*s volumeAttributes:{s} nodePublishSecretRef:*LocalRef
Ephemeral volumeClaimTemplate:*ClaimTemplate
ClaimTemplate metadata:ObjectMeta spec:ClaimSpec
ClaimSpec accessModes:[s] selector:*LabelSelector resources:Resources volumeName:s storageClassName:*s volumeMode:*s
  dataSource:*DataSource dataSourceRef:*DataSourceRef volumeAttributesClassName:*s
DataSource apiGroup:*s! kind:s! name:s!
DataSourceRef apiGroup:*s! kind:s! name:s! namespace:*s
Image reference:s pullPolicy:s
Step setWeight:*i pause:*Pause experiment:*Experiment analysis:*Analysis setCanaryScale:*CanaryScale
  setHeaderRoute:*HeaderRoute setMirrorRoute:*MirrorRoute plugin:*Plugin
Pause duration:*x
Experiment templates:[Version]! duration:s analyses:[ExperimentAnalysis] dryRun:[MetricName] analysisRunMetadata:Meta
  scaleDownDelaySeconds:*i
Version name:s! specRef:s! replicas:*i metadata:Meta selector:*LabelSelector weight:*i service:*LocalRef
Meta labels:{s} annotations:{s}
ExperimentAnalysis name:s! templateName:s! clusterScope:*b args:[Argument] requiredForCompletion:b
Analysis templates:[TemplateRef] args:[Argument] dryRun:[MetricName] measurementRetention:[Retention]
  analysisRunMetadata:*Meta
TemplateRef templateName:s! clusterScope:*b
Argument name:s! value:s valueFrom:*ArgumentSource
ArgumentSource podTemplateHashValue:*s fieldRef:*ArgumentField
ArgumentField fieldPath:s!
MetricName metricName:s!
Retention metricName:s! limit:i!
CanaryScale weight:*i replicas:*i matchTrafficWeight:b
HeaderRoute name:s match:[HeaderMatch]
HeaderMatch headerName:s! headerValue:*StringMatch!
StringMatch exact:s prefix:s regex:s
MirrorRoute name:s! match:[RouteMatch] percentage:*i
RouteMatch method:*StringMatch path:*StringMatch headers:{StringMatch}
Plugin name:s! config:r
"""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a struct: its JSON name, its type in the notation above, and when it is written."""

    name: str
    type: str
    is_pointer: bool
    is_always_written: bool


@cache
def structs() -> dict[str, tuple[Member, ...]]:
    """Every struct of the table, by name."""
    lines = _TABLE.replace("\n  ", " ").strip().splitlines()
    words = {line.split()[0]: line.split()[1:] for line in lines}
    return {name: tuple(_members(members, words)) for name, members in words.items()}


def _members(members: list[str], words: dict[str, list[str]]) -> list[Member]:
    read: list[Member] = []
    for word in members:
        if word.startswith("@"):
            read.extend(_members(words[word[1:]], words))
            continue
        name, notation = word.split(":", 1)
        kind = notation.removesuffix("!")
        read.append(
            Member(
                name=name,
                type=kind.removeprefix("*"),
                is_pointer=kind.startswith("*"),
                is_always_written=notation.endswith("!"),
            )
        )
    return read
