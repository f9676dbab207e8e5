/** The file says nothing to the apps that have it open: they look by themselves, when they have a reason to. */
export const WHEN_NOTICED = "A running app follows when it next looks at its queue: at its next enqueue, reconnect or start.";
