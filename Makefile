# Each target is one command. What it needs from Debian stands in tests/packages, and is installed when root asks.

PREFIX ?= /usr
.PHONY: help demo demo-overlay test test-crash test-vm bench bench-overlay bench-dns lint fuzz install

help:       ## print this list
	@sed -n 's/^\([a-z-]*\): *## /  make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

demo:       ## containers on a bridge network find each other by name, in namespaces of the demo's own
	@tests/make/need demo && tests/demo/run

demo-overlay: ## three hosts share a network; a service is found on two of them, and one host dies
	@tests/make/need demo && tests/demo/run overlay

test:       ## every test; those of the network run in namespaces of their own and need root
	@tests/make/need test && tests/make/test

test-crash: ## ADD and DEL killed at every system call in turn (make test does it at those that change something)
	@tests/make/need test && tests/make/test crash

test-vm:    ## what this kernel may lack, in Debian's own, booted in a virtual machine; PART=crash: killed there, an hour
	@tests/make/need test-vm && tests/vm/run $(PART)

bench:      ## ADD and DEL side by side with the reference plugins; PART=chain: that alone (or bridge, leases, ports)
	@tests/make/need bench && tests/bench/run $(PART)

bench-overlay: ## netd's overlay beside a VXLAN made by hand; what thousands of hosts cost; names across ten
	@tests/make/need bench-overlay && tests/bench/run overlay

bench-dns:  ## netd's DNS beside unbound, knot, dnsmasq and aardvark-dns; PART=many: a hundred thousand names alone
	@tests/make/need bench-dns && tests/bench/run dns $(PART)

lint:       ## formatting, clippy, documentation, scripts
	@tests/make/need lint && tests/make/lint

fuzz:       ## each fuzz target for a minute
	@tests/make/need fuzz && tests/make/fuzz

install:    ## netd, its plugins and its system files, below DESTDIR
	@tests/make/need install && netd/install "$(DESTDIR)" "$(PREFIX)"
