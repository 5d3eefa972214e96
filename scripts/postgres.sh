#!/bin/sh
# Installs PostgreSQL's server from Debian's package, for the tests of subnet/store
# alone: the program needs none. They start a server of their own on a socket in a
# temporary folder. Quick when it is there already; where it cannot be installed, it
# says so and those tests are skipped.
set -eu

found() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

found && exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
	# The package would start a server of its own, on a port.
	mkdir -p /etc/postgresql-common
	grep -qs '^create_main_cluster' /etc/postgresql-common/createcluster.conf ||
		echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql; } >&2 || true
fi
found && exit 0
echo '*** PostgreSQL is not installed: the store is tested on SQLite only; try: apt-get install postgresql ***' >&2
