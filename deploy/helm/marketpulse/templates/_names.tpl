{{/* Names, labels, images. `name` arguments are a process's: worker, page, prepare, kafka, redis. */}}

{{- define "marketpulse.fullname" -}}
{{- if contains "marketpulse" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-marketpulse" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "marketpulse.release" -}}
app.kubernetes.io/name: marketpulse
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What selects the pods of one process: dict root, name. */}}
{{- define "marketpulse.selector" -}}
{{ include "marketpulse.release" .root }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* dict root, name. */}}
{{- define "marketpulse.labels" -}}
{{ include "marketpulse.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* dict root, name: metadata of an object that belongs to one process. */}}
{{- define "marketpulse.metadata" -}}
name: {{ include "marketpulse.fullname" .root }}-{{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "marketpulse.labels" . | nindent 2 }}
{{- end -}}

{{/* dict root, image (cpu or gpu). */}}
{{- define "marketpulse.image" -}}
{{- $image := index .root.Values.images .image -}}
image: {{ if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- end -}}

{{- define "marketpulse.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ include "marketpulse.fullname" . }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end -}}

{{- define "marketpulse.secret" -}}
{{- .Values.secrets.existing | default (include "marketpulse.fullname" .) -}}
{{- end -}}

{{- define "marketpulse.kafkaServers" -}}
{{- if .Values.kafka.bundled }}{{ include "marketpulse.fullname" . }}-kafka:9092{{ else }}{{ required "kafka.servers is needed: host:port,host:port (or kafka.bundled=true, for a trial)" .Values.kafka.servers }}{{ end }}
{{- end -}}

{{/* Most workers: as many as there are partitions. */}}
{{- define "marketpulse.maxReplicas" -}}
{{- .Values.autoscaling.maxReplicas | default .Values.kafka.partitions -}}
{{- end -}}
