/** Characters that a password of a user has at least, as the server asks (http/auth/passwords.ts). */
export const leastPassword = 10;
