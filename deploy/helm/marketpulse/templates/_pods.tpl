{{/* What the pods of all processes of Marketpulse share: settings, secrets, files, who they run as. */}}

{{/* dict root, settings (of the process, plain), secretSettings, environment, taken (names that stand elsewhere). */}}
{{- define "marketpulse.environment" -}}
{{- $root := .root -}}
{{- $kafka := $root.Values.kafka -}}
{{- $plain := dict "MARKETPULSE_PREFIX" $root.Values.prefix "MARKETPULSE_KAFKA" (include "marketpulse.kafkaServers" $root) "MARKETPULSE_LOG_FORMAT" "json" -}}
{{- $secret := dict -}}
{{- if $root.Values.redis.bundled -}}
{{- $_ := set $plain "MARKETPULSE_REDIS_URL" (printf "redis://%s-redis:6379/0" (include "marketpulse.fullname" $root)) -}}
{{- else -}}
{{- $_ := set $secret "MARKETPULSE_REDIS_URL" "redis-url" -}}
{{- end -}}
{{- if not $kafka.bundled -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA_SECURITY_PROTOCOL" $kafka.securityProtocol -}}
{{- if hasPrefix "SASL" $kafka.securityProtocol -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA_SASL_MECHANISM" $kafka.saslMechanism -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA_USERNAME" $kafka.username -}}
{{- $_ := set $secret "MARKETPULSE_KAFKA_PASSWORD" "kafka-password" -}}
{{- end -}}
{{- if $kafka.tls.secretName -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA_CA" (printf "/etc/marketpulse/kafka/%s" $kafka.tls.ca) -}}
{{- if $kafka.tls.certificate -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA_CERTIFICATE" (printf "/etc/marketpulse/kafka/%s" $kafka.tls.certificate) -}}
{{- end -}}
{{- if $kafka.tls.key -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA_KEY" (printf "/etc/marketpulse/kafka/%s" $kafka.tls.key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $root.Values.rules -}}{{- $_ := set $plain "MARKETPULSE_RULES" "/etc/marketpulse/files/rules.toml" -}}{{- end -}}
{{- if $root.Values.portfolio -}}{{- $_ := set $plain "MARKETPULSE_PORTFOLIO" "/etc/marketpulse/files/markets.toml" -}}{{- end -}}
{{- $plain = mergeOverwrite $plain $root.Values.environment (.environment | default dict) $root.Values.settings (.settings | default dict) -}}
{{- $secret = mergeOverwrite $secret (.secretSettings | default dict) -}}
{{- if and (hasPrefix "SASL" $kafka.securityProtocol) (not $kafka.bundled) (not $plain.MARKETPULSE_KAFKA_USERNAME) (not $secret.MARKETPULSE_KAFKA_USERNAME) -}}
{{- fail "kafka.username is needed with a securityProtocol that begins with SASL" -}}
{{- end -}}
{{- range $name, $value := $plain }}
{{- if not (or (hasKey $secret $name) (has $name $.taken)) }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}
{{- range $name, $key := $secret }}
{{- if not (has $name $.taken) }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ include "marketpulse.secret" $root }}, key: {{ $key }}}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "marketpulse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* dict root, user, and group of volumes (0 = no matter). */}}
{{- define "marketpulse.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
{{- if .volumes }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Begin of the spec of every pod: root. Names of Services are not to become variables: MARKETPULSE_KAFKA_PORT is no setting. */}}
{{- define "marketpulse.podBegin" -}}
serviceAccountName: {{ include "marketpulse.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Pods are made anew when what they read at start changes: root. */}}
{{- define "marketpulse.checksums" -}}
checksum/files: {{ printf "%s%s" .Values.rules .Values.portfolio | sha256sum }}
checksum/secret: {{ .Values.secrets.create | toJson | sha256sum }}
{{- end -}}

{{- define "marketpulse.mounts" -}}
- {name: temporary, mountPath: /tmp}
{{- if or .Values.rules .Values.portfolio }}
- {name: files, mountPath: /etc/marketpulse/files, readOnly: true}
{{- end }}
{{- if and .Values.kafka.tls.secretName (not .Values.kafka.bundled) }}
- {name: kafka-tls, mountPath: /etc/marketpulse/kafka, readOnly: true}
{{- end }}
{{- end -}}

{{/* dict root, size of /tmp. */}}
{{- define "marketpulse.volumes" -}}
- name: temporary
  emptyDir: {sizeLimit: {{ .size }}}
{{- if or .root.Values.rules .root.Values.portfolio }}
- name: files
  configMap: {name: {{ include "marketpulse.fullname" .root }}-files}
{{- end }}
{{- if and .root.Values.kafka.tls.secretName (not .root.Values.kafka.bundled) }}
- name: kafka-tls
  secret: {secretName: {{ .root.Values.kafka.tls.secretName }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{/* dict root, name: spread over zones and nodes where that can be had. */}}
{{- define "marketpulse.spread" -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "marketpulse.selector" $ | nindent 6 }}
{{- end }}
{{- end -}}

{{/* dict root, name: a container that ends when there is a ledger. */}}
{{- define "marketpulse.waitForLedger" -}}
- name: wait-for-ledger
  {{- include "marketpulse.image" (dict "root" .root "image" .image) | nindent 2 }}
  args: [ledger, wait, --seconds, "900"]
  env:
    {{- include "marketpulse.environment" (dict "root" .root "settings" .settings "secretSettings" .secretSettings "environment" dict "taken" list) | nindent 4 }}
  securityContext:
    {{- include "marketpulse.containerSecurity" . | nindent 4 }}
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {memory: 256Mi}
  volumeMounts:
    {{- include "marketpulse.mounts" .root | nindent 4 }}
{{- end -}}
