/** Bytes of a text in UTF-8. A lone surrogate counts three, as encoders replace it by U+FFFD. */
export function utf8SizeBytes(text: string): number {
  let sizeBytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      sizeBytes += 1;
      continue;
    }
    sizeBytes += 2;
    const next = text.charCodeAt(i + 1);
    // A pair is four bytes in two units.
    if (unit >= 0xd800 && unit <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) i++;
  }
  return sizeBytes;
}
