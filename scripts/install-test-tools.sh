#!/bin/sh
# install-test-tools.sh [matrix|security]
#
# Installs what the tests need beside Go: a JDK (17 or later) and Maven to run
# real engines, Chromium to look at pages, and for bench Redis, PostgreSQL and a C
# compiler (for another library's SQLite); for the matrix of engines a JDK 25 for
# OpenSearch 3 in the place of those; for security nginx alone. It only knows Debian's
# packages; elsewhere, and without the right to install, it says what is missing. Tests
# that need what is missing say that they were skipped, and fail where
# CLOAKROOM_REQUIRE_ENGINES=1, CLOAKROOM_REQUIRE_BROWSER=1, CLOAKROOM_REQUIRE_PEERS=1 and
# CLOAKROOM_REQUIRE_NGINX=1 are set; an engine that can't be started is a failure of the
# matrix.
set -eu

have_jdk25() {
	for home in "${CLOAKROOM_JAVA25_HOME:-}" "${JAVA_HOME:-}" /usr/lib/jvm/*; do
		if [ -x "$home/bin/javac" ] && "$home/bin/javac" -version 2>&1 | grep -q '^javac 25'; then return 0; fi
	done
	return 1
}

missing=
if [ "${1:-}" != security ]; then
	command -v javac >/dev/null 2>&1 || missing="$missing default-jdk-headless"
	command -v mvn >/dev/null 2>&1 || missing="$missing maven"
fi
if [ "${1:-}" = security ]; then
	command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
elif [ "${1:-}" = matrix ]; then
	have_jdk25 || missing="$missing openjdk-25-jdk-headless"
else
	command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
		command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
	command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
	command -v postgres >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
	command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
fi
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	for package in $missing; do
		if apt-cache show "$package" >/dev/null 2>&1; then
			echo "installing: $package"
			apt-get install -y -qq --no-install-recommends "$package" >/dev/null
		else
			echo "This system's package sources have no $package: install it by other means (a JDK 25 goes into CLOAKROOM_JAVA25_HOME)." >&2
		fi
	done
	exit 0
fi
echo "For the whole test suite, install:$missing (Debian's names). Without, some tests are skipped and say so, and the matrix fails." >&2
