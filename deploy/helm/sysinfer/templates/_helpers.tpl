{{- define "sysinfer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sysinfer.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "sysinfer.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sysinfer.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sysinfer.selector" -}}
app.kubernetes.io/name: {{ include "sysinfer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sysinfer.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "sysinfer.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "sysinfer.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sysinfer.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "sysinfer.scheme" -}}
{{- ternary "HTTPS" "HTTP" (not (empty .Values.tlsSecret)) -}}
{{- end -}}

{{- define "sysinfer.scaled" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled -}}true{{- end -}}
{{- end -}}

{{- /* What a schema cannot say. */ -}}
{{- define "sysinfer.check" -}}
{{- if and .Values.model.claim .Values.model.hostPath -}}
{{- fail "model.claim and model.hostPath are both set; the model is in one of them" -}}
{{- end -}}
{{- if not (or .Values.model.claim .Values.model.hostPath) -}}
{{- fail "where is the model? Set model.claim (a PersistentVolumeClaim) or model.hostPath (a folder on every node)" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled -}}
{{- fail "autoscaling and keda are both on; two autoscalers would work against each other" -}}
{{- end -}}
{{- end -}}
