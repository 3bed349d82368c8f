# The front door. Meson and Ninja do the work; this file only names the usual trips.

BUILD  ?= build
PREFIX ?= /usr/local
RECIPE ?= recipes/sign-landmarks/recipe.yaml

.DEFAULT_GOAL := help
.PHONY: help setup build demo test quick bench collapse install format clean

help:
	@echo 'make demo      install what is needed, build, train the sample recipe (under two minutes)'
	@echo 'make test      install what is needed, build, run every test'
	@echo 'make quick     build, run the fast tests (under a minute)'
	@echo 'make build     build $(BUILD)/ballast, the library, tests and examples'
	@echo 'make bench     install what is needed, build, measure this machine and how close training comes to it'
	@echo 'make collapse  build, sabotage runs and count what the guard sees (some minutes)'
	@echo 'make install   build, install below PREFIX (now $(PREFIX); DESTDIR is respected)'
	@echo 'make format    lay out the sources with clang-format'
	@echo 'make clean     remove $(BUILD)/'

setup:
	@tools/setup.sh

$(BUILD)/build.ninja:
	meson setup $(BUILD) --prefix=$(PREFIX)

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@ln -sfn cli/ballast $(BUILD)/ballast

demo: setup
	@$(MAKE) --no-print-directory build
	$(BUILD)/ballast train $(RECIPE)
	@echo
	@echo 'The run is in the newest folder below runs/: report.html to look at,'
	@echo 'results.csv to read, model.safetensors to predict with.'
	@echo 'Next: $(BUILD)/ballast runs, or $(BUILD)/ballast show RUN.'

test: setup
	@$(MAKE) --no-print-directory build
	@tools/test.sh $(BUILD)

quick: build
	@tools/test.sh $(BUILD) --suite quick

bench:
	@tools/setup.sh bench
	@$(MAKE) --no-print-directory build
	$(BUILD)/bench/ballast-bench

collapse: build
	$(BUILD)/tests/collapse/collapse --seeds 10 $(BUILD)/ballast tests/collapse/suites/*.yaml

install: build
	meson configure $(BUILD) -Dprefix=$(PREFIX)
	meson install -C $(BUILD)

format:
	@command -v clang-format >/dev/null || \
	  { echo 'clang-format is missing: apt-get install clang-format' >&2; exit 1; }
	find src include cli tests bench examples -name '*.[ch]' -exec clang-format -i {} +

clean:
	rm -rf $(BUILD)
