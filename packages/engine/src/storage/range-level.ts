/**
 * Ranges that are asked for by what they contain. An index on where a range begins says nothing about where it ends, so
 * ranges are kept by level as well: on level L none is longer than 16^L, and a look-up reads, level by level, only those that
 * begin near enough. One receipt over a million operations then costs the others nothing.
 */
export function levelOf(span: number): number {
  let level = 0;
  for (let reach = 1; span >= reach; reach *= 16) level += 1;
  return level;
}

/** 40 bits of seq, 48 bits of an id's point, 4 bits a level. */
export const TOP_SEQ_LEVEL = 10;
export const TOP_ID_LEVEL = 12;
