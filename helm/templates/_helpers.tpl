{{- define "leat.name" -}}
{{- if contains "leat" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-leat" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "leat.selector" -}}
app.kubernetes.io/name: leat
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "leat.labels" -}}
{{ include "leat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
