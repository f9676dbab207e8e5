/** Both devices belong to the same person in the same home. */
export const ACCOUNT = { space: "home", principal: "ada" } as const;
