/**
 * Small things that the page knows of itself: a switch, a token. Browsers that store nothing throw when storage is only named; the page
 * then forgets with its tab.
 */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Blocked, or full: what must not be lost is in the queue, and the queue says so when it cannot be kept.
  }
}
