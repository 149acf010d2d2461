#!/bin/sh
# Installs the Debian packages that some tests need: a browser and its driver, RabbitMQ, a load generator. `make test` calls it.
# Only where that goes without asking: on Debian or Ubuntu, as root. Elsewhere those tests skip and say what they miss.
set -eu
PACKAGES="chromium chromium-driver rabbitmq-server wrk"

missing=""
for package in $PACKAGES; do
  dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "Tests that need these Debian packages will be skipped:$missing (as root, apt-get install them)"
  exit 0
fi
echo "Installing for the tests:$missing"
export DEBIAN_FRONTEND=noninteractive
# RUNLEVEL=1 keeps rabbitmq-server from being started as a service: tests start nodes of their own.
export RUNLEVEL=1
apt-get update -qq
# shellcheck disable=SC2086  # one word for each package
apt-get install -qq --yes --no-install-recommends $missing >/dev/null
