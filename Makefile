# BC-ResNet keyword spotting, from PyTorch to Arm Cortex-M. `make` alone lists what can be done.

TAU ?= 1
VER ?= 2
BOARD ?= mps2-an386
PYTHON ?= $(or $(shell command -v python3.11),python3)
VENV := .venv
BIN := $(VENV)/bin/python

# option,variable: --option 'value' where the variable is set
option = $(if $($(2)),$(1) '$($(2))')

.PHONY: help quantize verify family train synthetic speech false-accepts bench bench-check bench-baseline budget run \
	selftest export report calibration docs-figures test test-all clean
.SILENT:
.DELETE_ON_ERROR:

help:
	echo "BC-ResNet keyword spotting, from PyTorch to Arm Cortex-M"
	echo
	echo "  make quantize TAU=1                  checkpoint -> verified int8 model and firmware sources"
	echo "       [CHECKPOINT=FILE] [GRAPH=small|accurate] [DATA=DIR: calibrate on its clips]"
	echo "  make verify   TAU=1 DATA=DIR         accuracy of PyTorch, ONNX, TFLite, TFLM and native C on the same clips"
	echo "       [SPLIT=testing|validation|all] [MAX_DROP=1.0]"
	echo "  make family                          what every shipped checkpoint was verified to reach"
	echo "  make train    TAU=1 VER=2 GPU=0 DOWNLOAD=1"
	echo "       [DATA=DIR] [EPOCHS=200] [SEED=0] [OUT=DIR] [RESUME=1] [RECIPE=paper|open] [START=FILE] [RATE=0.1]"
	echo "       [STREAM=0.35: share of batches heard as a stream] [TEACHER=FILE: larger network to learn from] [DROPOUT=0.1]"
	echo "       [WITHOUT=word,word: hold them out, and report how many of their clips are rejected] [OMIT=splices,…:"
	echo "       parts of RECIPE=open to leave out]"
	echo "       [SPEECH=build/speech: more other words]"
	echo "  make synthetic                       words from espeak-ng and flite, for RECIPE=open"
	echo "  make speech   RECORDINGS=DIR         words cut out of recordings of speech, for RECIPE=open SPEECH=build/speech"
	echo "  make false-accepts TAU=1 RECORDINGS=DIR"
	echo "                                       words an hour that a device hears in recordings in which none is said"
	echo "       [RECORD=NAME: keep the counts of a shipped checkpoint under that name]"
	echo "  make bench    TAU=1                  instructions, RAM and flash on emulated Cortex-M cores, bit-equality"
	echo "       [DATA=DIR] [CORE=cortex-m4: whose instructions are shown layer by layer] [TAU=all: every width]"
	echo "  make budget   RAM=20k FLASH=64k CLOCK=80MHz MODE=stream"
	echo "                                       which width fits the chip, and the best that does; MODE=window EVERY=100ms,"
	echo "       [CORE=cortex-m4] [TAU=1: must fit] [CPI=1.5] [LOAD=70]"
	echo "  make bench-check                     does anything cost more than recorded?  make bench-baseline: record it anew"
	echo "  make run      TAU=1 BOARD=mps2-an386 WAV=examples/yes.wav"
	echo "                                       the word in a sound, heard by the native engine on an emulated board"
	echo "  make selftest TAU=1 BOARD=mps2-an386 does the board compute what the golden model does?"
	echo "  make export   TAU=1 FORMAT=arduino|cmsis-pack|zephyr|esp-idf|platformio"
	echo "                                       the native engine as a library of that ecosystem, with an example"
	echo "  make report   TAU=1                  rewrite the report and print its short form"
	echo "  make calibration DATA=DIR            regenerate the shipped calibration features"
	echo "  make docs-figures                    rewrite the tables of README and docs/ from the recorded files"
	echo "  make test                            all fast tests;  make test-all: the slow ones too"
	echo "  make clean                           remove build/"
	echo
	echo "TAU is one of 1, 1.5, 2, 3, 6, 8. Every stage is also a command: python -m training|convert|"
	echo "firmware_gen|benchmarks.verify_int8|benchmarks.on_board|benchmarks.report --help"

quantize: $(VENV)/convert
	$(BIN) -m convert --tau '$(TAU)' $(call option,--checkpoint,CHECKPOINT) $(call option,--graph,GRAPH) \
		$(call option,--data,DATA)
	$(BIN) -m firmware_gen --tau '$(TAU)'
	$(BIN) -m benchmarks.report --tau '$(TAU)'

verify: $(VENV)/convert $(VENV)/training
	$(BIN) -m benchmarks.verify_int8 --tau '$(TAU)' $(call option,--data,DATA) $(call option,--split,SPLIT) \
		$(call option,--max-drop,MAX_DROP)

family: $(VENV)/convert
	$(BIN) -m benchmarks.family

train: $(VENV)/training
	$(BIN) -m training --tau '$(TAU)' --ver '$(VER)' $(call option,--gpu,GPU) $(call option,--data,DATA) \
		$(call option,--epochs,EPOCHS) $(call option,--seed,SEED) $(call option,--out,OUT) \
		$(call option,--recipe,RECIPE) $(call option,--start,START) $(call option,--rate,RATE) \
		$(call option,--without,WITHOUT) $(call option,--omit,OMIT) $(call option,--stream,STREAM) \
		$(call option,--teacher,TEACHER) $(call option,--dropout,DROPOUT) $(call option,--speech,SPEECH) \
		$(if $(DOWNLOAD),--download) $(if $(RESUME),--resume)

synthetic: $(VENV)/training
	$(BIN) -m training.synthesis

speech: $(VENV)/training
	$(BIN) -m training.speech $(RECORDINGS)

false-accepts: $(VENV)/convert $(VENV)/training
	$(BIN) -m benchmarks.false_accepts $(RECORDINGS) --tau '$(TAU)' $(call option,--record,RECORD)

bench: $(VENV)/convert $(VENV)/training
	$(if $(filter all,$(TAU)),$(BIN) -m benchmarks.scaling $(call option,--data,DATA), \
		$(BIN) -m benchmarks.bench --tau '$(TAU)' $(call option,--data,DATA) $(call option,--core,CORE))

bench-check: $(VENV)/convert
	$(BIN) -m benchmarks.baseline

bench-baseline: $(VENV)/convert
	$(BIN) -m benchmarks.baseline --write

# TAU only where the user names one: without, the best that fits is named.
budget: $(VENV)/convert
	$(BIN) -m benchmarks.budget $(call option,--ram,RAM) $(call option,--flash,FLASH) $(call option,--clock,CLOCK) \
		$(call option,--mode,MODE) $(call option,--every,EVERY) $(call option,--core,CORE) $(call option,--cpi,CPI) \
		$(call option,--load,LOAD) $(if $(filter-out file,$(origin TAU)),--tau '$(TAU)')

run: $(VENV)/convert
	$(BIN) -m benchmarks.on_board --tau '$(TAU)' --board '$(BOARD)' $(call option,--wav,WAV)

selftest: $(VENV)/convert
	$(BIN) -m benchmarks.on_board --tau '$(TAU)' --board '$(BOARD)' --selftest

export: $(VENV)/convert
	$(BIN) -m firmware_gen.export --tau '$(TAU)' $(call option,--format,FORMAT)

report: $(VENV)/convert
	$(BIN) -m benchmarks.report --tau '$(TAU)'

calibration: $(VENV)/convert
	$(BIN) -m convert.calibration $(call option,--data,DATA)

docs-figures: $(VENV)/convert
	$(BIN) -m benchmarks.figures --write

test: $(VENV)/convert $(VENV)/training $(VENV)/test
	$(BIN) -m pytest

test-all: $(VENV)/convert $(VENV)/training $(VENV)/test
	$(BIN) -m pytest -m ''

clean:
	rm -rf build

# The virtual environment. Each part is installed once, from pinned versions, when something needs it.
$(VENV)/bin/python:
	$(PYTHON) -c 'import platform as p, sys; \
		ok = sys.version_info[:2] == (3, 11) and (p.system(), p.machine()) == ("Linux", "x86_64"); \
		ok or sys.exit("error: needs Python 3.11 on Linux x86-64, not Python " + p.python_version() + " on " \
		+ p.system() + " " + p.machine() + "; name an interpreter with PYTHON=")'
	echo "making $(VENV)"
	$(PYTHON) -m venv $(VENV)

$(VENV)/%: requirements/%.txt | $(VENV)/bin/python
	echo "installing requirements/$*.txt into $(VENV) (once)"
	$(BIN) -m pip install --disable-pip-version-check --quiet --progress-bar on -r $< -c requirements/convert.txt
	touch $@
