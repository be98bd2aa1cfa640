/**
 * The end of a name whose value is a secret, from its telling word on: `authToken`, `userpwd`, `X-Amz-Signature`. As the source of a
 * regular expression, for flag `i`: the log and what is shown of a camera's address find the same names. Not among them are settings
 * of streams that only sound so, such as `keyframe`, `authority` and `bypass`. Its repetition has a bound: see `redact`.
 */
export const secretName = [
  '(?:',
  [
    'auth(?!or(?!i[sz])|[-_]?(?:mode|type|method|scheme))',
    'key(?![-_]?(?:frame|int|unit|board|pad|word))',
    'token|secret|credential',
    // `pas` and `psw`, also behind other letters, are how some cameras name it.
    'pas(?![a-z])|psw|pw(?:d|(?![a-z]))',
    '(?<!by|com|low|high|band)pass(?!age|enger|es(?![a-z])|ive|[-_]?thr)',
    // A whole `sign`, for `design` and `signal` are none.
    'sig(?![a-z])|signature|(?<![a-z])sign(?![a-z])',
  ].join('|'),
  ')[\\w.-]{0,64}',
].join('');
