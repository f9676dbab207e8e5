export function onPath(name: string): string | undefined;
export function chromiumPath(): string | undefined;
