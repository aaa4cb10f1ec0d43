{{/* What the pods of all processes of Marketpulse share: settings, secrets, files, who they run as. `reaches` is which
servers a process speaks to (kafka, redis): it is told of no other, and gets no login for another. */}}

{{/* A value as a variable has it; whole numbers never as 1e+06. */}}
{{- define "marketpulse.value" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . | toString | quote }}{{ else }}{{ toString . | quote }}{{ end -}}
{{- end -}}

{{/* dict root, reaches: server -> its tls values, for those that are spoken to by TLS with files of our own. */}}
{{- define "marketpulse.tls" -}}
{{- range $server := .reaches }}
{{- $values := index $.root.Values $server }}
{{- if and $values.tls.secretName (not $values.bundled) }}
{{ $server }}: {{ $values.tls | toJson }}
{{- end }}
{{- end }}
{{- end -}}

{{/* dict root, login, name (redis-url, kafka-password): the key of the Secret with a process's own login, or with the shared one. */}}
{{- define "marketpulse.secretKey" -}}
{{ .name }}{{ if not .root.Values.secrets.shared }}-{{ .login }}{{ end }}
{{- end -}}

{{/* dict root, reaches, login (whose: worker, page, producer, notifier, operator), settings (plain), secretSettings (setting:
key), environment, taken (names that stand elsewhere). */}}
{{- define "marketpulse.environment" -}}
{{- $root := .root -}}
{{- $kafka := $root.Values.kafka -}}
{{- $plain := dict "MARKETPULSE_PREFIX" $root.Values.prefix "MARKETPULSE_LOG_FORMAT" "json" "MARKETPULSE_KAFKA" "" -}}
{{- $secret := dict -}}
{{- $login := and (has "kafka" .reaches) (not $kafka.bundled) (hasPrefix "SASL" $kafka.securityProtocol) -}}
{{- if has "redis" .reaches -}}
{{- if $root.Values.redis.bundled -}}
{{- $_ := set $plain "MARKETPULSE_REDIS_URL" (printf "redis://%s-redis:6379/0" (include "marketpulse.fullname" $root)) -}}
{{- else -}}
{{- $_ := set $secret "MARKETPULSE_REDIS_URL" (include "marketpulse.secretKey" (dict "root" $root "login" .login "name" "redis-url")) -}}
{{- end -}}
{{- end -}}
{{- if has "kafka" .reaches -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA" (include "marketpulse.kafkaServers" $root) -}}
{{- if not $kafka.bundled -}}{{- $_ := set $plain "MARKETPULSE_KAFKA_SECURITY_PROTOCOL" $kafka.securityProtocol -}}{{- end -}}
{{- end -}}
{{- if $login -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA_SASL_MECHANISM" $kafka.saslMechanism -}}
{{- $_ := set $plain "MARKETPULSE_KAFKA_USERNAME" (ternary $kafka.username (printf "%s-%s" $root.Values.prefix .login) $root.Values.secrets.shared) -}}
{{- $_ := set $secret "MARKETPULSE_KAFKA_PASSWORD" (include "marketpulse.secretKey" (dict "root" $root "login" .login "name" "kafka-password")) -}}
{{- end -}}
{{- range $server, $tls := include "marketpulse.tls" . | fromYaml -}}
{{- range $file, $setting := dict "ca" "CA" "certificate" "CERTIFICATE" "key" "KEY" -}}
{{- with index $tls $file -}}
{{- $_ := set $plain (printf "MARKETPULSE_%s_%s" (upper $server) $setting) (printf "/etc/marketpulse/%s/%s" $server .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $root.Values.rules -}}{{- $_ := set $plain "MARKETPULSE_RULES" "/etc/marketpulse/files/rules.toml" -}}{{- end -}}
{{- if $root.Values.sinks -}}{{- $_ := set $plain "MARKETPULSE_SINKS" "/etc/marketpulse/files/sinks.toml" -}}{{- end -}}
{{- if $root.Values.portfolio -}}{{- $_ := set $plain "MARKETPULSE_PORTFOLIO" "/etc/marketpulse/files/markets.toml" -}}{{- end -}}
{{- $plain = mergeOverwrite $plain $root.Values.environment (.environment | default dict) $root.Values.settings (.settings | default dict) -}}
{{- $secret = mergeOverwrite $secret (.secretSettings | default dict) -}}
{{- if and $login (not $plain.MARKETPULSE_KAFKA_USERNAME) (not $secret.MARKETPULSE_KAFKA_USERNAME) -}}
{{- fail "kafka.username is needed with secrets.shared and a securityProtocol that begins with SASL" -}}
{{- end -}}
{{- range $name, $value := $plain }}
{{- if not (or (hasKey $secret $name) (has $name $.taken)) }}
- {name: {{ $name }}, value: {{ include "marketpulse.value" $value }}}
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

{{/* Number of the user, who is also the group that volumes and files of Secrets belong to. */}}
{{- define "marketpulse.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
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
checksum/files: {{ printf "%s%s%s" .Values.rules .Values.sinks .Values.portfolio | sha256sum }}
checksum/secret: {{ .Values.secrets.create | toJson | sha256sum }}
{{- end -}}

{{/* dict root, reaches. */}}
{{- define "marketpulse.mounts" -}}
- {name: temporary, mountPath: /tmp}
{{- if or .root.Values.rules .root.Values.sinks .root.Values.portfolio }}
- {name: files, mountPath: /etc/marketpulse/files, readOnly: true}
{{- end }}
{{- range $server, $_ := include "marketpulse.tls" . | fromYaml }}
- {name: {{ $server }}-tls, mountPath: /etc/marketpulse/{{ $server }}, readOnly: true}
{{- end }}
{{- end -}}

{{/* dict root, reaches, size of /tmp. */}}
{{- define "marketpulse.volumes" -}}
- name: temporary
  emptyDir: {sizeLimit: {{ .size }}}
{{- if or .root.Values.rules .root.Values.sinks .root.Values.portfolio }}
- name: files
  configMap: {name: {{ include "marketpulse.fullname" .root }}-files}
{{- end }}
{{- range $server, $tls := include "marketpulse.tls" . | fromYaml }}
- name: {{ $server }}-tls
  secret: {secretName: {{ $tls.secretName }}, defaultMode: 0440}
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

{{/* dict root, image, settings, secretSettings: a container that ends when there is a ledger. */}}
{{- define "marketpulse.waitForLedger" -}}
{{- $reaches := dict "root" .root "reaches" (list "redis") -}}
- name: wait-for-ledger
  {{- include "marketpulse.image" (dict "root" .root "image" .image) | nindent 2 }}
  args: [ledger, wait, --seconds, "900"]
  env:
    {{- include "marketpulse.environment" (merge (dict "login" "worker" "settings" .settings "secretSettings" .secretSettings "taken" list) $reaches) | nindent 4 }}
  securityContext:
    {{- include "marketpulse.containerSecurity" . | nindent 4 }}
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {memory: 256Mi}
  volumeMounts:
    {{- include "marketpulse.mounts" $reaches | nindent 4 }}
{{- end -}}
