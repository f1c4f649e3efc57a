// The second tab: records the user's own words and the room's sound, and saves them as one zip file.

const COUNTDOWN = 3;
const COUNT_MS = 700;
const TAKE = 2 * SAMPLE_RATE;  // samples that are recorded of a word
const CLIP = SAMPLE_RATE;  // samples that are saved of them: the second around the word,
const LONGEST_CLIP = 1.6 * SAMPLE_RATE;  // or around a phrase the longest window that a network can have
const FRAME = SAMPLE_RATE / 100;
const FRAMES_OF_A_WORD = 30;  // the loudest so many frames are the level of a word
const ABOVE_ROOM_DB = 10;  // that a word must be
const LEAST_MARGIN = 5;  // frames between a word and the ends of what was recorded
const BACKGROUND = "_background_";

function decibels(energy) {
  return 10 * Math.log10(energy / 2 ** 30 + 1e-10);
}

// Where the word lies in a take -> { from, to in samples, level in dBFS, room in dBFS }; null where nothing stands out.
function locate(samples) {
  const energies = Array.from({ length: Math.floor(samples.length / FRAME) }, (_, frame) => {
    let energy = 0;
    for (let at = frame * FRAME; at < (frame + 1) * FRAME; at++) {
      energy += samples[at] * samples[at];
    }
    return energy / FRAME;
  });
  const sums = energies.slice(0, energies.length - FRAMES_OF_A_WORD + 1).map((_, start) => {
    const part = energies.slice(start, start + FRAMES_OF_A_WORD);
    return part.reduce((sum, energy) => sum + energy, 0) / FRAMES_OF_A_WORD;
  });
  const level = decibels(Math.max(...sums));
  const room = decibels(Math.min(...sums));
  if (level - room < ABOVE_ROOM_DB) {
    return null;
  }
  const least = (level + room) / 2;
  const loud = energies.map((energy) => decibels(energy) > least);
  return { from: loud.indexOf(true) * FRAME, to: (loud.lastIndexOf(true) + 1) * FRAME, level, room };
}

// A take of a word, or of a phrase, and what is thought of it: { samples, clip, start of the clip, found, good, text }.
function judge(samples, kws, phrase = false) {
  const found = locate(samples);
  const middle = found ? (found.from + found.to) / 2 : samples.length / 2;
  const margin = LEAST_MARGIN * FRAME;
  const length = phrase && found && found.to - found.from > CLIP - 2 * margin ? LONGEST_CLIP : CLIP;
  const start = Math.round(Math.max(0, Math.min(samples.length - length, middle - length / 2)));
  const take = { samples, start, clip: samples.slice(start, start + length), found };
  const { advice } = kws.levelOf(samples);
  let fault = "";
  if (!found) {
    fault = "nothing louder than the room was heard";
  } else if (found.from < margin || found.to > samples.length - margin) {
    fault = "the word is cut off: speak while the bar runs";
  } else if (found.to - found.from > length - 2 * margin) {
    fault = phrase ? "longer than 1.5 s" : "longer than the second that is saved";
  } else if (advice !== "ok") {
    fault = advice;
  }
  const place = found ? `word ${found.level.toFixed(0)} dBFS, room ${found.room.toFixed(0)} dBFS: ` : "";
  return { ...take, good: !fault, text: `${place}${fault || "good"}` };
}

// A folder's name of what the user typed; empty where it can be none.
function folderName(text) {
  const name = text.trim().toLowerCase().replace(/\s+/g, "_");
  return /^[\p{L}\p{N}][\p{L}\p{N}_-]*$/u.test(name) ? name : "";
}

class Recorder {
  constructor(kws) {
    this.kws = kws;
    this.takes = new Map();  // word -> takes
    this.rooms = [];  // Int16Array each
    this.saved = true;
    this.job = null;  // what is being recorded: { wanted, parts, length, done }
    this.microphone = new Microphone((samples) => this.hear(samples), () => {
      this.stop();
      say("record-problem", GONE);
    });
    byId("record-word").onclick = () => this.toggle(() => this.recordWord());
    byId("record-room").onclick = () => this.toggle(() => this.recordRoom());
    byId("delete-doubtful").onclick = () => this.deleteDoubtful();
    byId("save").onclick = () => this.save();
    byId("word").oninput = () => this.list();
    window.addEventListener("beforeunload", (event) => this.saved || event.preventDefault());
    this.list();
  }

  // ---- Recording ----

  hear(samples) {
    const { job } = this;
    if (!job) {
      return;
    }
    job.parts.push(samples);
    job.length += samples.length;
    job.progress(Math.min(1, job.length / job.wanted));
    if (job.length >= job.wanted) {
      this.end();
    }
  }

  // The next so many samples -> Int16Array; fewer where it is stopped.
  take(wanted, progress) {
    return new Promise((done) => (this.job = { wanted, progress, parts: [], length: 0, done }));
  }

  end() {
    const { job } = this;
    this.job = null;
    job?.done(joined(Int16Array, job.parts).subarray(0, job.wanted));
  }

  toggle(begin) {
    if (this.microphone.on) {
      this.stop();
    } else if (!this.microphone.starting) {
      begin();
    }
  }

  stop() {
    this.microphone.stop();
    this.end();
    say("record-word", "Record the word");
    say("record-room", "Record the room");
    byId("record-word").disabled = byId("record-room").disabled = false;
    byId("bar").value = 0;
    say("count", "");
  }

  // button: becomes the one that stops; other: has to wait.
  async start(button, other) {
    say("record-problem", "");
    try {
      await this.microphone.start(false);
    } catch (error) {
      say("record-problem", error.message);
      return false;
    }
    if (!this.microphone.on) {  // stopped while the browser asked
      return false;
    }
    say(button, "Stop");
    byId(other).disabled = true;
    return true;
  }

  async recordWord() {
    const word = folderName(byId("word").value);
    if (!word) {
      say("record-problem", "type a word: letters, digits, - and _, beginning with a letter or a digit");
      byId("word").focus();
      return;
    }
    const times = Number(byId("times").value);
    if (this.of(word).length >= times) {
      say("record-problem", `${this.of(word).length} of ${times} recordings are there: delete some, or ask for more`);
      return;
    }
    if (!(await this.start("record-word", "record-room"))) {
      return;
    }
    while (this.microphone.on && this.of(word).length < times) {
      for (let count = COUNTDOWN; count > 0 && this.microphone.on; count--) {
        say("count", String(count));
        await new Promise((done) => setTimeout(done, COUNT_MS));
      }
      if (!this.microphone.on) {
        break;
      }
      say("count", `say “${word}”`);
      const samples = await this.take(TAKE, (share) => (byId("bar").value = share));
      if (samples.length === TAKE) {
        this.takes.set(word, [...this.of(word), judge(samples, this.kws, word.includes("_"))]);
        this.changed();
      }
    }
    this.stop();
  }

  async recordRoom() {
    if (!(await this.start("record-room", "record-word"))) {
      return;
    }
    const minutes = Number(byId("minutes").value);
    const samples = await this.take(minutes * 60 * SAMPLE_RATE, (share) => {
      byId("bar").value = share;
      say("count", `room: ${Math.floor(share * minutes * 60)} of ${minutes * 60} s`);
    });
    if (samples.length >= SAMPLE_RATE) {
      this.rooms.push(samples);
      this.changed();
    } else {
      say("record-problem", "less than a second of the room: not kept");
    }
    this.stop();
  }

  // ---- What is there ----

  of(word) {
    return this.takes.get(word) || [];
  }

  changed() {
    this.saved = false;
    this.list();
  }

  remove(word, take) {
    this.takes.set(word, this.of(word).filter((other) => other !== take));
    this.changed();
  }

  deleteDoubtful() {
    for (const [word, takes] of this.takes) {
      this.takes.set(word, takes.filter((take) => take.good));
    }
    this.changed();
  }

  list() {
    const word = folderName(byId("word").value);
    const rows = this.of(word).map((take, index) => this.row(`${word} ${index + 1}`, take, () => this.remove(word, take)));
    byId("takes").replaceChildren(...rows);
    const rooms = this.rooms.map((samples, index) => {
      const take = { samples, clip: samples, start: 0, good: true, text: `${Math.round(samples.length / SAMPLE_RATE)} s` };
      return this.row(`room ${index + 1}`, take, () => {
        this.rooms.splice(index, 1);
        this.changed();
      });
    });
    byId("rooms").replaceChildren(...rooms);
    const words = [...this.takes].filter(([, takes]) => takes.length);
    const doubtful = words.reduce((sum, [, takes]) => sum + takes.filter((take) => !take.good).length, 0);
    byId("delete-doubtful").disabled = !doubtful;
    byId("save").disabled = !words.length && !this.rooms.length;
    const parts = words.map(([name, takes]) => `${name}: ${takes.length}`);
    if (this.rooms.length) {
      parts.push(`room: ${Math.round(this.rooms.reduce((sum, samples) => sum + samples.length, 0) / SAMPLE_RATE)} s`);
    }
    say("inventory", parts.length ? `Recorded: ${parts.join(", ")}. Doubtful: ${doubtful}.` : "Nothing recorded yet.");
  }

  row(name, take, remove) {
    const canvas = make("canvas", "wave");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `waveform of ${name}`);
    const button = (text, work) => {
      const made = make("button", "small", text);
      made.type = "button";
      made.setAttribute("aria-label", `${text} ${name}`);
      made.onclick = work;
      return made;
    };
    const buttons = [button("Play", () => this.play(take.clip)), button("Delete", remove)];
    const row = make("li", take.good ? "" : "doubtful", canvas, make("span", "", make("b", "", name), ` ${take.text}`), ...buttons);
    requestAnimationFrame(() => drawWave(canvas, take));
    return row;
  }

  async play(samples) {
    const context = new AudioContext();
    const buffer = context.createBuffer(1, samples.length, SAMPLE_RATE);
    buffer.copyToChannel(Float32Array.from(samples, (sample) => sample / 32768), 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.onended = () => context.close();
    source.connect(context.destination);
    source.start();
  }

  // ---- Saving ----

  // <word>/<n>.wav and _background_/<n>.wav.
  files() {
    const clips = [...this.takes].flatMap(([word, takes]) =>
      takes.map((take, index) => ({ name: `${word}/${index + 1}.wav`, bytes: wavOf(take.clip) })),
    );
    const rooms = this.rooms.map((samples, index) => ({ name: `${BACKGROUND}/${index + 1}.wav`, bytes: wavOf(samples) }));
    return [...clips, ...rooms];
  }

  save() {
    const link = make("a", "");
    link.href = URL.createObjectURL(new Blob([zipOf(this.files(), new Date())], { type: "application/zip" }));
    link.download = "words.zip";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    this.saved = true;
  }
}

// The samples of a take, the part that is saved, and the word in it.
function drawWave(canvas, { samples, start, clip, found }) {
  const ratio = window.devicePixelRatio || 1;
  const width = (canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio)));
  const height = (canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio)));
  const pen = canvas.getContext("2d");
  const x = (sample) => (sample / samples.length) * width;
  pen.fillStyle = colour("--line");
  pen.fillRect(x(start), 0, x(clip.length), height);
  pen.fillStyle = colour("--accent");
  for (let column = 0; column < width; column++) {
    const from = Math.floor((column / width) * samples.length);
    const to = Math.max(from + 1, Math.floor(((column + 1) / width) * samples.length));
    let peak = 0;
    for (let at = from; at < to; at++) {
      peak = Math.max(peak, Math.abs(samples[at]));
    }
    const tall = Math.max(1, (peak / 32768) * height);
    pen.fillRect(column, (height - tall) / 2, 1, tall);
  }
  if (found) {
    pen.fillStyle = colour("--word");
    pen.fillRect(x(found.from), height - 3, x(found.to - found.from), 3);
  }
}
