// The room compiles without DOM and Node types. These two exist on every platform that the engine runs on, Hermes included.
declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  label: string,
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

const encoder = new TextEncoder();
// Not fatal: what is decoded has been authenticated, or is checked by its reader. A leading U+FEFF is content, not a mark.
const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

export function utf8Encode(text: string): Uint8Array {
  return encoder.encode(text);
}
export function utf8Decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
