// The microphone, at 16 kHz and 16 bits as the firmware takes it.

const STARTS_MS = 5000;
const GONE = "the microphone is gone; plug it in and start again";

// Rejects where the promise is not kept in time: a browser without a sound output never starts an AudioContext.
function inTime(promise) {
  const late = new Error("it does not start; is there a sound output?");
  return Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(late), STARTS_MS))]);
}

// The address of the worklet's code. A page of the file system may load none from a Blob.
function workletAddress() {
  const code = byId("worklet").textContent;
  return location.protocol === "file:"
    ? `data:text/javascript,${encodeURIComponent(code)}`
    : URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
}

class Microphone {
  // hear: called with an Int16Array at 16 kHz whenever there are samples. gone: called where the microphone was taken away.
  constructor(hear, gone) {
    this.hear = hear;
    this.gone = gone;
    this.starting = false;
    this.turn = 0;  // counts the stops, so that a start which waits for the user's consent learns of one
    this.context = null;
    this.stream = null;
  }

  // automaticGain: whether the browser sets the gain, which a board does not. Throws an Error with one line for the user.
  // Where it is stopped meanwhile, it stays off.
  async start(automaticGain) {
    const { turn } = this;
    this.starting = true;
    try {
      await this.open(automaticGain, () => turn !== this.turn);
    } catch (error) {
      if (turn === this.turn) {
        this.stop();
        throw error;
      }
    } finally {
      this.starting = false;
    }
  }

  async open(automaticGain, stopped) {
    if (!navigator.mediaDevices || !window.AudioWorkletNode) {
      throw new Error("this browser gives a page a microphone over https and on localhost alone: see `make demo SERVE=1`");
    }
    const wanted = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: automaticGain };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    } catch (error) {
      const refused = error.name === "NotAllowedError" ? "the browser was told to refuse it; allow it beside the address" : "";
      throw new Error(`no microphone: ${refused || error.message || error.name}`);
    }
    if (stopped()) {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    this.stream = stream;
    stream.getTracks()[0].onended = this.gone;
    const context = (this.context = new AudioContext());
    const address = workletAddress();
    try {
      await context.audioWorklet.addModule(address);
      await inTime(context.resume());
    } catch (error) {
      throw new Error(`no sound from the browser: ${error.message}`);
    } finally {
      URL.revokeObjectURL(address);
    }
    if (stopped()) {
      return;
    }
    const resampler = new Resampler(context.sampleRate);
    const tap = new AudioWorkletNode(context, "tap", { channelCount: 1, channelCountMode: "explicit" });
    tap.port.onmessage = ({ data }) => {
      const samples = resampler.push(Float64Array.from(data, (sample) => 32768 * sample));
      if (this.context === context && samples.length) {
        this.hear(samples);
      }
    };
    context.createMediaStreamSource(stream).connect(tap).connect(context.destination);
  }

  get on() {
    return this.context !== null;
  }

  stop() {
    this.turn += 1;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    this.stream = this.context = null;
  }
}
