#!/bin/sh
# Starts what the first argument names: jobmanager, taskmanager, sql-gateway, or any command. Flink's configuration is
# rendered from the DMP_ variables first; the addresses, which are local there, are those of the containers here.
set -eu

inside="-D jobmanager.rpc.address=${JOBMANAGER_HOST:=jobmanager} -D rest.address=${JOBMANAGER_HOST}"

case "${1:-}" in
  kubernetes-*) ;; # the operator mounts a configuration of its own
  *) python /opt/dmp/docker/flink_home.py ;;
esac

# shellcheck disable=SC2086 # $inside is several words
case "${1:-}" in
  jobmanager)
    exec jobmanager.sh start-foreground $inside -D jobmanager.bind-host=0.0.0.0 -D rest.bind-address=0.0.0.0 ;;
  taskmanager)
    exec taskmanager.sh start-foreground $inside -D taskmanager.bind-host=0.0.0.0 \
      -D taskmanager.host="$(hostname)" -D taskmanager.resource-id="$(hostname)" ;;
  sql-gateway)
    exec sql-gateway.sh start-foreground $inside -D sql-gateway.endpoint.rest.address=0.0.0.0 ;;
  *)
    exec "$@" ;;
esac
