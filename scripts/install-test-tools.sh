#!/bin/sh
# Installs what the tests need beside Go: a JDK (17 or later) and Maven to run
# real engines, and Chromium to look at pages. It only knows Debian's packages;
# elsewhere, and without the right to install, it says what is missing. Tests
# that need what is missing say that they were skipped, and fail where
# CLOAKROOM_REQUIRE_ENGINES=1 and CLOAKROOM_REQUIRE_BROWSER=1 are set.
set -eu

missing=
command -v javac >/dev/null 2>&1 || missing="$missing default-jdk-headless"
command -v mvn >/dev/null 2>&1 || missing="$missing maven"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
	command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
	echo "installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of packages
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
	exit 0
fi
echo "For the whole test suite, install:$missing (Debian's names). Without, some tests are skipped and say so." >&2
