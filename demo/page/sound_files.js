// Sound files: what the user drops, what the recordings are saved as, and the zip file that holds them.

const PCM = 1;
const EXTENSIBLE = 0xfffe;
const LEAST_RATE = 4000;  // Hz; outside of these a header is damaged
const GREATEST_RATE = 384000;

// The 16-bit PCM of a wav file, ArrayBuffer -> { rate, channels, samples Int16Array, interleaved }; null where it is something
// else. Such a file reaches the firmware without the browser's decoder.
function parseWav(buffer) {
  const view = new DataView(buffer);
  const name = (at) => String.fromCharCode(...new Uint8Array(buffer, at, 4));
  if (buffer.byteLength < 12 || name(0) !== "RIFF" || name(8) !== "WAVE") {
    return null;
  }
  let format = null;
  for (let at = 12; at + 8 <= buffer.byteLength;) {
    const kind = name(at);
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (kind === "fmt " && body + 16 <= buffer.byteLength) {
      const code = view.getUint16(body, true);
      format = {
        code: code === EXTENSIBLE && size >= 26 ? view.getUint16(body + 24, true) : code,
        channels: view.getUint16(body + 2, true),
        rate: view.getUint32(body + 4, true),
        bits: view.getUint16(body + 14, true),
      };
    } else if (kind === "data") {
      const right = format && format.code === PCM && format.bits === 16 && format.channels;
      if (!right || format.rate < LEAST_RATE || format.rate > GREATEST_RATE) {
        return null;
      }
      const bytes = Math.min(size, buffer.byteLength - body);
      const samples = Int16Array.from({ length: bytes >> 1 }, (_, index) => view.getInt16(body + 2 * index, true));
      return { rate: format.rate, channels: format.channels, samples };
    }
    at = body + size + (size % 2);
  }
  return null;
}

// Interleaved samples -> their mean over the channels, Float64Array.
function mono(samples, channels) {
  return Float64Array.from({ length: Math.floor(samples.length / channels) }, (_, index) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      sum += samples[index * channels + channel];
    }
    return sum / channels;
  });
}

// A file of any format that the browser knows -> Int16Array at 16 kHz. Throws where it is no sound.
async function readSound(file) {
  const buffer = await file.arrayBuffer();
  const wav = parseWav(buffer);
  if (wav) {
    return to16kHz(wav.channels === 1 ? wav.samples : mono(wav.samples, wav.channels), wav.rate);
  }
  const decoded = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(buffer);
  const sum = new Float64Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    decoded.getChannelData(channel).forEach((value, index) => (sum[index] += (32768 * value) / decoded.numberOfChannels));
  }
  return to16kHz(sum, decoded.sampleRate);
}

// Little-endian numbers, [bytes, value] each, as Uint8Array.
function packed(fields) {
  const bytes = new Uint8Array(fields.reduce((length, [size]) => length + size, 0));
  let at = 0;
  for (const [size, value] of fields) {
    for (let byte = 0; byte < size; byte++) {
      bytes[at++] = Math.floor(value / 2 ** (8 * byte)) & 255;
    }
  }
  return bytes;
}

// Int16Array at 16 kHz -> the bytes of a wav file.
function wavOf(samples) {
  const text = (letters) => new TextEncoder().encode(letters);
  const bytes = 2 * samples.length;
  const format = packed([[2, PCM], [2, 1], [4, SAMPLE_RATE], [4, 2 * SAMPLE_RATE], [2, 2], [2, 16]]);
  const data = packed(Array.from(samples, (sample) => [2, sample & 0xffff]));
  const head = [text("RIFF"), packed([[4, 36 + bytes]]), text("WAVEfmt "), packed([[4, 16]]), format];
  return joined(Uint8Array, [...head, text("data"), packed([[4, bytes]]), data]);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) {
    value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  }
  return value;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

// [{ name, bytes }] -> the bytes of a zip file in which they are stored (APPNOTE 6.3.10). when: Date.
function zipOf(files, when) {
  const utf8 = 0x0800;
  const time = (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1);
  const day = ((when.getFullYear() - 1980) << 9) | ((when.getMonth() + 1) << 5) | when.getDate();
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const named = new TextEncoder().encode(name);
    const sizes = [[4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, named.length], [2, 0]];
    const shared = [[2, utf8], [2, 0], [2, time], [2, day], ...sizes];
    const local = packed([[4, 0x04034b50], [2, 20], ...shared]);
    parts.push(local, named, bytes);
    directory.push(packed([[4, 0x02014b50], [2, 20], [2, 20], ...shared, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), named);
    offset += local.length + named.length + bytes.length;
  }
  const size = directory.reduce((length, part) => length + part.length, 0);
  const count = files.length;
  const end = packed([[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]]);
  return joined(Uint8Array, [...parts, ...directory, end]);
}
