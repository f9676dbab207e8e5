/// <reference lib="dom" />

/** Chromium tells what IndexedDB takes apart from caches and files. */
interface Estimate extends StorageEstimate {
  readonly usageDetails?: { readonly indexedDB?: number };
}

/** What this site's databases take, as the browser estimates it; 0 where it does not tell. Of one database no browser tells. */
export async function estimatedBytes(): Promise<number> {
  const manager = typeof navigator === "undefined" ? undefined : (navigator.storage as StorageManager | undefined);
  if (manager === undefined) return 0;
  const { usage = 0, usageDetails }: Estimate = await manager.estimate();
  return usageDetails?.indexedDB ?? usage;
}
