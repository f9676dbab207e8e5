/** `guardian-sync/processing`: the code that sends, for option `processing` where it cannot be loaded later. */
export { Processing } from "./engine/processing.ts";
