# What people and CI run. Every target installs what it needs on Debian and Ubuntu; Rust itself is yours to install.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo test lint unit instructions fuzz scan bench build clean cargo

# Arguments for the sensor or the demonstration: make run ARGS="-i eth0 -r rules/glutton.yml"
ARGS ?=
# Seconds per fuzz target
FUZZ_SECONDS ?= 60
# A line of CHANGELOG.md that says why instructions per packet have grown
NOTE ?=
# Live tests mostly wait: more of them than cores at a time
TEST_THREADS ?= 4

# sudo leaves the caller's Rust out of PATH and HOME; the build still is the caller's.
CALLER_HOME := $(if $(SUDO_USER),$(shell getent passwd $(SUDO_USER) | cut -d: -f6),$(HOME))
export CARGO_HOME ?= $(CALLER_HOME)/.cargo
export RUSTUP_HOME ?= $(CALLER_HOME)/.rustup
export PATH := $(CARGO_HOME)/bin:$(PATH):/usr/sbin:/sbin

BINARY := target/release/glutton-nfq

# $(call need,command:package ...): installs the packages whose commands are missing.
define need
	@missing=; \
	for pair in $(1); do command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ]; then \
	  command -v apt-get >/dev/null || { echo "missing:$$missing (the Debian names): install them with this system's package manager" >&2; exit 1; }; \
	  [ "$$(id -u)" = 0 ] || { echo "missing:$$missing: run this with sudo, or apt-get install$$missing" >&2; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	fi
endef

# The same for packages with a service: it is not started. invoke-rc.d asks policy-rc.d; where the machine has its own, that one decides.
define need_stopped
	@policy=/usr/sbin/policy-rc.d; \
	if [ "$$(id -u)" = 0 ] && [ ! -e $$policy ]; then printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; fi; \
	missing=; \
	for pair in $(1); do command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ]; then \
	  [ "$$(id -u)" = 0 ] || { echo "missing:$$missing: run this with sudo" >&2; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	fi
endef

# What cargo wrote under sudo belongs to whoever called sudo.
define hand_back
	@if [ -n "$${SUDO_USER:-}" ]; then \
	  for path in target fuzz "$$CARGO_HOME/registry"; do [ ! -e "$$path" ] || chown -R "$$SUDO_USER:" "$$path"; done; \
	fi
endef

COMPILER := cc:gcc
SENSOR_TOOLS := ip:iproute2 iptables-restore:iptables
TEST_TOOLS := $(SENSOR_TOOLS) conntrack:conntrack tcpdump:tcpdump ethtool:ethtool setpriv:util-linux nft:nftables ps:procps valgrind:valgrind

# Clients of tests/clients
CLIENT_TOOLS := curl:curl openssl:openssl python3:python3 nmap:nmap hydra:hydra medusa:medusa ncrack:ncrack whatweb:whatweb adb:adb \
	smbclient:smbclient rpcclient:smbclient nmblookup:samba-common-bin impacket-netview:python3-impacket mosquitto_pub:mosquitto-clients memcstat:libmemcached-tools busybox:busybox-static \
	gobuster:gobuster ffuf:ffuf dirb:dirb ab:apache2-utils masscan:masscan zmap:zmap hping3:hping3 sendxmpp:sendxmpp poezio:poezio wapiti:wapiti
# Servers that are the controls of tests/clients: the tests start their own, in namespaces.
SERVER_TOOLS := nginx:nginx-light memcached:memcached mosquitto:mosquitto prosody:prosody smbd:samba

# Clients that are no packages, or whose packages would start a service: Python libraries, and Docker's client alone.
CLIENTS := $(CURDIR)/target/clients
PYTHON_CLIENTS := slixmpp==1.17.0 web3==8.0.0 yarn-api-client==1.0.3 impacket==0.13.1 smbprotocol==1.17.0 pysmb==1.2.15 paho-mqtt==1.6.1 requests==2.32.3
export GLUTTON_PYTHON ?= $(CLIENTS)/bin/python
export SLIXMPP_PYTHON ?= $(GLUTTON_PYTHON)
export PATH := $(PATH):$(CLIENTS)/docker/usr/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Run a sensor on this machine with the shipped rules (root; ARGS="..." for flags)
	$(call need,$(SENSOR_TOOLS))
	./$(BINARY) $(ARGS)

demo: build ## Watch attacker and sensor in namespaces of their own; this machine's network is not touched (root)
	$(call need,$(SENSOR_TOOLS))
	./$(BINARY) demo $(ARGS)

test: lint unit instructions fuzz ## Format, lints, documentation, all tests, instructions per packet, a minute of fuzzing (root, for the live tests)

lint: cargo
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	$(hand_back)

unit: cargo $(CLIENTS)/ready
	$(call need,$(TEST_TOOLS))
	cargo test --locked -- --test-threads=$(TEST_THREADS)
	$(hand_back)

# Optimized as for users, save what takes time: the other crates are those that the tests have compiled, and nothing is optimized across crates.
OPTIMIZED := $(foreach setting,opt-level=3 debug-assertions=false overflow-checks=false debug=false codegen-units=1,--config profile.dev.package.glutton-nfq.$(setting))

instructions: cargo ## Count instructions per packet, against what is recorded (NOTE="..." records them anew)
	$(call need,valgrind:valgrind)
	CARGO_INCREMENTAL=0 cargo bench --locked --profile dev $(OPTIMIZED) --bench instructions -- $(if $(NOTE),record "$(NOTE)",check)
	$(hand_back)

$(CLIENTS)/ready: Makefile
	$(call need,$(CLIENT_TOOLS))
	$(call need_stopped,$(SERVER_TOOLS))
	@python3 -c 'import ensurepip' 2>/dev/null || apt-get install -qq -y --no-install-recommends python3-venv
	python3 -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install -q $(PYTHON_CLIENTS)
	@command -v docker >/dev/null || { cd $(CLIENTS); rm -f docker*.deb; \
	  apt-get download -qq docker-cli 2>/dev/null || apt-get download -qq docker.io; dpkg -x docker*.deb docker; }
	@touch $@

fuzz: cargo ## Fuzz every target for FUZZ_SECONDS, side by side
	$(call need,g++:g++)
	cd fuzz && cargo build --release --bins
	@cd fuzz && pids=(); for source in targets/*.rs; do \
	  target=$$(basename $$source .rs); mkdir -p corpus/$$target artifacts/$$target; \
	  seeds=seeds/$$target/; [ -d $$seeds ] || seeds=; \
	  target/*/release/$$target -max_total_time=$(FUZZ_SECONDS) -max_len=2048 -artifact_prefix=artifacts/$$target/ corpus/$$target $$seeds \
	    >artifacts/$$target.log 2>&1 & pids+=($$!:$$target); \
	done; found=0; for pair in "$${pids[@]}"; do \
	  target=$${pair##*:}; wait $${pair%%:*} || { found=1; tail -n 40 artifacts/$$target.log; }; \
	  echo "fuzz $$target: $$(tail -n 1 artifacts/$$target.log)"; \
	done; exit $$found
	$(hand_back)

scan: cargo $(CLIENTS)/ready ## See what nmap makes of all 65,535 ports of the shipped rules, in namespaces (root; a quarter of an hour)
	EVERY_PORT=1 cargo test --locked --test clients scan:: -- --nocapture
	$(hand_back)

bench: cargo ## Measure the engine and print the tables (root, for the live ones)
	$(call need,$(TEST_TOOLS))
	@[ -e /usr/include/libnetfilter_queue/libnetfilter_queue.h ] || ! command -v apt-get >/dev/null || apt-get install -qq -y libnetfilter-queue-dev
	cargo bench --locked
	ALONE=1 cargo test --locked --test live reload::a_hundred -- --nocapture
	$(hand_back)

build: cargo ## Build target/release/glutton-nfq
	cargo build --locked --release
	$(hand_back)

clean: ## Remove what was built
	rm -rf target fuzz/target fuzz/corpus fuzz/artifacts

cargo:
	$(call need,$(COMPILER))
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer, see https://rustup.rs" >&2; exit 1; }
