/** So many operations are folded into one at most: all of them end in one transaction with it. */
export const MAX_MEMBERS = 1000;
