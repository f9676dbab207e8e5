/// <reference lib="dom" />

/**
 * Asks the browser not to delete this site's data when space runs short (https://storage.spec.whatwg.org/#persistence). Firefox asks the
 * person, who may take their time: nobody waits for it. Chromium and Safari decide by themselves.
 */
export async function askToPersist(): Promise<void> {
  try {
    await managerOf()?.persist?.();
  } catch {
    // A sandboxed frame has no say in it: the data stays evictable, which `isEvictable` tells.
  }
}

/** Also where the browser does not tell. */
export async function isEvictable(): Promise<boolean> {
  try {
    return (await managerOf()?.persisted?.()) !== true;
  } catch {
    return true;
  }
}

/** Absent on insecure pages. */
function managerOf(): Partial<StorageManager> | undefined {
  return typeof navigator === "undefined" ? undefined : (navigator.storage as StorageManager | undefined);
}
