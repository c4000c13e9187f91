// Ids of what a player asks for once.

// 32 hexadecimal digits, the first of the low half below 8: ids are 63-bit numbers there.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[8] &= 0x7f;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
