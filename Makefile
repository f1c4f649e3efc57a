# BC-ResNet keyword spotting, from PyTorch to Arm Cortex-M. `make` alone lists what can be done.

TAU ?= 1
# Files of tests at a time.
JOBS ?= 2
VER ?= 2
BOARD ?= mps2-an386
ifeq ($(origin PYTHON),undefined)
PYTHON := $(or $(shell command -v python3.11),$(shell command -v python3.12),python3)
endif
VENV := .venv

# The variables that each target takes.
quantize.takes := TAU CHECKPOINT GRAPH DATA DETECTOR PREFIX
verify.takes := TAU DATA SPLIT MAX_DROP
train.takes := TAU VER GPU DOWNLOAD DATA EPOCHS SEED OUT RESUME RECIPE START RATE STREAM TEACHER DROPOUT WITHOUT OMIT \
	SPEECH RECORDINGS NOISE THREADS
keyword.takes := WORDS SAMPLES NEGATIVES MORE_NEGATIVES LANGUAGE VOICES TAU DATA CLIPS EPOCHS SEED GPU OUT FALSE_ACCEPTS
import.takes := CHECKPOINT LABELS TAU OUT
synthetic.takes := VOICES
speech.takes := RECORDINGS
false-accepts.takes := TAU RECORDINGS RECORD SAVE
listen-test.takes := TAU DATA RECORDINGS SPLIT KEEP
tune.takes := TAU RECORDINGS KEYWORDS FALSE_ACCEPTS PAUSE DATA OUT
peers.takes := RECORDINGS KEYWORDS PEER RECORD
level.takes := WAV RECORDINGS
field-test.takes := TAU DATA SPLIT NOISE EACH
bench.takes := TAU DATA CORE
budget.takes := TAU RAM FLASH CLOCK MODE EVERY CORE BOARD CPI LOAD
board-report.takes := BOARD CORE LOG
stack.takes := TAU KEEP
npu.takes := TAU NPU
run.takes := TAU BOARD WAV
selftest.takes := TAU BOARD
demo.takes := TAU CHECKPOINT SERVE
listen.takes := TAU DEVICE WAV SENSITIVITY REALTIME
export.takes := TAU FORMAT
report.takes := TAU
calibration.takes := DATA
test.takes := JOBS
test-all.takes := JOBS

.PHONY: help quantize verify family train keyword import synthetic speech false-accepts listen-test tune peers level \
	field-test bench bench-check bench-baseline stack npu budget board-report run selftest demo listen export report \
	calibration docs-figures lint test test-all clean
.SILENT:
.DELETE_ON_ERROR:

# What the user gives reaches the programs as it was typed: make expands no dollar sign in it, and the shell sees it between
# quotes. A variable that no target takes is misspelt, unless it is one of those that programs find in the environment.
OTHERS := PYTHON VENV CC GSC_ROOT SPEECH_COMMANDS_URL SHELL MAKE% PYTHON% PIP_% CUDA_% OMP_% OPENBLAS_% TF_% %_proxy %_PROXY
VARIABLES := $(sort $(foreach takes,$(filter %.takes,$(.VARIABLES)),$($(takes))))
define newline


endef
given := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
ifeq ($(MAKELEVEL),0)
misspelt := $(firstword $(filter-out $(VARIABLES) $(OTHERS),$(given)))
$(if $(misspelt),$(error there is no variable $(misspelt); `make` alone lists those that there are, and one of the \
	environment stands before make))
unused := $(filter-out $(foreach goal,$(or $(MAKECMDGOALS),help),$($(goal).takes)) $(OTHERS),$(given))
$(if $(unused),$(info note: make $(or $(MAKECMDGOALS),help) does not use $(unused)))
endif
$(foreach name,$(VARIABLES) PYTHON VENV, \
	$(if $(findstring $(newline),$(value $(name))),$(error $(name): one line is wanted)))
$(foreach name,$(filter-out SHELL MAKE%,$(filter $(VARIABLES) $(OTHERS),$(given))), \
	$(eval override $(name) := $$(value $(name)))$(eval export $(name)))
$(foreach mark,' " ` $$ ; : % *, \
	$(if $(findstring $(mark),$(VENV)),$(error VENV=$(VENV): a path without $(mark) is wanted)))
$(if $(filter-out 1,$(words $(VENV))),$(error VENV=$(VENV): a path without blanks is wanted))
LINT := $(VENV)-lint
PEERS := $(VENV)-peers
VELA := $(VENV)-vela
AXE := $(VENV)-axe

# quoted,VARIABLE: its value as one word of the shell's; option,--option,VARIABLE: --option='value' where that is set;
# flag,--option,VARIABLE: --option where it is set, but not to 0
quoted = '$(subst ','\'',$(value $(1)))'
option = $(if $(value $(2)),$(1)=$(call quoted,$(2)))
flag = $(if $(filter-out 0 no,$(value $(2))),$(1))
BIN = $(call quoted,VENV)/bin/python
LINTERS = $(call quoted,LINT)/bin
PEERS_BIN = $(call quoted,PEERS)/bin/python
VELA_BIN = $(call quoted,VELA)/bin/vela
TAU_OPTION = $(call option,--tau,TAU)
# Only where the user names one: a real board, not the emulated one that is the default of other targets.
BOARD_OPTION = $(if $(filter-out file,$(origin BOARD)),$(call option,--board,BOARD))
help:
	echo "BC-ResNet keyword spotting, from PyTorch to Arm Cortex-M"
	echo
	echo "  make quantize TAU=1                  checkpoint -> verified int8 model and firmware sources"
	echo "       [CHECKPOINT=FILE] [GRAPH=small|accurate] [DATA=DIR: calibrate on its clips]"
	echo "       [DETECTOR=FILE: thresholds that make tune wrote] [PREFIX=kws: of every name of the C]"
	echo "  make verify   TAU=1 DATA=DIR         accuracy of PyTorch, ONNX, TFLite, TFLM and native C on the same clips"
	echo "       [SPLIT=testing|validation|all] [MAX_DROP=1.0]"
	echo "  make family                          what every shipped checkpoint was verified to reach"
	echo "  make train    TAU=1 VER=2 GPU=0 DOWNLOAD=1"
	echo "       [DATA=DIR] [EPOCHS=200] [SEED=0] [OUT=DIR] [RESUME=1] [RECIPE=paper|open|field] [START=FILE] [RATE=0.1]"
	echo "       [STREAM=0.35: share of batches heard as a stream] [TEACHER=FILE: larger network to learn from] [DROPOUT=0.1]"
	echo "       [WITHOUT=word,word: hold them out, and report how many of their clips are rejected] [OMIT=splices,…:"
	echo "       parts of RECIPE=open, and of field, to leave out]"
	echo "       [SPEECH=build/speech: more other words] [RECORDINGS=DIR: speech, and NOISE=DIR: noises, for RECIPE=field]"
	echo "       [THREADS=1: of the CPU]"
	echo "  make keyword  WORDS=\"hey computer\"   a network that listens for words of your own; [SAMPLES=DIR: <word>/*, recordings"
	echo "       of them; SAMPLES=words.zip: saved by the page of make demo] [NEGATIVES=DIR: recordings in which none is said]"
	echo "       [MORE_NEGATIVES=DIR: continue with what it falsely accepted] [VOICES=DIR: of Piper or Kokoro] [LANGUAGE=en]"
	echo "       [TAU=1] [DATA=DIR: other words of Speech Commands] [FALSE_ACCEPTS=0.5: wanted an hour]"
	echo "       [CLIPS=1000: of each word] [EPOCHS=40] [SEED=0] [GPU=0] [OUT=DIR]"
	echo "  make import   CHECKPOINT=FILE LABELS=a,b,c"
	echo "                                       a checkpoint of the official BC-ResNet code, or of Lightning around it -> one"
	echo "       [TAU=1: must be its width] [OUT=FILE]    that make quantize CHECKPOINT=FILE takes"
	echo "  make synthetic                       words from espeak-ng and flite, for RECIPE=open and field; [VOICES=DIR: of"
	echo "                                       Piper or Kokoro, which speak as well]"
	echo "  make speech   RECORDINGS=DIR         words cut out of recordings of speech, for SPEECH=build/speech"
	echo "  make false-accepts TAU=1 RECORDINGS=DIR"
	echo "                                       words an hour that a device hears in recordings in which none is said"
	echo "       [SAVE=DIR: cut out what is heard, for make keyword MORE_NEGATIVES=DIR]"
	echo "       [RECORD=NAME: keep the counts of a shipped checkpoint under that name]"
	echo "  make listen-test TAU=1 DATA=DIR      keywords in quiet, noise and music, and hours without any: what the device"
	echo "                                       reports, misses and imagines at each sensitivity"
	echo "       [RECORDINGS=DIR: without keywords, a folder for each kind] [SPLIT=testing] [KEEP=1: with the checkpoint]"
	echo "  make tune     TAU=1 RECORDINGS=DIR   choose the detector's thresholds on recordings of yours without keywords"
	echo "       [KEYWORDS=DIR: <word>/* of yours, else DATA=DIR] [FALSE_ACCEPTS=0.5: wanted an hour]"
	echo "       [PAUSE=1300: ms after a pause in which a word must begin; 0: in the middle of speech, too]"
	echo "       [OUT=FILE: write them there, for make quantize DETECTOR=FILE]"
	echo "  make peers RECORDINGS=DIR            wake words of others on the same recordings, in an environment of their own"
	echo "       [KEYWORDS=DIR: recordings of their words, in folders called like them] [PEER=pymicro-wakeword: alone] [RECORD=NAME]"
	echo "  make level    WAV=FILE               what the firmware's level meter says of a sound; RECORDINGS=DIR: of many"
	echo "  make field-test TAU=1 DATA=DIR       right answers by level, room, music, babble, noise, band, microphone"
	echo "       [SPLIT=validation|testing] [NOISE=DIR: noises no network learnt from] [EACH=42: clips of a class; 0: all]"
	echo "  make bench    TAU=1                  instructions, RAM and flash on emulated Cortex-M cores, bit-equality"
	echo "       [DATA=DIR] [CORE=cortex-m4: whose instructions are shown layer by layer] [TAU=all: every width]"
	echo "  make budget   RAM=20k FLASH=64k CLOCK=80MHz MODE=stream"
	echo "                                       which width fits the chip, and the best that does; MODE=window EVERY=100ms,"
	echo "       [CORE=cortex-m4] [TAU=1: must fit] [CPI=1.5, or BOARD=NAME of board-report] [LOAD=70]"
	echo "  make board-report BOARD=nucleo-u575 CORE=cortex-m33 LOG=FILE"
	echo "                                       keep the cycles that the self-test printed on a board of yours"
	echo "  make bench-check                     does anything cost more than recorded?  make bench-baseline: record it anew"
	echo "  make stack    TAU=1                  bytes of stack of every function on three cores, unoptimised and optimised"
	echo "       [KEEP=1: record them for the documentation]"
	echo "  make npu      TAU=1 NPU=ethos-u55-128"
	echo "                                       the int8 model compiled for an Ethos-U, with the compiler's estimate of its cost"
	echo "  make run      TAU=1 BOARD=mps2-an386 WAV=examples/yes.wav"
	echo "                                       the word in a sound, heard by the native engine on an emulated board"
	echo "  make selftest TAU=1 BOARD=mps2-an386 does the board compute what the golden model does?"
	echo "  make demo     TAU=1                  one page with the firmware as WebAssembly: microphone, recordings, own words"
	echo "       [CHECKPOINT=FILE: of that, converted into build/demo] [SERVE=1: serve it on this machine and open the browser]"
	echo "  make listen   TAU=1                  the words that it hears on this machine's microphone"
	echo "       [DEVICE=NAME] [WAV=FILE: hear that instead] [REALTIME=1: as long as it plays] [SENSITIVITY=medium]"
	echo "  make export   TAU=1 FORMAT=arduino|cmsis-pack|zephyr|esp-idf|platformio"
	echo "                                       the native engine as a library of that ecosystem, with an example"
	echo "  make report   TAU=1                  rewrite the report and print its short form"
	echo "  make calibration DATA=DIR            regenerate the shipped calibration features"
	echo "  make docs-figures                    rewrite the tables of README and docs/ from the recorded files"
	echo "  make lint                            ruff, mypy and clang-format over everything that is written by hand"
	echo "  make test                            all fast tests;  make test-all: the slow ones too"
	echo "       [JOBS=2: files of tests at a time; JOBS= one process]"
	echo "  make clean                           remove build/, but for trained networks"
	echo
	echo "TAU is one of 1, 1.5, 2, 3, 6, 8. Every stage is also a command: python -m training|convert|"
	echo "firmware_gen|benchmarks.verify_int8|benchmarks.on_board|benchmarks.report --help"

# What was measured goes into the report, whether it passed (0) or not (1); the measuring command's status stays.
then_report = status=$$?; [ $$status -gt 1 ] || $(BIN) -m benchmarks.report $(TAU_OPTION) --quiet || exit; exit $$status

quantize: $(VENV)/convert
	$(BIN) -m benchmarks.quantize $(TAU_OPTION) $(call option,--checkpoint,CHECKPOINT) $(call option,--graph,GRAPH) \
		$(call option,--data,DATA) $(call option,--detector,DETECTOR) $(call option,--prefix,PREFIX)

verify: $(VENV)/convert $(VENV)/training
	$(BIN) -m benchmarks.verify_int8 $(TAU_OPTION) $(call option,--data,DATA) $(call option,--split,SPLIT) \
		$(call option,--max-drop,MAX_DROP); $(then_report)

family: $(VENV)/convert
	$(BIN) -m benchmarks.family

train: $(VENV)/training
	$(BIN) -m training $(TAU_OPTION) $(call option,--ver,VER) $(call option,--gpu,GPU) $(call option,--data,DATA) \
		$(call option,--epochs,EPOCHS) $(call option,--seed,SEED) $(call option,--out,OUT) \
		$(call option,--recipe,RECIPE) $(call option,--start,START) $(call option,--rate,RATE) \
		$(call option,--without,WITHOUT) $(call option,--omit,OMIT) $(call option,--stream,STREAM) \
		$(call option,--teacher,TEACHER) $(call option,--dropout,DROPOUT) $(call option,--speech,SPEECH) \
		$(call option,--recordings,RECORDINGS) $(call option,--noise,NOISE) \
		$(call option,--threads,THREADS) $(call flag,--download,DOWNLOAD) $(call flag,--resume,RESUME)

# Trained, then judged on what was held back, whose thresholds go with it.
keyword: $(VENV)/convert $(VENV)/training
	$(BIN) -m training.keyword $(call option,--words,WORDS) $(call option,--samples,SAMPLES) \
		$(call option,--negatives,NEGATIVES) $(call option,--more-negatives,MORE_NEGATIVES) \
		$(call option,--language,LANGUAGE) $(call option,--voices,VOICES) $(TAU_OPTION) \
		$(call option,--data,DATA) $(call option,--clips,CLIPS) \
		$(call option,--epochs,EPOCHS) $(call option,--seed,SEED) $(call option,--gpu,GPU) $(call option,--out,OUT)
	$(BIN) -m benchmarks.keyword $(call option,--words,WORDS) $(call option,--out,OUT) \
		$(call option,--false-accepts,FALSE_ACCEPTS)

# TAU only where the user names one: without, the width is the checkpoint's.
import: $(VENV)/training
	$(BIN) -m training.import_checkpoint $(call option,--checkpoint,CHECKPOINT) $(call option,--labels,LABELS) \
		$(if $(filter-out file,$(origin TAU)),$(TAU_OPTION)) $(call option,--out,OUT)

synthetic: $(VENV)/training $(if $(value VOICES),$(VENV)/convert)
	$(BIN) -m training.synthesis $(call option,--voices,VOICES)

speech: $(VENV)/training
	$(BIN) -m training.speech $(if $(value RECORDINGS),-- $(call quoted,RECORDINGS))

false-accepts: $(VENV)/convert $(VENV)/training
	$(BIN) -m benchmarks.false_accepts $(TAU_OPTION) $(call option,--record,RECORD) $(call option,--save,SAVE) \
		$(if $(value RECORDINGS),-- $(call quoted,RECORDINGS))

listen-test: $(VENV)/convert $(VENV)/training
	$(BIN) -m benchmarks.listen_test $(TAU_OPTION) $(call option,--data,DATA) $(call option,--split,SPLIT) \
		$(call option,--recordings,RECORDINGS) $(call flag,--record,KEEP)

# The report draws the curve that the choice is on.
tune: $(VENV)/convert $(VENV)/training
	$(BIN) -m benchmarks.tune $(TAU_OPTION) $(call option,--data,DATA) $(call option,--keywords,KEYWORDS) \
		$(call option,--false-accepts,FALSE_ACCEPTS) $(call option,--pause,PAUSE) $(call option,--out,OUT) \
		$(if $(value RECORDINGS),-- $(call quoted,RECORDINGS))
	$(BIN) -m benchmarks.report $(TAU_OPTION) --quiet

peers: $(VENV)/convert $(VENV)/training $(PEERS)/peers
	$(BIN) -m benchmarks.peers --python=$(PEERS_BIN) $(call option,--keywords,KEYWORDS) $(call option,--peer,PEER) \
		$(call option,--record,RECORD) $(if $(value RECORDINGS),-- $(call quoted,RECORDINGS))

level: $(VENV)/convert $(VENV)/training
	$(BIN) -m benchmarks.level -- $(if $(value WAV),$(call quoted,WAV)) $(if $(value RECORDINGS),$(call quoted,RECORDINGS))

field-test: $(VENV)/convert $(VENV)/training
	$(BIN) -m benchmarks.field_test $(TAU_OPTION) $(call option,--data,DATA) $(call option,--split,SPLIT) \
		$(call option,--noise,NOISE) $(call option,--each,EACH); $(then_report)

bench: $(VENV)/convert $(VENV)/training
	$(if $(filter all,$(value TAU)),$(BIN) -m benchmarks.scaling $(call option,--data,DATA), \
		$(BIN) -m benchmarks.bench $(TAU_OPTION) $(call option,--data,DATA) $(call option,--core,CORE); $(then_report))

bench-check: $(VENV)/convert
	$(BIN) -m benchmarks.baseline

bench-baseline: $(VENV)/convert
	$(BIN) -m benchmarks.baseline --write

stack: $(VENV)/convert
	$(BIN) -m benchmarks.stack $(TAU_OPTION) $(call flag,--record,KEEP)

npu: $(VENV)/convert $(VELA)/vela
	$(BIN) -m benchmarks.npu $(TAU_OPTION) --vela=$(VELA_BIN) $(call option,--npu,NPU)
	$(BIN) -m benchmarks.report $(TAU_OPTION) --quiet

# TAU only where the user names one: without, the best that fits is named.
budget: $(VENV)/convert
	$(BIN) -m benchmarks.budget $(call option,--ram,RAM) $(call option,--flash,FLASH) $(call option,--clock,CLOCK) \
		$(call option,--mode,MODE) $(call option,--every,EVERY) $(call option,--core,CORE) $(call option,--cpi,CPI) \
		$(call option,--load,LOAD) $(if $(filter-out file,$(origin TAU)),$(TAU_OPTION)) $(BOARD_OPTION)

board-report: $(VENV)/convert
	$(BIN) -m benchmarks.board_report $(BOARD_OPTION) $(call option,--core,CORE) $(if $(value LOG),-- $(call quoted,LOG))

run: $(VENV)/convert
	$(BIN) -m benchmarks.on_board $(TAU_OPTION) $(call option,--board,BOARD) $(call option,--wav,WAV)

selftest: $(VENV)/convert
	$(BIN) -m benchmarks.on_board $(TAU_OPTION) $(call option,--board,BOARD) --selftest

# Another checkpoint has a build of its own: what make export ships stays.
demo: $(VENV)/convert
	$(if $(value CHECKPOINT),$(BIN) -m convert $(TAU_OPTION) --build=build/demo $(call option,--checkpoint,CHECKPOINT))
	$(if $(value CHECKPOINT),$(BIN) -m firmware_gen --build=build/demo)
	$(BIN) -m demo $(if $(value CHECKPOINT),--build=build/demo,$(TAU_OPTION)) $(call flag,--serve,SERVE)

# sounddevice is installed where the microphone is asked for.
listen: $(VENV)/convert $(VENV)/training $(if $(value WAV),,$(VENV)/listen)
	$(BIN) -m demo.listen $(TAU_OPTION) $(call option,--device,DEVICE) $(call option,--wav,WAV) \
		$(call option,--sensitivity,SENSITIVITY) $(call flag,--real-time,REALTIME)

export: $(VENV)/convert
	$(BIN) -m firmware_gen.export $(TAU_OPTION) $(call option,--format,FORMAT)

report: $(VENV)/convert
	$(BIN) -m benchmarks.report $(TAU_OPTION)

calibration: $(VENV)/convert
	$(BIN) -m convert.calibration $(call option,--data,DATA)

docs-figures: $(VENV)/convert
	$(BIN) -m benchmarks.figures --write

# mypy follows imports into what is installed there.
lint: $(LINT)/lint $(VENV)/convert $(VENV)/training
	$(LINTERS)/ruff check
	$(LINTERS)/ruff format --check
	$(LINTERS)/mypy --python-executable $(BIN)
	find benchmarks demo examples tests \( -name '*.[ch]' -o -name '*.cc' \) -exec $(LINTERS)/clang-format --dry-run -Werror {} +

# A file of tests stays with one process: what its tests share is made once.
test: $(VENV)/convert $(VENV)/training $(VENV)/test
	$(BIN) -m pytest $(if $(value JOBS),-n $(call quoted,JOBS) --dist=loadfile)

test-all: $(VENV)/convert $(VENV)/training $(VENV)/test
	$(BIN) -m pytest -m '' $(if $(value JOBS),-n $(call quoted,JOBS) --dist=loadfile)

clean:
	$(call quoted,PYTHON) -m training.clean

# The virtual environments: the project's, the linters', the peers' and Vela's. Each part is installed once, from pinned
# versions, when something needs it.
$(VENV)/bin/activate $(VENV)/bin/python:
	sh requirements/install.sh $(call quoted,PYTHON) $(call quoted,VENV)

$(VENV)/%: requirements/%.txt | $(VENV)/bin/activate $(VENV)/bin/python
	sh requirements/install.sh $(call quoted,PYTHON) $(call quoted,VENV) '$*'

$(LINT)/bin/activate $(LINT)/bin/python:
	sh requirements/install.sh $(call quoted,PYTHON) $(call quoted,LINT)

$(LINT)/%: requirements/%.txt | $(LINT)/bin/activate $(LINT)/bin/python
	sh requirements/install.sh $(call quoted,PYTHON) $(call quoted,LINT) '$*'

$(PEERS)/bin/activate $(PEERS)/bin/python:
	sh requirements/install.sh $(call quoted,PYTHON) $(call quoted,PEERS)

$(PEERS)/%: requirements/%.txt | $(PEERS)/bin/activate $(PEERS)/bin/python
	sh requirements/install.sh $(call quoted,PYTHON) $(call quoted,PEERS) '$*'

$(VELA)/bin/activate $(VELA)/bin/python:
	sh requirements/install.sh $(call quoted,PYTHON) $(call quoted,VELA)

$(VELA)/%: requirements/%.txt | $(VELA)/bin/activate $(VELA)/bin/python
	sh requirements/install.sh $(call quoted,PYTHON) $(call quoted,VELA) '$*'

# axe-core, which the tests of the pages put into them, by npm into a folder of its own.
$(AXE)/axe: requirements/axe/package.json requirements/axe/package-lock.json
	command -v npm >/dev/null || { echo "error: no npm found; install Debian's package npm" >&2; exit 1; }
	mkdir -p $(call quoted,AXE)
	cp $^ $(call quoted,AXE)
	npm ci --prefix $(call quoted,AXE) --ignore-scripts --no-audit --no-fund --silent || { \
		echo "error: requirements/axe could not be installed into $(AXE); run it again where there is a network" >&2; exit 1; }
	touch $@
