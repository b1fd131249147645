// Keys under which a request happens once however often it is sent.

/** A UUIDv7 (RFC 9562): when it was drawn, and chance. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  const hex = (byte: number) => byte.toString(16).padStart(2, "0");
  const [chance, drawn] = [[...bytes].map(hex).join(""), Date.now().toString(16).padStart(12, "0")];
  const variant = ((bytes[2] ?? 0) >> 6) + 8;
  return [
    drawn.slice(0, 8),
    drawn.slice(8),
    `7${chance.slice(0, 3)}`,
    `${variant.toString(16)}${chance.slice(5, 8)}`,
    chance.slice(8),
  ].join("-");
}
