# Two commands do all the set-up on a fresh Debian machine, as root: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
LAB_PACKAGES := user-mode-linux uml-utilities systemd dbus util-linux e2fsprogs iproute2 iputils-ping nfs-kernel-server nfs-common kmod tcpdump
KVM_PACKAGES := libvirt-daemon libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients libvirt-dev pkg-config qemu-system-x86 qemu-utils
GUEST_PACKAGES := dropbear-bin openssh-client
SERVER_PACKAGES := postgresql redis-server cron
PACKAGES := python3-venv python3-dev gcc lxc busybox-static $(LAB_PACKAGES) $(KVM_PACKAGES) $(GUEST_PACKAGES)

.PHONY: help demo test chaos lint bench docs clean
help:  ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

$(STAMPS)/packages: WANTED = $(PACKAGES)
$(STAMPS)/packages: WHAT = the lab and the tools
$(STAMPS)/servers: WANTED = $(SERVER_PACKAGES)
$(STAMPS)/servers: WHAT = servers for the tests
$(STAMPS)/packages $(STAMPS)/servers: Makefile
	@mkdir -p $(STAMPS)
	@echo "Debian packages: $(WHAT)"
	@missing=""; for p in $(WANTED); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q '^install ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "      installing$$missing"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >$(STAMPS)/apt.log 2>&1 || { tail -n 20 $(STAMPS)/apt.log; exit 1; }; fi
	@touch $@

$(STAMPS)/venv: pyproject.toml | $(STAMPS)/packages
	@echo "virtual environment"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]' >$(STAMPS)/pip.log 2>&1 || { tail -n 20 $(STAMPS)/pip.log; exit 1; }
	@touch $@

demo: $(STAMPS)/venv  ## Three real hosts converge from bare to the example platform, then drift and repair
	@$(BIN)/python -m tests.lab.demo

test: $(STAMPS)/servers $(STAMPS)/venv lint  ## All checks and tests, lab included
	@$(BIN)/python -m tests.together

chaos: $(STAMPS)/venv  ## Jobs while masters and minions are killed; faults at each step of the network transaction
	@$(BIN)/python -m tests.integration.chaos
	@$(BIN)/python -m tests.lab.faults --all

lint: $(STAMPS)/venv  ## ruff, mypy --strict, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

docs: $(STAMPS)/venv  ## Write the reference from the docstrings
	@$(BIN)/python docs/reference.py

bench: $(STAMPS)/venv  ## The figures of the README, each as a ratio within one run
	@$(BIN)/python -m benchmarks

clean:  ## Remove what the other targets made here
	rm -rf $(VENV) $(STAMPS) .mypy_cache .ruff_cache .import_linter_cache .hypothesis
