// The capture time that stands in the picture: 48 black or white blocks along the top, each 1/52 of the width.
// 40 bits of Unix milliseconds, least significant first, and the XOR of their five bytes.

const BLOCKS = 48;
const COLUMNS = 52;
const CODE_BITS = 40;
const WRAP = 2 ** CODE_BITS;
const THRESHOLD = 126;
const SCALE = 4;

export class TimecodeReader {
  #context;

  constructor() {
    const canvas = document.createElement("canvas");
    canvas.width = COLUMNS * SCALE;
    canvas.height = SCALE;
    this.#context = canvas.getContext("2d", { willReadFrequently: true });
  }

  // Return the Unix ms at which the video's present frame was taken, nearest to `nearMs`; undefined if unreadable.
  read(video, nearMs) {
    const { videoWidth: width, videoHeight: height } = video;
    if (!width) return undefined;
    const rows = stripRows(width, height);
    this.#context.drawImage(video, 0, rows / 4, width, rows / 2, 0, 0, COLUMNS * SCALE, SCALE);
    const pixels = this.#context.getImageData(0, SCALE / 2, COLUMNS * SCALE, 1).data;
    const bytes = new Uint8Array(BLOCKS / 8);
    for (let block = 0; block < BLOCKS; block++) {
      const bright = pixels[(block * SCALE + SCALE / 2) * 4] > THRESHOLD;
      if (bright) bytes[block >> 3] |= 1 << (block & 7);
    }
    return decode(bytes, nearMs);
  }
}

export const stripRows = (width, height) =>
  Math.max(4, Math.min(Math.floor(height / 8), Math.floor((2 * width) / COLUMNS)));

function decode(bytes, nearMs) {
  const [a, b, c, d, e, checksum] = bytes;
  if ((a ^ b ^ c ^ d ^ e) !== checksum || !(a | b | c | d | e)) return undefined;
  const code = a + b * 2 ** 8 + c * 2 ** 16 + d * 2 ** 24 + e * 2 ** 32;
  return code + Math.floor((nearMs - code + WRAP / 2) / WRAP) * WRAP;
}
