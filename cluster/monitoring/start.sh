#!/usr/bin/env bash
# Starts Prometheus, and Grafana where it is installed, for the Ray cluster whose head runs on this machine, on loopback:
#   cluster/monitoring/start.sh [FOLDER FOR PROMETHEUS' DATA]
# Start Ray with RAY_PROMETHEUS_HOST=http://127.0.0.1:9090 and RAY_GRAFANA_HOST=http://127.0.0.1:3000, its defaults.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=${1:-prometheus-data}
session=/tmp/ray/session_latest/metrics
command -v prometheus >/dev/null || { echo "monitoring: no prometheus on PATH; install it (Debian: apt install prometheus)" >&2; exit 2; }
[ -d "$session/grafana" ] || { echo "monitoring: no Ray head with a dashboard runs here; ray start --head first" >&2; exit 2; }

if command -v grafana-server >/dev/null; then
  cp "$here/grafana_dashboard.json" "$session/grafana/dashboards/seed_grpo_dashboard.json" # next to Ray's own
  GF_SERVER_HTTP_ADDR=127.0.0.1 grafana-server --homepath /usr/share/grafana --config "$session/grafana/grafana.ini" web &
  trap 'kill %1' EXIT
else
  echo "monitoring: no grafana-server on PATH; Prometheus alone, alerts at http://127.0.0.1:9090/alerts"
fi
prometheus --config.file "$here/prometheus.yml" --storage.tsdb.path "$data" --web.listen-address 127.0.0.1:9090
